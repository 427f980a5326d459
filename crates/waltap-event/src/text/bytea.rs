//! bytea in its hex form, `\x` and two digits a byte.

/// What should be the digits, two by two.
pub(crate) fn digits(text: &[u8]) -> Option<&[[u8; 2]]> {
    let (pairs, odd) = text.strip_prefix(b"\\x")?.as_chunks::<2>();
    odd.is_empty().then_some(pairs)
}

/// Puts the bytes that the digits stand for into `bytes`, which is as long. Gives false when some are not digits.
pub(crate) fn decode(digits: &[[u8; 2]], bytes: &mut [u8]) -> bool {
    let (fours, rest) = digits.as_chunks::<4>();
    let (words, last) = bytes.as_chunks_mut::<4>();
    let mut valid = true;
    for (bytes, digits) in words.iter_mut().zip(fours) {
        let (word, all_digits) = decode_word(digits.as_flattened());
        *bytes = word;
        valid &= all_digits;
    }
    valid & decode_one_by_one(rest, last)
}

const ONES: u64 = u64::MAX / 255;
const HIGH_BITS: u64 = ONES << 7;

/// What eight digits stand for, and whether they are digits.
fn decode_word(digits: &[u8]) -> ([u8; 4], bool) {
    let Some(digits) = digits.first_chunk::<8>() else { return ([0; 4], false) };
    let word = u64::from_le_bytes(*digits);
    // The high bit of each byte that is at least so much, as long as none has it already.
    let at_least = |word: u64, bound: u8| word + (ONES * u64::from(0x80 - bound));
    let ascii = word & !HIGH_BITS;
    let lower_case = ascii | (ONES * 0x20);
    let is_number = at_least(ascii, b'0') & !at_least(ascii, b'9' + 1);
    let is_letter = at_least(lower_case, b'a') & !at_least(lower_case, b'f' + 1);
    let all_digits = ((is_number | is_letter) & !word & HIGH_BITS) == HIGH_BITS;
    // Letters are worth nine more than their low bits say.
    let values = (ascii & (ONES * 0x0f)) + ((ascii >> 6) & ONES) * 9;
    // The first digit of each pair is its high half. Then the pairs move together.
    let pairs = ((values << 4) | (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
    (((fours | (fours >> 16)) as u32).to_le_bytes(), all_digits)
}

fn decode_one_by_one(digits: &[[u8; 2]], bytes: &mut [u8]) -> bool {
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
        for digit in 0..=u8::MAX {
            for place in 0..16 {
                let mut text = b"\\x0123456789abcdef".to_vec();
                text[2 + place] = digit;
                let expected =
                    (2..18).step_by(2).map(|pair| u8::from_str_radix(std::str::from_utf8(&text[pair..pair + 2]).ok()?, 16).ok());
                let expected = expected.collect::<Option<Vec<u8>>>().filter(|_| digit.is_ascii_hexdigit());
                assert_eq!(bytes(&text), expected, "{digit} at {place}");
            }
        }
        for other in [&b""[..], b"\\", b"x00", b"\\x0", b"\\x0g", b"\\X00", b"\\x\xff\xff"] {
            assert_eq!(bytes(other), None);
        }
    }
}
