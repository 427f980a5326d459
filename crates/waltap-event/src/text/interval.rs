//! Intervals under `IntervalStyle = iso_8601`: `P1Y2M3DT4H5M6.78S`, each part with a sign of its own, `PT0S` for nothing.

use super::date_time::fraction_micros;

/// An interval's parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) years: i64,
    pub(crate) months: i64,
    pub(crate) days: i64,
    pub(crate) hours: i64,
    pub(crate) minutes: i64,
    /// The seconds as millionths.
    pub(crate) micros: i64,
}

/// The most digits of a whole number here: PostgreSQL's hours, the longest, have ten.
const DIGITS_MAX: usize = 12;

/// Reads an interval.
pub(crate) fn interval(text: &[u8]) -> Option<Interval> {
    let mut interval = Interval::default();
    let mut rest = text.strip_prefix(b"P")?;
    let mut in_time = false;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix(b"T")
            && !in_time
        {
            (rest, in_time) = (time, true);
            if rest.is_empty() {
                return None;
            }
        }
        let (number, fraction, unit);
        (number, fraction, unit, rest) = part(rest)?;
        if !fraction.is_empty() && unit != b'S' {
            return None;
        }
        let field = match (in_time, unit) {
            (false, b'Y') => &mut interval.years,
            (false, b'M') => &mut interval.months,
            (false, b'D') => &mut interval.days,
            (true, b'H') => &mut interval.hours,
            (true, b'M') => &mut interval.minutes,
            (true, b'S') => {
                let micros = number.magnitude.checked_mul(1_000_000)?.checked_add(fraction_micros(fraction)?)?;
                interval.micros = if number.negative { -micros } else { micros };
                continue;
            }
            _ => return None,
        };
        *field = if number.negative { -number.magnitude } else { number.magnitude };
    }
    Some(interval)
}

/// A whole number whose sign also counts when it is zero: it is that of the fraction behind it.
struct Number {
    negative: bool,
    magnitude: i64,
}

/// A number, the digits of its fraction, the letter behind it, and what follows.
fn part(text: &[u8]) -> Option<(Number, &[u8], u8, &[u8])> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let count = text.iter().position(|byte| !byte.is_ascii_digit())?;
    if !(1..=DIGITS_MAX).contains(&count) {
        return None;
    }
    let (digits, mut rest) = text.split_at_checked(count)?;
    let magnitude = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    let mut fraction = &b""[..];
    if let [b'.', after @ ..] = rest {
        let count = after.iter().position(|byte| !byte.is_ascii_digit())?;
        if count == 0 {
            return None;
        }
        (fraction, rest) = after.split_at_checked(count)?;
    }
    let (unit, rest) = rest.split_first()?;
    Some((Number { negative, magnitude }, fraction, *unit, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let whole = Interval { years: 1, months: 2, days: 3, hours: 4, minutes: 5, micros: 6_780_000 };
        assert_eq!(interval(b"P1Y2M3DT4H5M6.78S"), Some(whole));
        assert_eq!(interval(b"PT0S"), Some(Interval::default()));
        assert_eq!(interval(b"P-1DT2H"), Some(Interval { days: -1, hours: 2, ..Interval::default() }));
        assert_eq!(interval(b"PT-0.5S"), Some(Interval { micros: -500_000, ..Interval::default() }));
        assert_eq!(interval(b"PT2562047788H54.775807S").map(|interval| interval.hours), Some(2_562_047_788));
        for other in [
            "",
            "P",
            "PT",
            "P1",
            "P1H",
            "PT1D",
            "P1.5Y",
            "PT1.S",
            "PT1.1234567S",
            "P1YT",
            "1 day",
            "infinity",
            "PTT1S",
            "P1234567890123Y",
        ] {
            assert_eq!(interval(other.as_bytes()), None, "{other}");
        }
    }
}
