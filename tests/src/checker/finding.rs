//! What the checker finds.

use std::fmt;

use super::{Entry, Place};
use crate::oracle::Position;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Something that was committed has no event.
    Gap,
    /// Something came twice that may come once.
    Repeat,
    /// A return to what came before left something of it out.
    BrokenReturn,
    /// A position came twice, with other content.
    Content,
    /// A new event came behind one of a later position.
    OutOfOrder,
    /// The changes of one key came in another order than they were made in.
    KeyOrder,
    /// An event of what was rolled back, or never was.
    Phantom,
    /// A transaction does not hold together.
    Torn,
    /// PostgreSQL was told to forget an event before Kafka had it.
    AcknowledgedEarly,
    /// The slot does not come to the end though nobody writes.
    StandsStill,
}

/// One fault, and where it shows.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// Where it shows; of what is missing, the last that came before it.
    pub place: Option<Place>,
    /// The position that is concerned.
    pub position: Option<Position>,
    /// The rest, in words.
    pub detail: String,
}

impl Finding {
    /// A fault that an event shows.
    pub(super) fn at(fault: Fault, entry: &Entry, detail: String) -> Self {
        let detail = format!("key {}: {detail}", entry.key());
        Finding { fault, place: Some(entry.place.clone()), position: Some(entry.event.position), detail }
    }

    /// The slot's, when it does not come to the end.
    pub fn stands_still(detail: String) -> Self {
        Finding { fault: Fault::StandsStill, place: None, position: None, detail }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.fault)?;
        if let Some(position) = self.position {
            write!(f, " at {position}")?;
        }
        if let Some(place) = &self.place {
            write!(f, " in {place}")?;
        }
        write!(f, ": {}", self.detail)
    }
}
