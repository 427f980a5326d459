//! Sizes in bytes as people write them: `64MiB`, `1GB`, `500000`.

use std::fmt;

/// The text is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParseSizeError;

impl fmt::Display for ParseSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a size in bytes such as `64MiB`, `1GB` or `500000`")
    }
}

/// Units, in small letters. A lone `k` or `m` is binary, as in PostgreSQL's settings.
const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("kb", 1000),
    ("mb", 1000 * 1000),
    ("gb", 1000 * 1000 * 1000),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gib", 1 << 30),
];

/// Reads a size: a whole number and a unit, in capitals or not.
pub(crate) fn parse_size(text: &str) -> Result<u64, ParseSizeError> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(ParseSizeError)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or(ParseSizeError)
}

/// A number and what it counts: `1 slot`, `2 slots`.
pub(crate) fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("500000", 500_000),
            ("64MiB", 64 << 20),
            ("64 mib", 64 << 20),
            ("1GB", 1_000_000_000),
            ("2k", 2048),
            ("7B", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "-1", "1.5GB", "64 parsecs", "99999999999GiB", "18446744073709551616"] {
            assert_eq!(parse_size(text), Err(ParseSizeError), "{text}");
        }
    }
}
