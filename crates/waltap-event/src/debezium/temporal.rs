//! Dates and times as numbers or in ISO 8601.

use crate::json::number::write_i64;
use crate::native::value::write_as_read;
use crate::text::date_time::{self, DAY_SECONDS, Date, days_since_epoch, write_date, write_time_of_day};
use crate::text::interval::Interval;

/// What a time is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeUnit {
    Millis,
    Micros,
    Nanos,
}

/// What Debezium has for infinite dates: days outside of what PostgreSQL holds.
const DATE_INFINITY: Date = Date { year: 5_877_611, month: 6, day: 21 };
const DATE_MINUS_INFINITY: Date = Date { year: -5_877_611, month: 6, day: 22 };

/// The same for timestamps, in milliseconds. In finer units they are the ends of the range.
const TIMESTAMP_INFINITY_MILLIS: i64 = 9_223_372_036_825_200_000;
const TIMESTAMP_MINUS_INFINITY_MILLIS: i64 = -9_223_372_036_832_400_000;

/// And what they are in ISO 8601.
const TIMESTAMP_INFINITY_ISO: &[u8] = b"\"+292278994-08-16T23:00:00Z\"";
const TIMESTAMP_MINUS_INFINITY_ISO: &[u8] = b"\"-292275055-05-16T23:00:00Z\"";

/// Days in a month on the average, as Debezium counts them in an interval.
const MONTH_DAYS: f64 = 365.25 / 12.0;

const DAY_MICROS: i128 = 86_400_000_000;

fn date(text: &[u8]) -> Option<Date> {
    match text {
        b"infinity" => Some(DATE_INFINITY),
        b"-infinity" => Some(DATE_MINUS_INFINITY),
        _ => date_time::date(text),
    }
}

/// Appends the days since 1970-01-01.
pub(super) fn write_days(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    write_i64(days_since_epoch(date(text)?), out);
    Some(())
}

/// Appends `"2016-11-04Z"`.
pub(super) fn write_iso_date(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let date = date(text)?;
    out.push(b'"');
    write_date(date, out);
    out.extend_from_slice(b"Z\"");
    Some(())
}

/// Appends the time since midnight; 24:00:00 is the whole day.
pub(super) fn write_time(unit: TimeUnit, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    write_i64(in_unit(unit, 0, date_time::time(text)?.micros()?)?, out);
    Some(())
}

/// Appends `"04:05:11.789Z"`.
pub(super) fn write_iso_time(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let time = date_time::time(text)?;
    out.push(b'"');
    out.extend_from_slice(time.text);
    out.extend_from_slice(b"Z\"");
    Some(())
}

/// Days and microseconds together in a unit, rounded down. None: it has no room for them.
fn in_unit(unit: TimeUnit, days: i64, micros: i64) -> Option<i64> {
    // Wide numbers are not divided: it takes long.
    let (day, part) = match unit {
        TimeUnit::Millis => (DAY_MICROS / 1_000, i128::from(micros.div_euclid(1_000))),
        TimeUnit::Micros => (DAY_MICROS, i128::from(micros)),
        TimeUnit::Nanos => (DAY_MICROS * 1_000, i128::from(micros) * 1_000),
    };
    i64::try_from(i128::from(days) * day + part).ok()
}

/// Appends the time since 1970 began, for a timestamp without a zone as if it were in UTC. The last days that PostgreSQL holds have no
/// number of microseconds since then, and nanoseconds reach from 1677 to 2262 alone; there Debezium fails or overflows.
pub(super) fn write_timestamp(unit: TimeUnit, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let number = match (text, unit) {
        (b"infinity", TimeUnit::Millis) => TIMESTAMP_INFINITY_MILLIS,
        (b"-infinity", TimeUnit::Millis) => TIMESTAMP_MINUS_INFINITY_MILLIS,
        (b"infinity", TimeUnit::Micros | TimeUnit::Nanos) => i64::MAX,
        (b"-infinity", TimeUnit::Micros | TimeUnit::Nanos) => i64::MIN,
        _ => {
            let (date, time) = date_time::timestamp(text)?;
            in_unit(unit, days_since_epoch(date), time.micros()?)?
        }
    };
    write_i64(number, out);
    Some(())
}

