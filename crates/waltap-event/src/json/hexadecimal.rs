//! Bytes that are no text, in a string.

/// A byte's two digits.
pub(crate) fn digits(byte: u8) -> [u8; 2] {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

/// Appends bytes as a string of `\x` and hexadecimal digits, as PostgreSQL writes a bytea.
pub(crate) fn write(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 2 + 5);
    out.extend_from_slice(b"\"\\\\x");
    for byte in bytes {
        out.extend_from_slice(&digits(*byte));
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
