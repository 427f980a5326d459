//! Numbers.

use crate::append::append_some;
use crate::digits::all_digits;

/// How long the number at the start of `text` is. None: there is none.
pub(crate) fn length(text: &[u8]) -> Option<usize> {
    let integer = integer_length(text)?;
    let mut rest = text.get(integer..)?;
    if let [b'.', fraction @ ..] = rest {
        rest = after_digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = after_digits(match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        })?;
    }
    Some(text.len() - rest.len())
}

/// Whether the whole of `text` is a number.
pub(crate) fn is_number(text: &[u8]) -> bool {
    length(text) == Some(text.len())
}

/// Whether the whole of `text` is a number without fraction and exponent.
#[inline]
pub(crate) fn is_integer(text: &[u8]) -> bool {
    match text {
        [b'0'] | [b'-', b'0'] => true,
        [b'-', digits @ ..] | digits => !digits.starts_with(b"0") && all_digits(digits),
    }
}

fn integer_length(text: &[u8]) -> Option<usize> {
    let digits = match text {
        [b'-', digits @ ..] => digits,
        digits => digits,
    };
    let rest = match digits {
        [b'0', rest @ ..] => rest,
        _ => after_digits(digits)?,
    };
    Some(text.len() - rest.len())
}

/// What follows the digits at the start. None: there are none.
fn after_digits(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if count == 0 { None } else { text.get(count..) }
}

/// How many numbers eight digits tell.
const EIGHT_DIGITS: u64 = 100_000_000;

/// The digits of a number below 100 000 000: all eight side by side in one word, by halves. Multiplied and shifted, a part is divided by its
/// half's unit; 10486 / 2^20 does that for a hundred up to 10 000, and 103 / 2^10 for ten up to 100.
#[inline]
fn eight_digits(number: u32) -> [u8; 8] {
    // The first half is the low one: the digits come out in their order in memory.
    let fours = u64::from(number / 10_000) | (u64::from(number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | ((twos - tens * 10) << 8);
    (ones | ZEROS).to_le_bytes()
}

/// `00000000`.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// Appends a whole number.
pub(crate) fn write_u64(number: u64, out: &mut Vec<u8>) {
    // Eight digits at a time, since each division waits for the one before; within them they do not.
    let (high, low) = (number / EIGHT_DIGITS, (number % EIGHT_DIGITS) as u32);
    if high == 0 {
        return write_below_eight_digits(low, out);
    }
    if high < EIGHT_DIGITS {
        write_below_eight_digits(high as u32, out);
    } else {
        write_below_eight_digits((high / EIGHT_DIGITS) as u32, out);
        out.extend_from_slice(&eight_digits((high % EIGHT_DIGITS) as u32));
    }
    out.extend_from_slice(&eight_digits(low));
}

/// Appends a number below 100 000 000.
fn write_below_eight_digits(number: u32, out: &mut Vec<u8>) {
    // The parts of dates and intervals, and the first events of a transaction.
    if number < 10 {
        return out.push(b'0' + number as u8);
    }
    let digits = u64::from_le_bytes(eight_digits(number));
    let zeros_at_start = (digits ^ ZEROS).trailing_zeros() / 8;
    append_some(&(digits >> (8 * zeros_at_start)).to_le_bytes(), 8 - zeros_at_start as usize, out);
}

/// Appends a whole number with its sign.
pub(crate) fn write_i64(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    write_u64(number.unsigned_abs(), out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grammar() {
        for number in ["0", "-0", "7", "-12", "1.5", "0.001", "1e+20", "1E-05", "1e0", "-1.25e308"] {
            assert!(is_number(number.as_bytes()), "{number}");
        }
        for other in ["", "-", "+1", "01", ".5", "1.", "1e", "1e+", "NaN", "Infinity", "1 ", "0x1", "--1", "1.e5", "1,5"] {
            assert!(!is_number(other.as_bytes()), "{other}");
        }
        assert!(is_integer(b"-9223372036854775808") && !is_integer(b"1.0") && !is_integer(b"1e5") && !is_integer(b"007"));
        assert_eq!(length(b"12,"), Some(2));
    }

    #[test]
    fn whole_numbers_are_written() {
        for number in [0, 9, 10, 99, 100, 101, 999, 1_000, 10_000_000_000_000_000_000, u64::MAX] {
            let mut out = Vec::new();
            write_u64(number, &mut out);
            assert_eq!(out, number.to_string().into_bytes());
        }
        for number in 0..10_000 {
            for number in [number, number * 10_000, number * 10_001, 99_990_000 + number] {
                assert_eq!(eight_digits(number), *format!("{number:08}").as_bytes().first_chunk().unwrap());
            }
        }
        for number in [0, -1, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            write_i64(number, &mut out);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_number_is_written(number: u64, shift in 0_u32..64) {
            let number = number >> shift;
            let mut out = Vec::new();
            write_u64(number, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }

        #[test]
        fn an_integer_is_what_has_the_length_of_one(text in "-?[0-9]{0,24}[0-9:/\\-.]?") {
            let text = text.as_bytes();
            prop_assert_eq!(is_integer(text), integer_length(text) == Some(text.len()));
        }

        #[test]
        fn a_number_is_what_a_parser_takes_for_one(text in "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,3})?") {
            prop_assert_eq!(is_number(text.as_bytes()), serde_json::from_str::<serde_json::Number>(&text).is_ok());
        }
    }
}
