//! What stands around the rows.

use waltap_pgoutput::{Lsn, PgTime};

use crate::json::number::{write_i64, write_u64};
use crate::json::string;
use crate::{Operation, Stamp};

/// Appends everything up to the end of `source`; a field follows, with its comma. `source` is what [`source`] made.
pub(super) fn write(operation: Operation, source: &[u8], stamp: &Stamp, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"op\":\"");
    out.push(operation.letter());
    out.extend_from_slice(b"\",\"ts_ms\":");
    write_i64(unix_millis(stamp.written_at), out);
    out.push(b',');
    out.extend_from_slice(source);
    write_or_null(stamp.txid.map(u64::from), out);
    out.extend_from_slice(b",\"lsn\":");
    write_lsn(stamp.lsn, out);
    out.extend_from_slice(b",\"commit_lsn\":");
    write_lsn(stamp.commit_lsn, out);
    out.extend_from_slice(b",\"seq\":");
    write_or_null(stamp.ordinal, out);
    out.extend_from_slice(b",\"ts_ms\":");
    write_i64(unix_millis(stamp.happened_at), out);
    out.extend_from_slice(match operation {
        Operation::Read => b",\"snapshot\":true}",
        _ => b",\"snapshot\":false}",
    });
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
    write_hex((lsn.0 >> 32) as u32, out);
    out.push(b'/');
    write_hex(lsn.0 as u32, out);
    out.push(b'"');
}

fn write_hex(number: u32, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 8];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        let value = (number >> (4 * place) & 15) as u8;
        *digit = if value < 10 { b'0' + value } else { b'A' + value - 10 };
    }
    let count = (u32::BITS - number.leading_zeros()).div_ceil(4).max(1) as usize;
    out.extend_from_slice(digits.get(digits.len() - count..).unwrap_or_default());
}

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
    fn times_before_the_epoch_round_down() {
        assert_eq!(unix_millis(PgTime::from_unix_micros(-1)), -1);
        assert_eq!(unix_millis(PgTime::from_unix_micros(1_732_180_000_123_999)), 1_732_180_000_123);
    }
}
