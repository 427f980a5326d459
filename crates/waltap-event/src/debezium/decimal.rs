//! numeric as the bytes of its unscaled number.

use crate::digits::all_digits;
use crate::json::{base64, number};

/// So many digits always fit an `i64`.
const FEW_DIGITS_MAX: usize = 18;

/// So many digits always fit an `i128`.
const SMALL_DIGITS_MAX: usize = 38;

/// How many digits are taken at a time beyond that: as many as a `u64` always holds.
const CHUNK_DIGITS: usize = 19;

/// A decimal's digits, as PostgreSQL prints them: no exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal<'a> {
    pub(super) negative: bool,
    pub(super) whole: &'a [u8],
    pub(super) fraction: &'a [u8],
}

impl<'a> Decimal<'a> {
    /// Reads `-12.50`. None: it is something else, as NaN is.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let point = text.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = match point {
            Some(point) => (text.get(..point)?, text.get(point + 1..)?),
            None => (text, &b""[..]),
        };
        (all_digits(whole) && (point.is_none() || all_digits(fraction))).then_some(Decimal { negative, whole, fraction })
    }

    /// The same without zeros at the end of the fraction.
    fn stripped(self) -> Self {
        let zeros = self.fraction.iter().rev().take_while(|digit| **digit == b'0').count();
        Decimal { fraction: self.fraction.get(..self.fraction.len() - zeros).unwrap_or_default(), ..self }
    }

    /// Appends the unscaled number's bytes in base64. False, and nothing: it has more digits than the scale holds.
    pub(super) fn write_scaled(self, scale: i32, out: &mut Vec<u8>) -> bool {
        let mut decimal = self.stripped();
        let mut zeros = 0;
        if let Ok(scale) = usize::try_from(scale) {
            let Some(missing) = scale.checked_sub(decimal.fraction.len()) else { return false };
            zeros = missing;
        } else {
            // A scale below zero rounds to tens, hundreds and so on: that many digits must be zeros.
            let dropped = usize::try_from(scale.unsigned_abs()).unwrap_or(usize::MAX).min(decimal.whole.len());
            let (kept, rest) = decimal.whole.split_at(decimal.whole.len() - dropped);
            if !decimal.fraction.is_empty() || rest.iter().any(|digit| *digit != b'0') {
                return false;
            }
            decimal.whole = kept;
        }
        decimal.write_unscaled(zeros, out);
        true
    }

    /// Appends `{"scale":…,"value":…}` with the smallest scale that holds it.
    pub(super) fn write_with_scale(self, out: &mut Vec<u8>) {
        let decimal = self.stripped();
        out.extend_from_slice(b"{\"scale\":");
        number::write_u64(decimal.fraction.len() as u64, out);
        out.extend_from_slice(b",\"value\":");
        decimal.write_unscaled(0, out);
        out.push(b'}');
    }

    /// Appends all digits and then so many zeros, as one number.
    fn write_unscaled(self, zeros: usize, out: &mut Vec<u8>) {
        let count = self.whole.len() + self.fraction.len() + zeros;
        let digits = self.whole.iter().chain(self.fraction).map(|digit| digit.wrapping_sub(b'0'));
        if count <= FEW_DIGITS_MAX {
            let magnitude = digits.fold(0_i64, |number, digit| number * 10 + i64::from(digit));
            let magnitude = (0..zeros).fold(magnitude, |number, _| number * 10);
            let bytes = if self.negative { -magnitude } else { magnitude }.to_be_bytes();
            return base64::write(minimal(&bytes), out);
        }
        let digits = digits.chain(std::iter::repeat_n(0, zeros));
        if count <= SMALL_DIGITS_MAX {
            let magnitude = digits.fold(0_i128, |number, digit| number * 10 + i128::from(digit));
            let bytes = if self.negative { -magnitude } else { magnitude }.to_be_bytes();
            base64::write(minimal(&bytes), out);
        } else {
            base64::write(minimal(&large(self.negative, count, digits)), out);
        }
    }
}

/// The two's complement of a number too large for an `i128`, high byte first.
fn large(negative: bool, count: usize, mut digits: impl Iterator<Item = u8>) -> Vec<u8> {
    // Low words first; a word holds more than its chunk of digits, and one more has room for the sign.
    let mut words: Vec<u64> = Vec::with_capacity(count / CHUNK_DIGITS + 2);
    loop {
        let (mut chunk, mut scale) = (0_u64, 1_u64);
        for digit in digits.by_ref().take(CHUNK_DIGITS) {
            chunk = chunk * 10 + u64::from(digit);
            scale *= 10;
        }
        if scale == 1 {
            break;
        }
        let mut carry = u128::from(chunk);
        for word in &mut words {
            carry += u128::from(*word) * u128::from(scale);
            *word = carry as u64;
            carry >>= 64;
        }
        if carry > 0 {
            words.push(carry as u64);
        }
    }
    words.push(0);
    if negative {
        let mut carry = true;
        for word in &mut words {
            (*word, carry) = (!*word).overflowing_add(u64::from(carry));
        }
    }
    words.iter().rev().flat_map(|word| word.to_be_bytes()).collect()
}

