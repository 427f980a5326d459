//! Dead letters: records that Kafka does not take, kept whole in a topic of their own (`--on-bad-event dead-letter`).
//!
//! A record that is too large for its topic is found before the producer sees it, cut into pieces, and sent in its place: through the same
//! producer, in the same account of the ledger and the same Kafka transaction, so that the slot waits for it as for any event.
//! `waltap dead-letters` puts the pieces together again.

mod assembly;
mod book;
mod digest;
mod letter;
mod pieces;
mod replay;
mod rooms;
mod writer;

pub use book::{DeadLetter, dead_letters};
pub(crate) use letter::Refused;
pub use replay::{Replay, replay};
pub(crate) use rooms::{Rooms, Verdict, Verdicts};
pub(crate) use writer::Writer;

/// The topic of dead letters, unless the user names another.
pub const DEAD_LETTER_TOPIC_DEFAULT: &str = "waltap.dead-letters";

/// The header under which each piece says what it is a piece of.
const HEADER: &str = "waltap.dead-letter";
