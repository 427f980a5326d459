//! What stands around the rows.

use waltap_pgoutput::{Lsn, PgTime};

use super::jackson::write_string;
use super::options::Options;
use crate::append::Kept;
use crate::json::number::{write_i64, write_u64};
use crate::native::envelope::{unix_millis, write_or_null};
use crate::{Operation, Stamp};

/// Writes the `source` of the events of one database.
#[derive(Clone, Debug)]
pub(super) struct SourceWriter {
    /// Up to the value of `ts_ms`.
    start: Box<[u8]>,
    /// `db`, and `sequence` up to its first element.
    database: Box<[u8]>,
    of_snapshot: &'static [u8],
    not_of_snapshot: &'static [u8],
    /// Where the commit of the last transaction ends.
    pub(super) last_commit: Option<Lsn>,
    kept: KeptParts,
}

impl SourceWriter {
    pub(super) fn new(database: &str, options: &Options) -> Self {
        let mut start = b"\"source\":{\"version\":".to_vec();
        write_string(options.version.as_bytes(), &mut start);
        start.extend_from_slice(b",\"connector\":\"postgresql\",\"name\":");
        write_string(options.prefix(database).as_bytes(), &mut start);
        start.extend_from_slice(b",\"ts_ms\":");
        let mut db = b",\"db\":".to_vec();
        write_string(database.as_bytes(), &mut db);
        db.extend_from_slice(b",\"sequence\":\"[");
        let not_of_snapshot: &[u8] = match options.nulls_to_defaults {
            // To Debezium the field is a null with a default.
            Some(false) => b",\"snapshot\":null",
            Some(true) | None => b",\"snapshot\":\"false\"",
        };
        let of_snapshot = b",\"snapshot\":\"true\"";
        SourceWriter {
            start: start.into(),
            database: db.into(),
            of_snapshot,
            not_of_snapshot,
            last_commit: None,
            kept: KeptParts::default(),
        }
    }

    /// For rows of Debezium's incremental snapshots.
    pub(super) fn of_chunks(self) -> Self {
        SourceWriter { of_snapshot: b",\"snapshot\":\"incremental\"", kept: KeptParts::default(), ..self }
    }

    /// Appends `source`. `place` is what [`place`] made.
    pub(super) fn write(&mut self, operation: Operation, place: &[u8], stamp: &Stamp, out: &mut Vec<u8>) {
        let SourceWriter { start, database, of_snapshot, not_of_snapshot, last_commit, kept } = self;
        kept.until_lsn.append_to(out, (operation, stamp.happened_at, *last_commit), |out| {
            out.extend_from_slice(start);
            write_i64(unix_millis(stamp.happened_at), out);
            out.extend_from_slice(match operation {
                Operation::Read => of_snapshot,
                _ => not_of_snapshot,
            });
            out.extend_from_slice(database);
            match last_commit {
                Some(lsn) => write_quoted_lsn(*lsn, out),
                None => out.extend_from_slice(b"null"),
            }
            out.push(b',');
        });
        write_quoted_lsn(stamp.lsn, out);
        kept.finer_times.append_to(out, stamp.happened_at, |out| {
            out.extend_from_slice(b"]\"");
            write_finer_times(stamp.happened_at, out);
        });
        out.extend_from_slice(place);
        kept.transaction.append_to(out, stamp.txid, |out| {
            write_or_null(stamp.txid.map(u64::from), out);
            out.extend_from_slice(b",\"lsn\":");
        });
        write_u64(stamp.lsn.0, out);
        out.extend_from_slice(b",\"xmin\":null,\"origin\":null,\"origin_lsn\":null}");
    }

    /// Appends what follows `transaction`, to the end.
    pub(super) fn write_end(&mut self, operation: Operation, stamp: &Stamp, out: &mut Vec<u8>) {
        self.kept.end.append_to(out, (operation, stamp.written_at), |out| {
            out.extend_from_slice(b",\"op\":\"");
            out.push(operation.letter());
            out.extend_from_slice(b"\",\"ts_ms\":");
            write_i64(unix_millis(stamp.written_at), out);
            write_finer_times(stamp.written_at, out);
            out.push(b'}');
        });
    }
}

/// What rows of a transaction have in common, which is written once.
#[derive(Clone, Debug, Default)]
struct KeptParts {
    /// Up to the second element of `sequence`.
    until_lsn: Kept<(Operation, PgTime, Option<Lsn>)>,
    /// What follows that, up to the table's place.
    finer_times: Kept<PgTime>,
    /// The value of `txId`, up to that of `lsn`.
    transaction: Kept<Option<u32>>,
    /// What follows `transaction`.
    end: Kept<(Operation, PgTime)>,
}

/// `schema` and `table`, up to the value of `txId`.
pub(super) fn place(schema: &str, table: &str) -> Box<[u8]> {
    let mut place = b",\"schema\":".to_vec();
    write_string(schema.as_bytes(), &mut place);
    place.extend_from_slice(b",\"table\":");
    write_string(table.as_bytes(), &mut place);
    place.extend_from_slice(b",\"txId\":");
    place.into()
}

/// In `sequence`, which is JSON in a string.
fn write_quoted_lsn(lsn: Lsn, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\\"");
    write_u64(lsn.0, out);
    out.extend_from_slice(b"\\\"");
}

fn write_finer_times(time: PgTime, out: &mut Vec<u8>) {
    let micros = time.unix_micros();
    out.extend_from_slice(b",\"ts_us\":");
    write_i64(micros, out);
    out.extend_from_slice(b",\"ts_ns\":");
    write_i64(micros.saturating_mul(1_000), out);
}
