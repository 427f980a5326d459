//! Numbers.

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
pub(crate) fn is_integer(text: &[u8]) -> bool {
    integer_length(text) == Some(text.len())
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

/// The most digits that a `u64` has.
const DIGITS_MAX: usize = 20;

/// Appends a whole number.
pub(crate) fn write_u64(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; DIGITS_MAX];
    // Two digits at a time: the divisions are what takes long, and each waits for the one before.
    let (pairs, _) = digits.as_chunks_mut::<2>();
    let mut count = 0;
    for pair in pairs.iter_mut().rev() {
        let low = (number % 100) as u8;
        number /= 100;
        *pair = [b'0' + low / 10, b'0' + low % 10];
        count += 2;
        if number == 0 {
            count -= usize::from(low < 10);
            break;
        }
    }
    out.extend_from_slice(digits.get(DIGITS_MAX - count..).unwrap_or_default());
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
        for number in [0, -1, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            write_i64(number, &mut out);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    proptest! {
        #[test]
        fn a_number_is_what_a_parser_takes_for_one(text in "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,3})?") {
            prop_assert_eq!(is_number(text.as_bytes()), serde_json::from_str::<serde_json::Number>(&text).is_ok());
        }
    }
}
