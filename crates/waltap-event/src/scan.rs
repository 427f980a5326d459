//! Finding the bytes that quoted text escapes, eight at a time: quotes, backslashes and control characters. JSON's strings have them, and
//! the elements of PostgreSQL's arrays and hstores.

const ONES: u64 = u64::MAX / 255;
const HIGH_BITS: u64 = ONES << 7;

/// How many bytes at the start are none of these.
///
/// A loop over single bytes is several times as slow on long texts.
pub(crate) fn plain_length(text: &[u8]) -> usize {
    length_without(text, special_marks, is_special)
}

/// The same, up to a character beyond the basic plane as well, whose first byte is 0xf0 or more.
pub(crate) fn plain_length_in_basic_plane(text: &[u8]) -> usize {
    length_without(text, |word| special_marks(word) | high_nibble_marks(word), |byte| is_special(byte) || byte >= 0xf0)
}

/// Whether all of it is ASCII and none of these.
pub(crate) fn is_plain_ascii(text: &[u8]) -> bool {
    let (words, tail) = text.as_chunks::<8>();
    let is_plain = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        special_marks(word) | word & HIGH_BITS == 0
    };
    words.iter().all(is_plain)
        && match text.last_chunk::<8>() {
            // It repeats some of the last word, which costs less than a loop over what is left.
            Some(last) => is_plain(last),
            None => tail.iter().all(|byte| byte.is_ascii() && !is_special(*byte)),
        }
}

/// How many bytes there are before the first that is marked: in a word by its high bit.
#[inline(always)]
fn length_without(text: &[u8], marks: impl Fn(u64) -> u64, is_marked: impl Fn(u8) -> bool) -> usize {
    let first = |word: &[u8; 8]| match marks(u64::from_le_bytes(*word)) {
        0 => None,
        marks => Some((marks.trailing_zeros() / 8) as usize),
    };
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        if let Some(place) = first(word) {
            return index * 8 + place;
        }
    }
    match text.last_chunk::<8>() {
        // What it repeats of the last word has no marks.
        Some(last) => first(last).map_or(text.len(), |place| text.len() - 8 + place),
        None => tail.iter().position(|byte| is_marked(*byte)).unwrap_or(tail.len()),
    }
}

/// Sets the high bit of each byte that is escaped. Bytes after the first such one may be marked falsely (the subtractions borrow), the
/// first never is.
#[inline(always)]
fn special_marks(word: u64) -> u64 {
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word;
    let control = below(word, 0x20);
    let quote = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
    (control | quote | backslash) & HIGH_BITS
}

/// Sets the high bit of each byte whose four high bits are set.
#[inline(always)]
fn high_nibble_marks(word: u64) -> u64 {
    word & (word << 1) & (word << 2) & (word << 3) & HIGH_BITS
}

#[inline(always)]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_at_every_place_of_a_word() {
        for byte in 0..=u8::MAX {
            for length in 1..20 {
                for place in 0..length {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    let expected = |marked: bool| if marked { place } else { length };
                    assert_eq!(plain_length(&text), expected(is_special(byte)), "{byte} at {place}");
                    assert_eq!(
                        plain_length_in_basic_plane(&text),
                        expected(is_special(byte) || byte >= 0xf0),
                        "{byte} at {place}"
                    );
                    assert_eq!(is_plain_ascii(&text), byte.is_ascii() && !is_special(byte), "{byte} at {place}");
                }
            }
        }
        assert!(plain_length(b"") == 0 && is_plain_ascii(b""));
    }

    proptest! {
        #[test]
        fn the_first_is_found(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let first = |marked: fn(u8) -> bool| text.iter().position(|byte| marked(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_length(&text), first(is_special));
            prop_assert_eq!(plain_length_in_basic_plane(&text), first(|byte| is_special(byte) || byte >= 0xf0));
            prop_assert_eq!(is_plain_ascii(&text), text.iter().all(|byte| byte.is_ascii() && !is_special(*byte)));
        }
    }
}
