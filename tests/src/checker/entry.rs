//! An event in its place in the log.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::oracle::{Event, Operation};

/// Where a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}] @ {}", self.topic, self.partition, self.offset)
    }
}

/// An event, and where it is.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it is.
    pub place: Place,
    /// What it says.
    pub event: Event,
}

impl Entry {
    /// Whether it is a row of a snapshot.
    pub(super) fn is_read(&self) -> bool {
        self.event.operation == Operation::Read
    }

    /// Its key, short.
    pub(super) fn key_hash(&self) -> u64 {
        hash(&self.event.key)
    }

    /// Its content, short.
    pub(super) fn content_hash(&self) -> u64 {
        hash(&self.event.content())
    }

    /// A number in the new row.
    pub(super) fn number(&self, column: &str) -> Option<u64> {
        self.event.after.as_ref()?.get(column)?.get().parse().ok()
    }

    /// Whether the new row says so of itself.
    pub(super) fn is_marked_aborted(&self) -> bool {
        self.event.after.as_ref().and_then(|row| row.get("note")).is_some_and(|note| note.get() == "\"aborted\"")
    }

    /// Its key, for people.
    pub(super) fn key(&self) -> &str {
        self.event.key.as_deref().unwrap_or("null")
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
