//! bytea in its hex form, `\x` and two digits a byte.

/// The digits, when the text has that form.
pub(crate) fn digits(text: &[u8]) -> Option<&[[u8; 2]]> {
    let (bytes, odd) = text.strip_prefix(b"\\x")?.as_chunks::<2>();
    let valid = odd.is_empty() && bytes.as_flattened().iter().all(|digit| VALUES.get(usize::from(*digit)) != Some(&NO_DIGIT));
    valid.then_some(bytes)
}

/// The byte that two digits stand for.
pub(crate) fn byte([high, low]: [u8; 2]) -> u8 {
    let value = |digit: u8| VALUES.get(usize::from(digit)).copied().unwrap_or(0);
    value(high) << 4 | value(low)
}

const NO_DIGIT: u8 = 0xff;

/// What each byte is worth as a digit.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        values[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &[u8]) -> Option<Vec<u8>> {
        Some(digits(text)?.iter().map(|pair| byte(*pair)).collect())
    }

    #[test]
    fn digits_become_bytes() {
        assert_eq!(bytes(b"\\x"), Some(vec![]));
        assert_eq!(bytes(b"\\x00ff7Ea0"), Some(vec![0x00, 0xff, 0x7e, 0xa0]));
        for other in [&b""[..], b"\\", b"x00", b"\\x0", b"\\x0g", b"\\X00", b"\\x\xff\xff"] {
            assert_eq!(bytes(other), None);
        }
    }
}
