//! Our own fields.

use waltap_pgoutput::{Lsn, PgTime};

use crate::append::Kept;
use crate::json::string;
use crate::native::envelope::{write_bare_lsn, write_lsn, write_or_null};
use crate::text::date_time;
use crate::{Operation, Stamp};

/// The part that does not change, from the database up to the value of `_txid`, with null for the table where there is none.
pub(super) fn place(database: &str, table: Option<(&str, &str)>) -> Box<[u8]> {
    let mut place = b",\"_db\":".to_vec();
    string::write(database.as_bytes(), &mut place);
    match table {
        Some((schema, table)) => {
            place.extend_from_slice(b",\"_schema\":");
            string::write(schema.as_bytes(), &mut place);
            place.extend_from_slice(b",\"_table\":");
            string::write(table.as_bytes(), &mut place);
        }
        None => place.extend_from_slice(b",\"_schema\":null,\"_table\":null"),
    }
    place.extend_from_slice(b",\"_txid\":");
    place.into()
}

/// Writes them. What rows of a transaction have in common is written once.
#[derive(Clone, Debug, Default)]
pub(super) struct HeadWriter {
    /// Up to the place.
    start: Kept<(Operation, PgTime)>,
    /// The value of `_txid`, up to that of `_lsn`, with its quote.
    transaction: Kept<Option<u32>>,
    /// What follows `_lsn`, from its quote up to the value of `_seq`.
    commit: Kept<Lsn>,
}

impl HeadWriter {
    /// Appends our fields, up to `_seq`; a field follows with its comma, or the end. `place` is what [`place`] made.
    pub(super) fn write(&mut self, operation: Operation, place: &[u8], stamp: &Stamp, out: &mut Vec<u8>) {
        self.start.append_to(out, (operation, stamp.happened_at), |out| {
            out.extend_from_slice(b"{\"_op\":\"");
            out.push(operation.letter());
            out.extend_from_slice(b"\",\"_ts\":\"");
            date_time::write_unix_micros(stamp.happened_at.unix_micros(), out);
            out.extend_from_slice(b"Z\"");
        });
        out.extend_from_slice(place);
        self.transaction.append_to(out, stamp.txid, |out| {
            write_or_null(stamp.txid.map(u64::from), out);
            out.extend_from_slice(b",\"_lsn\":\"");
        });
        write_bare_lsn(stamp.lsn, out);
        self.commit.append_to(out, stamp.commit_lsn, |out| {
            out.extend_from_slice(b"\",\"_commit_lsn\":");
            write_lsn(stamp.commit_lsn, out);
            out.extend_from_slice(b",\"_seq\":");
        });
        write_or_null(stamp.ordinal, out);
    }
}
