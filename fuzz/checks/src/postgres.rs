//! PostgreSQL's text forms, read on the simplest way: the other opinion against which the encoder is held.

pub(crate) mod array;
pub(crate) mod decimal;
pub(crate) mod document;
pub(crate) mod hstore;
pub(crate) mod moment;

/// The digits of `\x` bytea.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?;
    if digits.len() % 2 == 1 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|place| u8::from_str_radix(&digits[place..place + 2], 16).ok()).collect()
}

/// money's plain amount: groups of three digits, or none.
pub(crate) fn money(text: &str) -> Option<String> {
    let plain = text.replace(['$', ','], "");
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !fraction.is_none_or(all_digits) {
        return None;
    }
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let fraction = fraction.map_or(String::new(), |fraction| format!(".{fraction}"));
    let forms = [whole, &grouped].map(|whole| format!("{sign}${whole}{fraction}"));
    forms.contains(&text.to_owned()).then_some(plain)
}
