//! Digits, eight at a time: in one word each byte's number is looked at beside the others.

/// Eight bytes that are digits where there are zeros, and the same marks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    marks: u64,
    /// What can be added to each byte, of which the marks were taken off, without its high bit being set.
    room: u64,
}

const DIGITS: Shape = Shape::new([b'0'; 8]);

/// The high bit of each byte.
const HIGH_BITS: u64 = (u64::MAX / 255) << 7;

impl Shape {
    pub(crate) const fn new(marks: [u8; 8]) -> Self {
        let mut room = [0x7f; 8];
        let mut index = 0;
        while index < marks.len() {
            if marks[index] == b'0' {
                room[index] -= 9;
            }
            index += 1;
        }
        Shape { marks: u64::from_le_bytes(marks), room: u64::from_le_bytes(room) }
    }

    /// The number of two digits that begins at each byte. What begins at or before a mark, or with the last byte, has no meaning. None: the
    /// text has another shape.
    #[inline(always)]
    pub(crate) fn pairs(self, text: &[u8; 8]) -> Option<[u8; 8]> {
        let word = u64::from_le_bytes(*text);
        let digits = word ^ self.marks;
        (self.misfits(word) == 0).then(|| (digits * 10 + (digits >> 8)).to_le_bytes())
    }

    /// The high bits of the bytes that do not fit. Behind the first of them others may be set falsely.
    #[inline(always)]
    fn misfits(self, word: u64) -> u64 {
        // A digit's number is left of it, and nothing of a mark.
        let digits = word ^ self.marks;
        // A carry goes on only from a byte that has a high bit.
        (digits.wrapping_add(self.room) | digits) & HIGH_BITS
    }
}

/// Whether these are digits, one at least.
#[inline]
pub(crate) fn all_digits(text: &[u8]) -> bool {
    let are_digits = |word: u64| DIGITS.misfits(word) == 0;
    let (words, tail) = text.as_chunks::<8>();
    let Some(last) = text.last_chunk::<8>() else {
        return match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
            // One word of both, which have some bytes in common.
            (Some(first), Some(last)) => {
                are_digits(u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32)
            }
            _ => !tail.is_empty() && tail.iter().all(u8::is_ascii_digit),
        };
    };
    words.iter().all(|word| are_digits(u64::from_le_bytes(*word))) && are_digits(u64::from_le_bytes(*last))
}

/// How many digits there are at the start.
pub(crate) fn leading_digits(text: &[u8]) -> usize {
    match text.first_chunk().map(|word| DIGITS.misfits(u64::from_le_bytes(*word))) {
        Some(misfits) if misfits != 0 => (misfits.trailing_zeros() / 8) as usize,
        _ => text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_numbers_between_the_marks_alone() {
        let (time, date) = (Shape::new(*b"00:00:00"), Shape::new(*b"0000-00-"));
        let [hour, _, _, minute, _, _, second, _] = time.pairs(b"12:34:59").unwrap();
        assert_eq!([hour, minute, second], [12, 34, 59]);
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                for (shape, mut text) in [(time, *b"99:99:99"), (date, *b"0000-00-"), (date, *b"9999-99-")] {
                    let is_mark = !text[place].is_ascii_digit();
                    let expected = if is_mark { byte == text[place] } else { byte.is_ascii_digit() };
                    text[place] = byte;
                    assert_eq!(shape.pairs(&text).is_some(), expected, "{byte} at {place}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_told_from_other_bytes(
            text in prop::collection::vec(prop_oneof![9 => b'0'..=b'9', 1 => any::<u8>()], 0..30)
        ) {
            let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            prop_assert_eq!(all_digits(&text), !text.is_empty() && count == text.len());
            prop_assert_eq!(leading_digits(&text), count);
        }
    }
}
