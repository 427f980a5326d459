//! Requests: what people ask of a capture, running or not.
//!
//! They are records in the progress topic, so that they survive restarts and a takeover, can be given while waltap is down, and reach the
//! process that holds the slot wherever it runs. Of a database there are asks (`ask/ID`), which a tap answers and deletes, and wishes
//! (`wish/...`), which hold until they are taken back. Both are written from the command line alone; a tap writes everything else, and
//! deletes asks. So no key has two masters.

mod answered;
mod asking;
mod known;
mod pausing;
mod record;
mod table_pauses;
mod watch;

use waltap_error::Result;

use crate::progress::Store;

pub(crate) use answered::Answered;
pub use asking::{AskState, Asked, Asking};
pub use pausing::{Paused, pause, resume};
use record::ask_key;
pub(crate) use record::{Ask, Requested};
pub use table_pauses::PauseState;
pub(crate) use watch::{Requests, watch};

/// Deletes asks that a tap has answered, or made its own in what it remembers of their tables. Never in a Kafka transaction: the watcher
/// sees a deletion before it is known whether it is committed. So what a tap remembers has the ask's id, and an ask that it knows already
/// is only deleted.
pub(crate) async fn answered(store: &Store, ids: &[String]) -> Result<()> {
    store.write_under(ids.iter().map(|id| (ask_key(id), None)).collect()).await
}
