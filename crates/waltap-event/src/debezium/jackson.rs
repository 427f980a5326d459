//! JSON as Jackson writes it, by which Kafka Connect's JsonConverter does.
//!
//! Strings: control characters have upper-case digits, and characters beyond the basic plane are escaped as two halves. Numbers: as Java's
//! `Double.toString` has them, and those that JSON has not in quotes. Compared with Kafka's own JsonConverter (3.9).

use std::io::Write;

use crate::json::string::plain_length;

/// Appends `text`, which is valid UTF-8, as a string in quotes.
pub(super) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, true, out);
    out.push(b'"');
}

/// Appends `text` as what stands between quotes. Characters beyond the basic plane are left alone where Jackson writes to Java's
/// characters, not to bytes.
pub(super) fn write_escaped(text: &[u8], to_bytes: bool, out: &mut Vec<u8>) {
    out.reserve(text.len());
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        if to_bytes {
            write_halves(plain, out)
        } else {
            out.extend_from_slice(plain)
        }
        let Some((byte, after)) = special.split_first() else { return };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => write_unit(u16::from(*byte), out),
        }
        rest = after;
    }
}

/// Appends text without anything else to be escaped, its characters of four bytes as two halves.
fn write_halves(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(place) = text.iter().position(|byte| *byte >= 0xf0) {
        let (before, rest) = text.split_at(place);
        out.extend_from_slice(before);
        let (character, after) = rest.split_at(rest.len().min(4));
        match std::str::from_utf8(character).ok().and_then(|character| character.chars().next()) {
            Some(character) => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write_unit(*unit, out)),
            None => out.extend_from_slice(character),
        }
        text = after;
    }
    out.extend_from_slice(text);
}

fn write_unit(unit: u16, out: &mut Vec<u8>) {
    let digit = |shift: u16| {
        let digit = (unit >> shift & 15) as u8;
        if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }
    };
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

/// Appends a double.
pub(super) fn write_f64(number: f64, out: &mut Vec<u8>) {
    let shortest = Scientific::new(format_args!("{number:e}"));
    // Java has two digits at least, and of those the nearest.
    let digits = if shortest.has_one_digit() { Scientific::new(format_args!("{number:.1e}")) } else { shortest };
    digits.write(number.is_finite(), out);
}

/// Appends a float.
pub(super) fn write_f32(number: f32, out: &mut Vec<u8>) {
    let shortest = Scientific::new(format_args!("{number:e}"));
    let digits = if shortest.has_one_digit() { Scientific::new(format_args!("{number:.1e}")) } else { shortest };
    digits.write(number.is_finite(), out);
}

/// Room for the longest number: seventeen digits, a sign, a point and an exponent of four.
const NUMBER_BYTES_MAX: usize = 32;

/// A number's scientific form (`-1.25e-7`).
struct Scientific {
    buffer: [u8; NUMBER_BYTES_MAX],
    length: usize,
}

impl Scientific {
    fn new(form: std::fmt::Arguments<'_>) -> Self {
        let mut buffer = [0; NUMBER_BYTES_MAX];
        let mut unused = &mut buffer[..];
        // It fits.
        let _ = unused.write_fmt(form);
        let length = NUMBER_BYTES_MAX - unused.len();
        Scientific { buffer, length }
    }

    fn text(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    fn has_one_digit(&self) -> bool {
        !self.text().contains(&b'.')
    }

    fn write(&self, finite: bool, out: &mut Vec<u8>) {
        write_number(finite, self.text(), out);
    }
}

fn write_number(finite: bool, text: &[u8], out: &mut Vec<u8>) {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if !finite {
        out.extend_from_slice(match (text, negative) {
            (b"NaN", _) => b"\"NaN\"",
            (_, false) => b"\"Infinity\"",
            (_, true) => b"\"-Infinity\"",
        });
        return;
    }
    if negative {
        out.push(b'-');
    }
    let split = text.iter().position(|byte| *byte == b'e').unwrap_or(text.len());
    let (mantissa, exponent) = text.split_at(split);
    let exponent: i32 = exponent.get(1..).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0);
    let (first, others) = mantissa.split_at(mantissa.len().min(1));
    let others = others.strip_prefix(b".").filter(|others| others != b"0").unwrap_or_default();
    let or_zero = |digits: &[u8], out: &mut Vec<u8>| out.extend_from_slice(if digits.is_empty() { b"0" } else { digits });
    match exponent {
        // From a thousandth up to ten millions.
        0..=6 => {
            let whole = usize::try_from(exponent).unwrap_or(0);
            let (before, after) = others.split_at(others.len().min(whole));
            out.extend_from_slice(first);
            out.extend_from_slice(before);
            out.extend(std::iter::repeat_n(b'0', whole - before.len()));
            out.push(b'.');
            or_zero(after, out);
        }
        -3..=-1 => {
            out.extend_from_slice(b"0.");
            out.extend((exponent..-1).map(|_| b'0'));
            out.extend_from_slice(first);
            out.extend_from_slice(others);
        }
        _ => {
            out.extend_from_slice(first);
            out.push(b'.');
            or_zero(others, out);
            // The buffer takes everything.
            let _ = write!(out, "E{exponent}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings() {
        let text = "a\"\\/\n\r\t\u{8}\u{c}\u{1f}\u{7f}é漢😀x";
        assert_eq!(
            written(|out| write_string(text.as_bytes(), out)),
            "\"a\\\"\\\\/\\n\\r\\t\\b\\f\\u001F\u{7f}é漢\\uD83D\\uDE00x\""
        );
        assert_eq!(written(|out| write_escaped("\u{1f}😀".as_bytes(), false, out)), "\\u001F😀");
    }

    #[test]
    fn doubles_are_javas() {
        // jshell> Double.toString(…)
        for (number, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-12.5, "-12.5"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (0.012_5, "0.0125"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1_234_567.5, "1234567.5"),
            (12_345_678.5, "1.23456785E7"),
            (1e20, "1.0E20"),
            (1.5e-7, "1.5E-7"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (2e-323, "2.0E-323"),
            (1e23, "1.0E23"),
            (0.02, "0.02"),
            (300.0, "300.0"),
            (f64::NAN, "\"NaN\""),
            (-f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(written(|out| write_f64(number, out)), expected);
        }
        assert_eq!(written(|out| write_f32(0.1, out)), "0.1");
        assert_eq!(written(|out| write_f32(f32::MAX, out)), "3.4028235E38");
    }

    proptest! {
        #[test]
        fn strings_read_back(text in ".*") {
            let json = written(|out| write_string(text.as_bytes(), out));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn numbers_read_back(bits: u64) {
            let number = f64::from_bits(bits);
            let json = written(|out| write_f64(number, out));
            if number.is_finite() {
                prop_assert_eq!(json.parse::<f64>().unwrap().to_bits(), bits);
            }
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
        }
    }
}
