//! The watch over the publications that a tap reads.
//!
//! What a publication leaves out, the server leaves out of the stream without a word. So what the publications published of the captured
//! tables is remembered in progress, and compared at every start and at every look while running. Whatever took something away from a table
//! that is captured is a loss that stops the tap, and stays one, mended or not, until somebody has judged it.
//!
//! What waltap does to its own publications is told from what others do without any order of events: it never takes from a captured table
//! more than the table's missing replica identity demands, and it forgets what it is about to move before it moves it.

mod accept;
mod compare;
mod loss;
mod memory;
mod published;

pub use accept::{AcceptedLoss, accept_losses};
pub(crate) use memory::{Memory, Remembered};
pub(crate) use published::Published;
