//! The age of what is not confirmed yet.

use std::collections::VecDeque;

use waltap_pgoutput::{Lsn, PgTime};

/// The ends of transactions with events that are not all confirmed, and when each was committed, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed(VecDeque<(Lsn, PgTime)>);

impl Unconfirmed {
    /// `as_one`: those that are there will be confirmed no sooner, so that the age of the oldest is that of all.
    pub(super) fn note(&mut self, end: Lsn, commit_time: PgTime, as_one: bool) {
        match self.0.back_mut() {
            Some((last, _)) if as_one => *last = end,
            _ => self.0.push_back((end, commit_time)),
        }
    }

    pub(super) fn note_confirmed(&mut self, confirmed: Lsn) {
        while self.0.front().is_some_and(|(end, _)| *end <= confirmed) {
            self.0.pop_front();
        }
    }

    /// When the oldest was committed.
    pub(super) fn oldest(&self) -> Option<PgTime> {
        self.0.front().map(|(_, time)| *time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_first_that_is_not_confirmed() {
        let mut unconfirmed = Unconfirmed::default();
        assert_eq!(unconfirmed.oldest(), None);
        for (end, time) in [(10, 1), (20, 2), (30, 3)] {
            unconfirmed.note(Lsn(end), PgTime(time), false);
        }
        unconfirmed.note_confirmed(Lsn(20));
        assert_eq!(unconfirmed.oldest(), Some(PgTime(3)));
        unconfirmed.note_confirmed(Lsn(30));
        assert_eq!(unconfirmed.oldest(), None);
    }

    #[test]
    fn what_is_committed_as_one_is_as_old_as_the_first_of_it() {
        let mut unconfirmed = Unconfirmed::default();
        for end in 1..1_000 {
            unconfirmed.note(Lsn(end), PgTime(end as i64), true);
        }
        assert_eq!(unconfirmed.0.len(), 1);
        unconfirmed.note_confirmed(Lsn(998));
        assert_eq!(unconfirmed.oldest(), Some(PgTime(1)));
        unconfirmed.note_confirmed(Lsn(999));
        assert_eq!(unconfirmed.oldest(), None);
    }
}
