//! Dates and times under `DateStyle = ISO`: `2024-11-21 09:06:40.123456+00`, `0044-03-15 BC`.

use crate::digits::{Shape, leading_digits};
use crate::json::number::write_u64;

/// The most digits of a year: PostgreSQL's dates end in 5874897.
const YEAR_DIGITS_MAX: usize = 7;

pub(crate) const DAY_SECONDS: i64 = 86_400;

const YEAR_AND_MONTH: Shape = Shape::new(*b"0000-00-");
const TIME_OF_DAY: Shape = Shape::new(*b"00:00:00");

/// A day of the proleptic Gregorian calendar. Years are astronomical: 1 BC is 0, 2 BC is -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: u8,
    pub(crate) day: u8,
}

/// A time of day, with its fraction of a second as the digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time<'a> {
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
    pub(crate) fraction: &'a [u8],
    /// The text of all of it.
    pub(crate) text: &'a [u8],
}

/// Reads a date.
pub(crate) fn date(text: &[u8]) -> Option<Date> {
    let (text, before_christ) = without_era(text);
    let (date, rest) = leading_date(text, before_christ)?;
    rest.is_empty().then_some(date)
}

/// Reads a timestamp.
pub(crate) fn timestamp(text: &[u8]) -> Option<(Date, Time<'_>)> {
    let (text, before_christ) = without_era(text);
    let (date, rest) = leading_date(text, before_christ)?;
    let (time, rest) = leading_time(rest.strip_prefix(b" ")?)?;
    rest.is_empty().then_some((date, time))
}

/// Reads a timestamp with its offset from UTC in seconds.
pub(crate) fn timestamp_with_offset(text: &[u8]) -> Option<(Date, Time<'_>, i64)> {
    let (text, before_christ) = without_era(text);
    let (date, rest) = leading_date(text, before_christ)?;
    let (time, rest) = leading_time(rest.strip_prefix(b" ")?)?;
    Some((date, time, offset_seconds(rest)?))
}

/// Reads a time of day.
pub(crate) fn time(text: &[u8]) -> Option<Time<'_>> {
    let (time, rest) = leading_time(text)?;
    rest.is_empty().then_some(time)
}

impl Time<'_> {
    /// The whole seconds after midnight.
    pub(crate) fn seconds(&self) -> i64 {
        i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }

    /// How long after midnight it is. None: the fraction is finer than that.
    pub(crate) fn micros(&self) -> Option<i64> {
        Some(self.seconds() * 1_000_000 + fraction_micros(self.fraction)?)
    }
}

/// The digits of a fraction of a second in millionths. None: there are more than six.
pub(crate) fn fraction_micros(digits: &[u8]) -> Option<i64> {
    let missing = 6_u32.checked_sub(u32::try_from(digits.len()).ok()?)?;
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit.saturating_sub(b'0')));
    Some(value * 10_i64.pow(missing))
}

/// Reads a time and the text of its offset, which is `+05`, `-08:30` or `+00:19:32`.
pub(crate) fn time_with_offset(text: &[u8]) -> Option<(Time<'_>, &[u8])> {
    let (time, offset) = leading_time(text)?;
    offset_seconds(offset)?;
    Some((time, offset))
}

/// The same moment at UTC: its day and second of the day.
pub(crate) fn at_utc(date: Date, time: Time<'_>, offset: i64) -> (Date, i64) {
    let second = time.seconds() - offset;
    let day = days_since_epoch(date) + second.div_euclid(DAY_SECONDS);
    (date_of(day), second.rem_euclid(DAY_SECONDS))
}

fn without_era(text: &[u8]) -> (&[u8], bool) {
    match text.strip_suffix(b" BC") {
        Some(text) => (text, true),
        None => (text, false),
    }
}

#[inline]
fn leading_date(text: &[u8], before_christ: bool) -> Option<(Date, &[u8])> {
    let (year, month, day, rest) = leading_numbers_of_date(text)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = match (before_christ, year) {
        (_, 0) => return None,
        (false, year) => year,
        (true, year) => 1 - year,
    };
    Some((Date { year, month, day }, rest))
}

#[inline]
fn leading_numbers_of_date(text: &[u8]) -> Option<(i64, u8, u8, &[u8])> {
    // As nearly all dates are.
    if let Some((year_and_month, [day_tens, day_ones, rest @ ..])) = text.split_first_chunk::<8>()
        && let Some([century, _, year, _, _, month, ..]) = YEAR_AND_MONTH.pairs(year_and_month)
        && let Some(day) = two_digits_of(&[*day_tens, *day_ones])
    {
        return Some((i64::from(century) * 100 + i64::from(year), month, day, rest));
    }
    let (year, rest) = leading_year(text)?;
    let (month_and_day, rest) = rest.split_first_chunk::<6>()?;
    let [b'-', month @ .., b'-', day_tens, day_ones] = month_and_day else { return None };
    Some((year, two_digits_of(month)?, two_digits_of(&[*day_tens, *day_ones])?, rest))
}

