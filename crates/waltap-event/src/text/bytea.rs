//! bytea in its hex form, `\x` and two digits a byte.

/// What should be the digits, two by two.
pub(crate) fn digits(text: &[u8]) -> Option<&[[u8; 2]]> {
    let (pairs, odd) = text.strip_prefix(b"\\x")?.as_chunks::<2>();
    odd.is_empty().then_some(pairs)
}

/// Puts the bytes that the digits stand for into `bytes`, which is as long. Gives false when some are not digits.
pub(crate) fn decode(digits: &[[u8; 2]], bytes: &mut [u8]) -> bool {
    let mut seen = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
        // Looked up in a table of 256, a byte is never out of bounds.
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    seen < 16
}

/// No digit is worth this much, nor any bits of it beyond the lowest four.
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
        let digits = digits(text)?;
        let mut bytes = vec![0; digits.len()];
        decode(digits, &mut bytes).then_some(bytes)
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