/// Appends `"2019-07-09T02:28:57.1234Z"`, without zeros at the end.
pub(super) fn write_iso_timestamp(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match text {
        b"infinity" => out.extend_from_slice(TIMESTAMP_INFINITY_ISO),
        b"-infinity" => out.extend_from_slice(TIMESTAMP_MINUS_INFINITY_ISO),
        _ => {
            let (date, time) = date_time::timestamp(text)?;
            out.push(b'"');
            write_date(date, out);
            out.push(b'T');
            out.extend_from_slice(time.text);
            out.extend_from_slice(b"Z\"");
        }
    }
    Some(())
}

/// Appends a timestamptz in UTC, with exactly so many digits of a second. The infinities are PostgreSQL's own words.
pub(super) fn write_zoned_timestamp(digits: u8, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if matches!(text, b"infinity" | b"-infinity") {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
        return Some(());
    }
    let (date, time, offset) = date_time::timestamp_with_offset(text)?;
    // What is at UTC already needs no counting of days, as long as there is such a day and such a second in it.
    let is_at_utc = offset == 0 && date.day <= 28 && time.hour < 24 && time.second < 60;
    if is_at_utc && time.fraction.len() == usize::from(digits) {
        write_as_read(text, date, time, b"Z\"", out);
        return Some(());
    }
    let (date, second) = if is_at_utc { (date, time.seconds()) } else { date_time::at_utc(date, time, offset) };
    out.push(b'"');
    write_date(date, out);
    out.push(b'T');
    write_time_of_day(second, out);
    write_fraction(time.fraction, digits, out);
    out.extend_from_slice(b"Z\"");
    Some(())
}

/// Appends a fraction of a second with exactly so many digits.
fn write_fraction(fraction: &[u8], digits: u8, out: &mut Vec<u8>) {
    if digits > 0 {
        out.push(b'.');
        let digits = usize::from(digits);
        let given = fraction.get(..digits.min(fraction.len())).unwrap_or_default();
        out.extend_from_slice(given);
        out.extend(std::iter::repeat_n(b'0', digits - given.len()));
    }
}

/// Appends a timetz in UTC: `"11:51:30.123789Z"`. The end of the day there is `24:00:00Z`.
pub(super) fn write_zoned_time(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (time, offset) = date_time::time_with_offset(text)?;
    let offset = date_time::offset_seconds(offset)?;
    let (second, fraction) = (time.seconds(), time.fraction);
    out.push(b'"');
    if offset == 0 {
        write_time_of_day(second, out);
    } else {
        write_time_of_day((second - offset).rem_euclid(DAY_SECONDS), out);
    }
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
    out.extend_from_slice(b"Z\"");
    Some(())
}

/// Appends an interval in microseconds. Counted in doubles as Debezium does, since the digits that they lose are lost there too.
pub(super) fn write_interval_micros(interval: &Interval, out: &mut Vec<u8>) {
    let Interval { years, months, days, hours, minutes, micros } = *interval;
    let seconds = (micros / 1_000_000) as f64 + (micros % 1_000_000) as f64 / 1e6;
    let all_days = (years * 12 + months) as f64 * MONTH_DAYS + days as f64;
    let all_seconds = ((all_days * 24.0 + hours as f64) * 60.0 + minutes as f64) * 60.0 + seconds;
    write_i64((all_seconds * 1e6) as i64, out);
}

/// Appends an interval in ISO 8601 with all its parts.
pub(super) fn write_interval_text(interval: &Interval, out: &mut Vec<u8>) {
    let Interval { years, months, days, hours, minutes, micros } = *interval;
    for (mark, number, unit) in
        [(&b"\"P"[..], years, b'Y'), (b"", months, b'M'), (b"", days, b'D'), (b"T", hours, b'H'), (b"", minutes, b'M')]
    {
        out.extend_from_slice(mark);
        write_i64(number, out);
        out.push(unit);
    }
    if micros < 0 {
        out.push(b'-');
    }
    let micros = micros.unsigned_abs();
    crate::json::number::write_u64(micros / 1_000_000, out);
    let mut fraction = micros % 1_000_000;
    if fraction > 0 {
        out.push(b'.');
        let mut place = 100_000;
        while fraction > 0 {
            out.push(b'0' + (fraction / place) as u8);
            fraction %= place;
            place /= 10;
        }
    }
    out.extend_from_slice(b"S\"");
}
