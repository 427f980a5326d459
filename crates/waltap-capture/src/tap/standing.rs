//! For how long a session streams with every row read.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// Since when every table is read that was to be, in this session. What was begun anew is over then, however long it took. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing(Arc<Mutex<Option<Instant>>>);

impl Standing {
    /// Notes whether tables have rows that are still to be read.
    pub(crate) fn note(&self, has_unread: bool) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if has_unread { None } else { Some(since.unwrap_or_else(Instant::now)) };
    }

    /// `None`: rows are still to be read.
    pub(crate) fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::since_1970;
    use crate::progress::SlotRecord;

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_anew_counts_from_the_end_of_its_reading() {
        let hour = Duration::from_secs(60 * 60);
        let standing = Standing::default();
        // Of 30 hours ago.
        let long_ago = Some((since_1970() - 30 * hour).as_secs());
        let mut record = SlotRecord { begun_anew: long_ago, ..SlotRecord::intended("7", "s") };
        standing.note(true);
        tokio::time::advance(2 * hour).await;
        record.streams_since(standing.since());
        assert!(record.begun_anew > long_ago, "rows are still read");
        standing.note(false);
        tokio::time::advance(hour / 2).await;
        standing.note(false);
        let (until, mut begun) = (record.begun_anew, record.clone());
        record.streams_since(standing.since());
        assert_eq!(record.begun_anew, until, "it has streamed for half an hour");
        tokio::time::advance(hour / 2).await;
        record.streams_since(standing.since());
        assert_eq!(record.begun_anew, None, "and now for an hour");
        standing.note(true);
        begun.streams_since(standing.since());
        assert!(begun.begun_anew.is_some(), "rows are read again");
        record.streams_since(standing.since());
        assert_eq!(record.begun_anew, None, "of what was not begun anew nothing is said");
    }
}
