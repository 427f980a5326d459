//! A transaction that has begun in the stream.

use waltap_event::Stamp;
use waltap_ledger::GroupId;
use waltap_pgoutput::{Begin, Lsn, PgTime};

/// A transaction of which the commit has not come yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenTransaction {
    pub(super) group: GroupId,
    pub(super) begin: Begin,
    /// The number of the next change, as the server sends them.
    pub(super) ordinal: u64,
    /// How many of its changes, from the first on, are in Kafka already: all of them as `u64::MAX`.
    pub(super) repeats: u64,
    /// Whether anything of it was sent.
    pub(super) has_events: bool,
    /// Of records of the stream that are not of it.
    pub(super) bytes_before: u64,
}

impl OpenTransaction {
    /// Whether the next change is in Kafka already.
    pub(super) fn is_repeat(&self) -> bool {
        self.ordinal < self.repeats
    }

    /// Whether the whole of it is.
    pub(super) fn is_known(&self) -> bool {
        self.repeats == u64::MAX
    }

    /// The stamp of its next change.
    pub(super) fn stamp(&self, lsn: Lsn, now: PgTime) -> Stamp {
        Stamp {
            txid: Some(self.begin.xid),
            lsn,
            commit_lsn: self.begin.final_lsn,
            ordinal: Some(self.ordinal),
            happened_at: self.begin.commit_time,
            written_at: now,
        }
    }
}
