//! What stands around the rows.

use waltap_pgoutput::{Lsn, PgTime};

use crate::append::{Kept, append_some};
use crate::json::number::{write_i64, write_u64};
use crate::json::string;
use crate::{Operation, Stamp};

/// Writes it. What rows of a transaction have in common is written once.
#[derive(Clone, Debug, Default)]
pub(super) struct EnvelopeWriter {
    /// Up to `source`.
    start: Kept<(Operation, PgTime)>,
    /// The value of `txid`, up to that of `lsn`, with its quote.
    transaction: Kept<Option<u32>>,
    /// What follows `lsn`, from its quote up to the value of `seq`.
    commit: Kept<Lsn>,
    /// What follows `seq`.
    end: Kept<(Operation, PgTime)>,
}

impl EnvelopeWriter {
    /// Appends everything up to the end of `source`; a field follows, with its comma. `source` is what [`source`] made.
    pub(super) fn write(&mut self, operation: Operation, source: &[u8], stamp: &Stamp, out: &mut Vec<u8>) {
        self.start.append_to(out, (operation, stamp.written_at), |out| {
            out.extend_from_slice(b"{\"op\":\"");
            out.push(operation.letter());
            out.extend_from_slice(b"\",\"ts_ms\":");
            write_i64(unix_millis(stamp.written_at), out);
            out.push(b',');
        });
        out.extend_from_slice(source);
        self.transaction.append_to(out, stamp.txid, |out| {
            write_or_null(stamp.txid.map(u64::from), out);
            out.extend_from_slice(b",\"lsn\":\"");
        });
        write_bare_lsn(stamp.lsn, out);
        self.commit.append_to(out, stamp.commit_lsn, |out| {
            out.extend_from_slice(b"\",\"commit_lsn\":");
            write_lsn(stamp.commit_lsn, out);
            out.extend_from_slice(b",\"seq\":");
        });
        write_or_null(stamp.ordinal, out);
        self.end.append_to(out, (operation, stamp.happened_at), |out| {
            out.extend_from_slice(b",\"ts_ms\":");
            write_i64(unix_millis(stamp.happened_at), out);
            out.extend_from_slice(match operation {
                Operation::Read => b",\"snapshot\":true}",
                _ => b",\"snapshot\":false}",
            });
        });
    }
}

/// The part of `source` that does not change, with null for the table where there is none.
pub(super) fn source(database: &str, table: Option<(&str, &str)>) -> Box<[u8]> {
    let mut source = b"\"source\":{\"db\":".to_vec();
    string::write(database.as_bytes(), &mut source);
    match table {
        Some((schema, table)) => {
            source.extend_from_slice(b",\"schema\":");
            string::write(schema.as_bytes(), &mut source);
            source.extend_from_slice(b",\"table\":");
            string::write(table.as_bytes(), &mut source);
        }
        None => source.extend_from_slice(b",\"schema\":null,\"table\":null"),
    }
    source.extend_from_slice(b",\"txid\":");
    source.into()
}

pub(crate) fn unix_millis(time: PgTime) -> i64 {
    time.unix_micros().div_euclid(1_000)
}

pub(crate) fn write_or_null(number: Option<u64>, out: &mut Vec<u8>) {
    match number {
        Some(number) => write_u64(number, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// As PostgreSQL writes it, in quotes.
pub(crate) fn write_lsn(lsn: Lsn, out: &mut Vec<u8>) {
    out.push(b'"');
    write_bare_lsn(lsn, out);
    out.push(b'"');
}

/// As PostgreSQL writes it.
pub(crate) fn write_bare_lsn(lsn: Lsn, out: &mut Vec<u8>) {
    write_hex((lsn.0 >> 32) as u32, out);
    out.push(b'/');
    write_hex(lsn.0 as u32, out);
}

fn write_hex(number: u32, out: &mut Vec<u8>) {
    // The upper half of most positions.
    if number < 10 {
        return out.push(b'0' + number as u8);
    }
    let count = (u32::BITS - number.leading_zeros()).div_ceil(4);
    // The digits that are written are the last ones: those before them are shifted out.
    let digits = hex_digits(number << (32 - 4 * count));
    append_some(&digits, count as usize, out);
}

/// All eight digits, side by side in one word.
#[inline]
fn hex_digits(number: u32) -> [u8; 8] {
    // Halved and parted until each digit has a byte of its own.
    let halves = (u64::from(number) | u64::from(number) << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Six more carries what is past nine into the upper half of its byte.
    let letters = ((digits + 6 * BYTES) >> 4) & BYTES;
    (digits + BYTES * u64::from(b'0') + letters * u64::from(b'A' - b'9' - 1)).to_be_bytes()
}

/// A one in each byte.
const BYTES: u64 = u64::MAX / 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_written_as_they_are_read() {
        for lsn in [Lsn(0), Lsn(1), Lsn(0x16_B374_D848), Lsn(0xF_0000_0000), Lsn(u64::MAX)] {
            let mut out = Vec::new();
            write_lsn(lsn, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{lsn}\""));
        }
    }

    #[test]
    fn digits_are_those_of_rust() {
        for number in (0..=u32::MAX).step_by(65_521).chain([0x0123_4567, 0x89AB_CDEF, 0xF, 0x10, 0x9A, u32::MAX]) {
            let mut out = Vec::new();
            write_hex(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{number:X}"));
        }
    }

    #[test]
    fn times_before_the_epoch_round_down() {
        assert_eq!(unix_millis(PgTime::from_unix_micros(-1)), -1);
        assert_eq!(unix_millis(PgTime::from_unix_micros(1_732_180_000_123_999)), 1_732_180_000_123);
    }
}
