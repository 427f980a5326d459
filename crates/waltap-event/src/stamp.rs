//! Where and when an event stands.

use waltap_pgoutput::{Lsn, PgTime};

/// The place of an event in the log, its transaction and its times: what stands in `source`, and the outer `ts_ms`.
///
/// The position of an event is `(commit_lsn, ordinal)`. An event that is sent again has the same position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The transaction's id. None for snapshot rows and for messages outside of a transaction.
    pub txid: Option<u32>,
    /// Where the change itself stands in the log.
    pub lsn: Lsn,
    /// Where the transaction's commit stands.
    pub commit_lsn: Lsn,
    /// The number of the change in its transaction, from 0. None for snapshot rows.
    pub ordinal: Option<u64>,
    /// When the transaction was committed; for snapshot rows, when they were read.
    pub happened_at: PgTime,
    /// When waltap wrote the event.
    pub written_at: PgTime,
}

impl Stamp {
    /// The stamp of the rows of a snapshot, which all stand at its LSN.
    pub fn snapshot(lsn: Lsn, read_at: PgTime, written_at: PgTime) -> Self {
        Stamp { txid: None, lsn, commit_lsn: lsn, ordinal: None, happened_at: read_at, written_at }
    }
}
