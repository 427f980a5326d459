//! JSON as Jackson writes it, by which Kafka Connect's JsonConverter does.
//!
//! Strings: control characters have upper-case digits, and characters beyond the basic plane are escaped as two halves. Numbers: as Java's
//! `Double.toString` has them, and those that JSON has not in quotes. Compared with Kafka's own JsonConverter (3.9).

use std::io::Write;

use super::decimal::Decimal;
use crate::append::append_start;
use crate::json::string;
use crate::native::NotUtf8;
use crate::scan::{plain_length, plain_length_in_basic_plane};

/// Appends `text`, which is valid UTF-8, as a string in quotes.
pub(super) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, true, out);
    out.push(b'"');
}

/// Appends the text as a string in quotes, if it is UTF-8; or else nothing.
pub(super) fn write_string_checked(text: &[u8], out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    string::write_checked_by(|rest, out| write_escaped(rest, true, out), text, out).map_err(|_| NotUtf8)
}

/// Appends `text` as what stands between quotes. Characters beyond the basic plane are left alone where Jackson writes to Java's
/// characters, not to bytes.
pub(super) fn write_escaped(text: &[u8], to_bytes: bool, out: &mut Vec<u8>) {
    out.reserve(text.len());
    let mut rest = text;
    loop {
        let length = if to_bytes { plain_length_in_basic_plane(rest) } else { plain_length(rest) };
        append_start(rest, length, out);
        let special = rest.get(length..).unwrap_or_default();
        let Some((byte, mut after)) = special.split_first() else { return };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0xf0.. => after = write_halves(special, out),
            _ => write_unit(u16::from(*byte), out),
        }
        rest = after;
    }
}

/// Appends the character of four bytes at the start as two halves, and gives what follows it.
fn write_halves<'t>(text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    let (character, after) = text.split_at(text.len().min(4));
    match std::str::from_utf8(character).ok().and_then(|character| character.chars().next()) {
        Some(character) => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write_unit(*unit, out)),
        None => out.extend_from_slice(character),
    }
    after
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

/// Appends the double that a text stands for. None: it stands for none.
pub(super) fn write_f64_text(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !write_few_digits(text, f64::DIGITS, f64::MAX_10_EXP, out) {
        write_f64(std::str::from_utf8(text).ok()?.parse().ok()?, out);
    }
    Some(())
}

/// Appends the float that a text stands for. None: it stands for none.
pub(super) fn write_f32_text(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !write_few_digits(text, f32::DIGITS, f32::MAX_10_EXP, out) {
        write_f32(std::str::from_utf8(text).ok()?.parse().ok()?, out);
    }
    Some(())
}

/// Appends a decimal of few digits as the number that it stands for, without working that out: up to so many digits (`DIGITS`, in C
/// `DBL_DIG`) no two decimals are the same number, and so the shortest digits of it are those of the text. False, and nothing: it has more
/// digits, is not far within the type's exponents, or is no such text.
fn write_few_digits(text: &[u8], digits_max: u32, exponent_max: i32, out: &mut Vec<u8>) -> bool {
    few_digits(text, digits_max, exponent_max, out).is_some()
}

fn few_digits(text: &[u8], digits_max: u32, exponent_max: i32, out: &mut Vec<u8>) -> Option<()> {
    // A sign, a point, and a zero before it may come with the digits.
    if text.len() > digits_max as usize + 3 {
        return None;
    }
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(place) => (text.get(..place)?, std::str::from_utf8(text.get(place + 1..)?).ok()?.parse::<i16>().ok()?),
        None => (text, 0),
    };
    let Decimal { negative, whole, fraction } = Decimal::parse(mantissa)?;
    let mut digits = [0; NUMBER_BYTES_MAX];
    let count = whole.len() + fraction.len();
    digits.get_mut(..whole.len())?.copy_from_slice(whole);
    digits.get_mut(whole.len()..count)?.copy_from_slice(fraction);
    let zeros = digits.iter().take(count).take_while(|digit| **digit == b'0').count();
    let zeros_behind = digits.iter().take(count).rev().take_while(|digit| **digit == b'0').count();
    let Some((first, others)) = digits.get(zeros..count - zeros_behind).and_then(|digits| digits.split_at_checked(1)) else {
        out.extend_from_slice(if negative { b"-0.0" } else { b"0.0" });
        return Some(());
    };
    // That of the first digit.
    let exponent = i32::from(exponent) + whole.len() as i32 - zeros as i32 - 1;
    if others.len() >= digits_max as usize || exponent.abs() >= exponent_max {
        return None;
    }
    if negative {
        out.push(b'-');
    }
    write_digits(first, others, exponent, out);
    Some(())
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
    write_digits(first, others.strip_prefix(b".").filter(|others| others != b"0").unwrap_or_default(), exponent, out);
}

/// Appends a number of its first digit, which is not zero unless the number is, the others, and the exponent of the first.
fn write_digits(first: &[u8], others: &[u8], exponent: i32, out: &mut Vec<u8>) {
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

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "e5", "1e", "1e+", "1x", "1.2.3", "--1", "1e1e1", "1 ", "0x1"] {
            assert_eq!(write_f64_text(text.as_bytes(), &mut Vec::new()), None, "{text}");
        }
        assert_eq!(written(|out| write_f64_text(b"-0e999", out).unwrap()), "-0.0");
        assert_eq!(written(|out| write_f64_text(b"1e400", out).unwrap()), "\"Infinity\"");
        assert_eq!(written(|out| write_f64_text(b"Infinity", out).unwrap()), "\"Infinity\"");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn digits_are_those_of_the_number(text in "-?[0-9]{0,12}(\\.[0-9]{0,12})?([eE][+-]?[0-9]{1,4})?") {
            let few = |write: fn(&[u8], &mut Vec<u8>) -> Option<()>| {
                let mut out = Vec::new();
                write(text.as_bytes(), &mut out).map(|()| String::from_utf8(out).unwrap())
            };
            let double = text.parse().ok().map(|number| written(|out| write_f64(number, out)));
            prop_assert_eq!(few(write_f64_text), double);
            let float = text.parse().ok().map(|number| written(|out| write_f32(number, out)));
            prop_assert_eq!(few(write_f32_text), float);
        }
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
