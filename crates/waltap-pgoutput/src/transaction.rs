//! The frame around a transaction's changes.

use crate::reader::Reader;
use crate::{Error, Lsn, PgTime};

/// The beginning of a transaction. Transactions arrive whole and one after another, in the order of their commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Where the commit record begins; the same as [`Commit::commit_lsn`]. Known already, since nothing is sent before the commit.
    pub final_lsn: Lsn,
    /// When it was committed, by the server's clock.
    pub commit_time: PgTime,
    /// The transaction's id.
    pub xid: u32,
}

/// The end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Where the commit record begins.
    pub commit_lsn: Lsn,
    /// Where the commit record ends: what to report as flushed once the transaction is safe.
    pub end_lsn: Lsn,
    /// When it was committed, by the server's clock.
    pub commit_time: PgTime,
}

/// Where a transaction came from that this server has itself received by replication. At most one, straight after [`Begin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Where the transaction was committed on the server that it came from.
    pub commit_lsn: Lsn,
    /// The name of the replication origin.
    pub name: &'a str,
}

impl Begin {
    pub(crate) fn decode_body(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Begin {
            final_lsn: reader.lsn("final LSN of the transaction")?,
            commit_time: reader.time("commit time")?,
            xid: reader.u32("transaction id")?,
        })
    }
}

impl Commit {
    pub(crate) fn decode_body(reader: &mut Reader<'_>) -> Result<Self, Error> {
        match reader.u8("commit flags")? {
            0 => {}
            other => return Err(reader.unexpected(other, "commit flags", "0")),
        }
        Ok(Commit {
            commit_lsn: reader.lsn("LSN of the commit")?,
            end_lsn: reader.lsn("end LSN of the transaction")?,
            commit_time: reader.time("commit time")?,
        })
    }
}

impl<'a> Origin<'a> {
    pub(crate) fn decode_body(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Origin { commit_lsn: reader.lsn("LSN of the commit at the origin")?, name: reader.string("name of the origin")? })
    }
}
