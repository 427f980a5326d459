//! Decimals, as digits.

/// A decimal without what does not count: `-12.50` is `("-", "12", "5")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Decimal {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        (all_digits(whole) && fraction.is_none_or(all_digits)).then(|| Self::new(negative, whole, fraction.unwrap_or_default()))
    }

    fn new(negative: bool, whole: &str, fraction: &str) -> Self {
        let (whole, fraction) = (whole.trim_start_matches('0').to_owned(), fraction.trim_end_matches('0').to_owned());
        let negative = negative && !(whole.is_empty() && fraction.is_empty());
        Decimal { negative, whole, fraction }
    }

    /// Whether it is a whole number of units of this scale.
    pub(crate) fn fits(&self, scale: i32) -> bool {
        match usize::try_from(scale) {
            Ok(scale) => self.fraction.len() <= scale,
            Err(_) => {
                let zeros = self.whole.len() - self.whole.trim_end_matches('0').len();
                self.fraction.is_empty() && (self.whole.is_empty() || zeros >= scale.unsigned_abs() as usize)
            }
        }
    }

    /// A number in two's complement, high byte first, of this scale.
    pub(crate) fn unscaled(bytes: &[u8], scale: i32) -> Self {
        let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
        let mut magnitude = bytes.to_vec();
        if negative {
            let mut carry = true;
            for byte in magnitude.iter_mut().rev() {
                (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
            }
        }
        // Digits, the lowest first.
        let mut digits = vec![0_u8];
        for byte in magnitude {
            let mut carry = u32::from(byte);
            for digit in &mut digits {
                carry += u32::from(*digit) * 256;
                *digit = (carry % 10) as u8;
                carry /= 10;
            }
            while carry > 0 {
                digits.push((carry % 10) as u8);
                carry /= 10;
            }
        }
        let mut text: String = digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
        match usize::try_from(scale) {
            Ok(scale) => {
                let text = format!("{text:0>width$}", width = scale + 1);
                let (whole, fraction) = text.split_at(text.len() - scale);
                Self::new(negative, whole, fraction)
            }
            Err(_) => {
                text.extend(std::iter::repeat_n('0', scale.unsigned_abs() as usize));
                Self::new(negative, &text, "")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        let decimal = |text| Decimal::parse(text).unwrap();
        assert_eq!(decimal("-0.00"), decimal("0"));
        assert_eq!(decimal("012.50"), decimal("12.5"));
        assert_ne!(decimal("12.5"), decimal("-12.5"));
        assert_eq!(Decimal::unscaled(&[0xfe, 0x1d, 0xed], 2), decimal("-1234.11"));
        assert_eq!(Decimal::unscaled(&[0x7b], -2), decimal("12300"));
        assert_eq!(Decimal::unscaled(&[0x01], 3), decimal("0.001"));
        assert!(decimal("1.50").fits(1) && !decimal("1.55").fits(1) && decimal("1200").fits(-2) && !decimal("120").fits(-2));
        for other in ["", "-", ".5", "5.", "1e5", "NaN", "+1"] {
            assert_eq!(Decimal::parse(other), None);
        }
    }
}
