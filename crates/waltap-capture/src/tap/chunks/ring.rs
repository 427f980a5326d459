//! The transactions that the stream has passed last.
//!
//! A commit stands in the log before its transaction is visible: for as long as the server takes to write it to the disk, and with a synchronous
//! standby for as long as that takes. So rows that are read behind a place in the log need not show every transaction that committed before it. What
//! the stream has sent of such a transaction would be older than those rows by its place, and newer by its content.

use waltap_postgres::catalog::VisibleTransactions;

/// How many transactions are remembered. Those that are logged and not visible are those that commit now, which are never more than the server
/// has connections.
const LENGTH: usize = 1 << 16;

/// The ids of the last transactions.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    xids: Vec<u32>,
    noted: u64,
}

/// How far the stream was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(u64);

impl Ring {
    /// Notes a transaction that is about to be taken, or passed over.
    #[inline]
    pub(crate) fn note(&mut self, xid: u32) {
        let place = (self.noted % LENGTH as u64) as usize;
        match self.xids.get_mut(place) {
            Some(slot) => *slot = xid,
            None => self.xids.push(xid),
        }
        self.noted += 1;
    }

    /// Behind the last transaction that was noted.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.noted)
    }

    /// A transaction before the mark that a snapshot does not see.
    pub(crate) fn unseen(&self, mark: Mark, visible: &VisibleTransactions) -> Option<u32> {
        let oldest = self.noted.saturating_sub(self.xids.len() as u64);
        (oldest..mark.0).map(|number| self.xids[(number % LENGTH as u64) as usize]).find(|xid| !visible.sees(*xid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(xmin: u64, xmax: u64, in_progress: &[u64]) -> VisibleTransactions {
        VisibleTransactions { xmin, xmax, in_progress: in_progress.to_vec() }
    }

    #[test]
    fn what_a_snapshot_does_not_see_is_found_before_the_mark_alone() {
        let mut ring = Ring::default();
        [5, 9, 7].into_iter().for_each(|xid| ring.note(xid));
        let mark = ring.mark();
        ring.note(8);
        assert_eq!(ring.unseen(mark, &visible(20, 20, &[])), None);
        assert_eq!(ring.unseen(mark, &visible(7, 20, &[7, 8])), Some(7));
        assert_eq!(ring.unseen(mark, &visible(8, 20, &[8])), None, "it comes behind the mark");
        // The newest one has no place among those in progress: it is not below the end.
        assert_eq!(ring.unseen(mark, &visible(9, 9, &[])), Some(9));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut ring = Ring::default();
        (0..LENGTH as u32 + 10).for_each(|xid| ring.note(xid + 100));
        let all = visible(100, 1 << 20, &(100..1 << 18).collect::<Vec<_>>());
        assert_eq!(ring.unseen(ring.mark(), &all), Some(110));
        assert_eq!(ring.xids.len(), LENGTH);
    }
}
