//! Bytes that are no text, in a string.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends bytes as a string of `\x` and hexadecimal digits, as PostgreSQL writes a bytea.
pub(crate) fn write(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 2 + 5);
    out.extend_from_slice(b"\"\\\\x");
    for byte in bytes {
        let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_is_there() {
        let mut out = Vec::new();
        super::write(b"caf\xe9\x00", &mut out);
        assert_eq!(out, br#""\\x636166e900""#);
    }
}