#[cold]
fn leading_year(text: &[u8]) -> Option<(i64, &[u8])> {
    let year_digits = text.iter().take(YEAR_DIGITS_MAX + 1).position(|byte| !byte.is_ascii_digit())?;
    let (year, rest) = text.split_at_checked(year_digits)?;
    // Years are filled up to four digits. With more zeros the text is not PostgreSQL's, and the date would not read back as it.
    if year_digits < 4 || year_digits > 4 && year.starts_with(b"0") {
        return None;
    }
    Some((year.iter().fold(0, |year, digit| year * 10 + i64::from(digit - b'0')), rest))
}

fn leading_time(text: &[u8]) -> Option<(Time<'_>, &[u8])> {
    let (time_of_day, mut rest) = text.split_first_chunk::<8>()?;
    let [hour, _, _, minute, _, _, second, _] = TIME_OF_DAY.pairs(time_of_day)?;
    if hour > 24 || minute >= 60 || second > 60 {
        return None;
    }
    let mut fraction = &b""[..];
    if let [b'.', after @ ..] = rest {
        let count = leading_digits(after);
        if count == 0 {
            return None;
        }
        (fraction, rest) = after.split_at_checked(count)?;
    }
    let text = text.get(..text.len() - rest.len())?;
    Some((Time { hour, minute, second, fraction, text }, rest))
}