/// Without the bytes that only repeat the sign.
fn minimal(mut bytes: &[u8]) -> &[u8] {
    while let [0x00, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] = bytes {
        bytes = bytes.get(1..).unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaled(text: &str, scale: i32) -> Option<String> {
        let mut out = Vec::new();
        Decimal::parse(text.as_bytes())?.write_scaled(scale, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    fn with_scale(text: &str) -> String {
        let mut out = Vec::new();
        Decimal::parse(text.as_bytes()).unwrap().write_with_scale(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn unscaled_numbers_are_twos_complement() {
        for (text, scale, expected) in [
            // Those of the map.
            ("1.10", 2, "bg=="),
            ("22.2200", 4, "A2P4"),
            ("3.30", 2, "AUo="),
            ("1234.11", 2, "AeIT"),
            ("-1234.11", 2, "/h3t"),
            ("-92233720368547758.08", 2, "gAAAAAAAAAA="),
            ("92233720368547758.07", 2, "f/////////8="),
            // printf '\x..' | base64
            ("0", 0, "AA=="),
            ("0.00", 2, "AA=="),
            ("-0.00", 2, "AA=="),
            ("127", 0, "fw=="),
            ("128", 0, "AIA="),
            ("-128", 0, "gA=="),
            ("-129", 0, "/38="),
            ("-1", 0, "/w=="),
            ("1", 2, "ZA=="),
            ("12300", -2, "ew=="),
            ("0", -2, "AA=="),
        ] {
            assert_eq!(scaled(text, scale).as_deref(), Some(format!("\"{expected}\"").as_str()), "{text}");
        }
        assert_eq!(scaled("1.234", 2), None);
        assert_eq!(scaled("12345", -2), None);
    }

    #[test]
    fn the_scale_goes_with_the_number_where_the_column_has_none() {
        assert_eq!(with_scale("10.1111"), r#"{"scale":4,"value":"AYr3"}"#);
        assert_eq!(with_scale("10.111100"), r#"{"scale":4,"value":"AYr3"}"#);
        assert_eq!(with_scale("300"), r#"{"scale":0,"value":"ASw="}"#);
        assert_eq!(with_scale("0.000"), r#"{"scale":0,"value":"AA=="}"#);
    }

    #[test]
    fn other_text_is_no_decimal() {
        for text in ["", "-", ".5", "5.", "NaN", "Infinity", "1e5", "+1", "1,5", "--1", "1.2.3"] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_longest_numbers_are_whole() {
        // 2^200 and -2^200, whose bytes are known: a one and 25 zeros; 255 and 25 zeros.
        let power = "1606938044258990275541962092341162602522202993782792835301376";
        assert_eq!(scaled(power, 0).unwrap(), format!("\"AQ{}\"", "A".repeat(33) + "="));
        assert_eq!(scaled(&format!("-{power}"), 0).unwrap(), format!("\"/w{}\"", "A".repeat(33) + "="));
        let digits = "9".repeat(131_072) + "." + &"9".repeat(16_383);
        assert!(scaled(&digits, 16_383).unwrap().len() > 80_000);
    }

    proptest! {
        #[test]
        fn both_ways_of_counting_agree(number: i128) {
            let text = number.to_string();
            let decimal = Decimal::parse(text.as_bytes()).unwrap();
            let digits = decimal.whole.iter().map(|digit| digit - b'0');
            let bytes = large(number < 0, decimal.whole.len(), digits);
            let expected = number.to_be_bytes();
            prop_assert_eq!(minimal(&bytes), minimal(&expected));
        }

        #[test]
        fn few_digits_are_counted_as_many_are(number in -999_999_999_999_999_999_i64..=999_999_999_999_999_999, shift in 0..18_u32, scale in 0..4) {
            let number = number / 10_i64.pow(shift);
            let mut expected = Vec::new();
            base64::write(minimal(&(i128::from(number) * 10_i128.pow(scale as u32)).to_be_bytes()), &mut expected);
            prop_assert_eq!(scaled(&number.to_string(), scale), Some(String::from_utf8(expected).unwrap()));
        }
    }
}
