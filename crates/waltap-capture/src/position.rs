//! How far the stream is in Kafka, to the change.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use waltap_pgoutput::Lsn;

/// A place in the stream: everything before it is in Kafka.
///
/// Transactions and messages outside of one come in the order of the log, and nothing stands between the changes of a transaction. So a place is
/// a commit's LSN and how much of what commits there is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Transactions that commit before it are in, and logical messages up to it.
    #[serde(with = "super::progress::lsn")]
    pub(crate) commit_lsn: Lsn,
    /// Of the transaction that commits there: how many of its changes are in. `None`: it is in as a whole.
    pub(crate) ordinal: Option<u64>,
}

impl Position {
    /// Behind a transaction.
    pub(crate) fn after_transaction(commit_lsn: Lsn) -> Self {
        Position { commit_lsn, ordinal: None }
    }

    /// Where a slot begins: nothing of what commits there is in.
    pub(crate) fn before(start: Lsn) -> Self {
        Position { commit_lsn: start, ordinal: Some(0) }
    }

    /// Behind a message outside of transactions. Its LSN is the end of its record, where the commit of a transaction may begin: nothing of that
    /// one is in.
    pub(crate) fn after_message(lsn: Lsn) -> Self {
        Position { commit_lsn: lsn, ordinal: Some(0) }
    }

    /// Where the last event is that is in, or the one that would be the last.
    pub(crate) fn last_event(self) -> Lsn {
        match self.ordinal {
            // What commits there is not in, and what is before it ends there.
            Some(0) => Lsn(self.commit_lsn.0.saturating_sub(1)),
            _ => self.commit_lsn,
        }
    }

    /// How many of a transaction's changes are in: all of them as `u64::MAX`.
    pub(crate) fn changes_of(self, commit_lsn: Lsn) -> u64 {
        match self.ordinal {
            _ if commit_lsn < self.commit_lsn => u64::MAX,
            Some(ordinal) if commit_lsn == self.commit_lsn => ordinal,
            None if commit_lsn == self.commit_lsn => u64::MAX,
            _ => 0,
        }
    }

    /// Whether a change is in, by its commit and its number.
    pub(crate) fn has_change(self, commit_lsn: Lsn, ordinal: u64) -> bool {
        ordinal < self.changes_of(commit_lsn)
    }

    /// The place itself, or that up to where logs are one.
    pub(crate) fn up_to(self, shared: Lsn) -> Self {
        self.min(Position::after_message(shared))
    }

    /// Whether a message outside of transactions is in.
    pub(crate) fn has_message(self, lsn: Lsn) -> bool {
        lsn <= self.commit_lsn
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |position: &Self| (position.commit_lsn, position.ordinal.unwrap_or(u64::MAX));
        place(self).cmp(&place(other))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_is_known_and_what_is_new_is_not() {
        let whole = Position::after_transaction(Lsn(20));
        assert_eq!([10, 20, 30].map(|lsn| whole.changes_of(Lsn(lsn))), [u64::MAX, u64::MAX, 0]);
        let split = Position { commit_lsn: Lsn(20), ordinal: Some(7) };
        assert_eq!([10, 20, 30].map(|lsn| split.changes_of(Lsn(lsn))), [u64::MAX, 7, 0]);
        // The commit's record may begin where the message's ends.
        let message = Position::after_message(Lsn(20));
        assert_eq!([10, 20, 30].map(|lsn| message.changes_of(Lsn(lsn))), [u64::MAX, 0, 0]);
        assert_eq!(Position::before(Lsn(20)).last_event(), Lsn(19));
        for position in [whole, split, message] {
            assert_eq!([20, 21].map(|lsn| position.has_message(Lsn(lsn))), [true, false]);
        }
        assert!(message < split && split < whole && whole < Position::after_message(Lsn(21)));
        assert_eq!([6, 7].map(|ordinal| split.has_change(Lsn(20), ordinal)), [true, false]);
        assert_eq!((whole.up_to(Lsn(20)), whole.up_to(Lsn(21))), (message, whole));
    }
}