pub(crate) fn offset_seconds(text: &[u8]) -> Option<i64> {
    // What a session at UTC prints.
    if text == b"+00" {
        return Some(0);
    }
    let (sign, digits) = match text {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let parts: [&[u8]; 3] = match *digits {
        [_, _] => [digits, b"00", b"00"],
        [_, _, b':', _, _] => [digits.get(..2)?, digits.get(3..)?, b"00"],
        [_, _, b':', _, _, b':', _, _] => [digits.get(..2)?, digits.get(3..5)?, digits.get(6..)?],
        _ => return None,
    };
    let seconds = parts.iter().try_fold(0, |seconds, part| Some(seconds * 60 + i64::from(two_digits_of(part)?)))?;
    Some(sign * seconds)
}

fn two_digits_of(text: &[u8]) -> Option<u8> {
    match text {
        [tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit() => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

// The two below count in years that begin with March, so that the leap day is the last of its year, and in eras of 400 years, after which
// the calendar repeats (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").

const ERA_DAYS: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

pub(crate) fn days_since_epoch(date: Date) -> i64 {
    let month = i64::from(date.month);
    let year = if month <= 2 { date.year - 1 } else { date.year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(date.day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * ERA_DAYS + day_of_era - EPOCH_DAYS
}

pub(crate) fn date_of(days_since_epoch: i64) -> Date {
    let days = days_since_epoch + EPOCH_DAYS;
    let era = days.div_euclid(ERA_DAYS);
    let day_of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    Date { year, month: month as u8, day: day as u8 }
}

/// Appends a date as ISO 8601: a year past 9999 takes a `+`, one before 1 is the astronomical year.
pub(crate) fn write_date(Date { year, month, day }: Date, out: &mut Vec<u8>) {
    match year {
        0..=9_999 => {}
        10_000.. => out.push(b'+'),
        _ => out.push(b'-'),
    }
    let year = year.unsigned_abs();
    let ([month_tens, month_ones], [day_tens, day_ones]) = (two_digits(month), two_digits(day));
    if year < 10_000 {
        let ([thousands, hundreds], [tens, ones]) = (two_digits((year / 100) as u8), two_digits((year % 100) as u8));
        out.extend_from_slice(&[thousands, hundreds, tens, ones, b'-', month_tens, month_ones, b'-', day_tens, day_ones]);
    } else {
        write_u64(year, out);
        out.extend_from_slice(&[b'-', month_tens, month_ones, b'-', day_tens, day_ones]);
    }
}

/// A date that was read at the start of a text as it is written, and what follows it: most often it stands there so. None: it does not.
#[inline]
pub(crate) fn as_written(text: &[u8], date: Date) -> Option<(&[u8; 10], &[u8])> {
    text.split_first_chunk().filter(|_| (1..=9_999).contains(&date.year))
}

/// Appends the date that was read at the start of a text.
#[inline]
pub(crate) fn write_date_of(text: &[u8], date: Date, out: &mut Vec<u8>) {
    match as_written(text, date) {
        Some((date, _)) => out.extend_from_slice(date),
        None => write_date(date, out),
    }
}

/// Appends hours, minutes and seconds.
pub(crate) fn write_time_of_day(second: i64, out: &mut Vec<u8>) {
    let ([hour_tens, hour_ones], [minute_tens, minute_ones], [second_tens, second_ones]) =
        (two_digits((second / 3600) as u8), two_digits((second / 60 % 60) as u8), two_digits((second % 60) as u8));
    out.extend_from_slice(&[hour_tens, hour_ones, b':', minute_tens, minute_ones, b':', second_tens, second_ones]);
}

/// Appends a moment as ISO 8601 in UTC with six digits of a second, without the `Z`.
pub(crate) fn write_unix_micros(micros: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    write_date(date_of(seconds.div_euclid(DAY_SECONDS)), out);
    out.push(b'T');
    write_time_of_day(seconds.rem_euclid(DAY_SECONDS), out);
    out.push(b'.');
    for pair in [fraction / 10_000, fraction / 100 % 100, fraction % 100] {
        out.extend_from_slice(two_digits(pair as u8).as_slice());
    }
}

/// The two digits of a number below 100.
pub(crate) fn two_digits(number: u8) -> [u8; 2] {
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(year: i64, month: u8, day: u8) -> Date {
        Date { year, month, day }
    }

    #[test]
    fn dates() {
        assert_eq!(date(b"2024-11-21"), Some(day(2024, 11, 21)));
        assert_eq!(date(b"0001-01-01 BC"), Some(day(0, 1, 1)));
        assert_eq!(date(b"4713-01-01 BC"), Some(day(-4712, 1, 1)));
        assert_eq!(date(b"5874897-12-31"), Some(day(5_874_897, 12, 31)));
        for other in [
            "",
            "infinity",
            "2024-11-2",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "0000-01-01",
            "24-01-01",
            "02024-01-01",
            "99999999-01-01",
            "2024-01-01 ",
            "2024/01/01",
        ] {
            assert_eq!(date(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn offsets() {
        assert_eq!(offset_seconds(b"+00"), Some(0));
        assert_eq!(offset_seconds(b"-08:30"), Some(-30_600));
        assert_eq!(offset_seconds(b"+05:53:28"), Some(21_208));
        for other in ["", "+", "+1", "00", "+00:", "+0a", "+00:00:0", "+00 BC"] {
            assert_eq!(offset_seconds(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn days_are_counted_as_postgresql_counts_them() {
        // SELECT date '4713-01-01 BC' - date '1970-01-01', date '294276-12-31' - date '1970-01-01', date '2000-02-29' - date '1970-01-01'
        assert_eq!(days_since_epoch(day(-4712, 1, 1)), -2_440_550);
        assert_eq!(days_since_epoch(day(294_276, 12, 31)), 106_762_939);
        assert_eq!(days_since_epoch(day(2000, 2, 29)), 11_016);
    }

    #[test]
    fn moments_are_written_with_six_digits() {
        for (micros, expected) in [
            (0, "1970-01-01T00:00:00.000000"),
            (-1, "1969-12-31T23:59:59.999999"),
            (1_732_180_000_120_003, "2024-11-21T09:06:40.120003"),
            (i64::MAX, "+294247-01-10T04:00:54.775807"),
            (i64::MIN, "-290308-12-21T19:59:05.224192"),
        ] {
            let mut out = Vec::new();
            write_unix_micros(micros, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn both_ways_of_reading_a_date_agree(text in "[0-9]{3,5}-[0-9:]{2}[-/][0-9.]{2}( .*)?") {
            let by_year = leading_year(text.as_bytes()).and_then(|(year, rest)| match rest {
                [b'-', month_tens, month_ones, b'-', day_tens, day_ones, rest @ ..] => {
                    Some((year, two_digits_of(&[*month_tens, *month_ones])?, two_digits_of(&[*day_tens, *day_ones])?, rest))
                }
                _ => None,
            });
            prop_assert_eq!(leading_numbers_of_date(text.as_bytes()), by_year);
        }

        #[test]
        fn days_count_back(days in -3_000_000_i64..110_000_000) {
            prop_assert_eq!(days_since_epoch(date_of(days)), days);
            let (next, this) = (date_of(days + 1), date_of(days));
            prop_assert!((next.year, next.month, next.day) > (this.year, this.month, this.day));
        }
    }
}
