//! Finding the bytes that quoted text escapes: quotes, backslashes and control characters. JSON's strings have them, and the elements of
//! PostgreSQL's arrays and hstores. A loop over single bytes is several times as slow on long texts, so they are looked at in words of eight,
//! or sixteen at a time by whatever instructions the compiler finds for that.

const ONES: u64 = u64::MAX / 255;
const HIGH_BITS: u64 = ONES << 7;

/// How many bytes at the start are none of these.
#[inline]
pub(crate) fn plain_length(text: &[u8]) -> usize {
    place_in_first_word(text).unwrap_or_else(|| long_plain_length(text))
}

/// The same, up to a character beyond the basic plane as well, whose first byte is 0xf0 or more.
#[inline]
pub(crate) fn plain_length_in_basic_plane(text: &[u8]) -> usize {
    mark_in_first_word(text, beyond_basic_plane_marks).unwrap_or_else(|| long_plain_length_in_basic_plane(text))
}

#[inline(never)]
fn long_plain_length(text: &[u8]) -> usize {
    length_without(text, special_marks, is_special)
}

#[inline(never)]
fn long_plain_length_in_basic_plane(text: &[u8]) -> usize {
    length_without(text, beyond_basic_plane_marks, |byte| is_special(byte) | (byte >= 0xf0))
}

/// Where the first of these is, if it is among the first eight bytes: many texts are not longer than that.
#[inline(always)]
pub(crate) fn place_in_first_word(text: &[u8]) -> Option<usize> {
    mark_in_first_word(text, special_marks)
}

#[inline(always)]
fn mark_in_first_word(text: &[u8], marks: impl Fn(u64) -> u64) -> Option<usize> {
    match marks(u64::from_le_bytes(*text.first_chunk()?)) {
        0 => None,
        marks => Some((marks.trailing_zeros() / 8) as usize),
    }
}

/// How many bytes at the start are surely ASCII and none of these: all of them, if all are, or else those before some sixteen.
pub(crate) fn plain_ascii_length(text: &[u8]) -> usize {
    let (chunks, tail) = text.as_chunks::<CHUNK>();
    for (index, chunk) in chunks.iter().enumerate() {
        if !is_plain_ascii_chunk(chunk) {
            return index * CHUNK;
        }
    }
    let tail_is_plain = match text.last_chunk::<CHUNK>() {
        // It repeats some of the last chunk, which costs less than a loop over what is left.
        Some(last) => is_plain_ascii_chunk(last),
        None => is_plain_ascii_tail(tail),
    };
    if tail_is_plain { text.len() } else { text.len() - tail.len() }
}

/// Whether all of it is ASCII.
pub(crate) fn is_ascii(text: &[u8]) -> bool {
    let (chunks, tail) = text.as_chunks::<CHUNK>();
    let is_ascii = |chunk: &[u8; CHUNK]| none(chunk, |byte| !byte.is_ascii());
    chunks.iter().all(is_ascii) && text.last_chunk().map_or_else(|| tail.is_ascii(), is_ascii)
}

/// So many bytes are looked at by one instruction each.
const CHUNK: usize = 16;

/// Whether no byte is marked. They are counted, without an early end, so that the compiler looks at all of them together.
#[inline(always)]
fn none(chunk: &[u8; CHUNK], is_marked: impl Fn(u8) -> bool) -> bool {
    chunk.iter().fold(0, |count, byte| count + usize::from(!is_marked(*byte))) == CHUNK
}

#[inline(always)]
fn is_plain_ascii_chunk(chunk: &[u8; CHUNK]) -> bool {
    // As a number with a sign, a byte beyond ASCII is below zero.
    none(chunk, |byte| ((byte as i8) < 0x20) | (byte == b'"') | (byte == b'\\'))
}

/// The same for less than a chunk.
#[inline(always)]
fn is_plain_ascii_tail(text: &[u8]) -> bool {
    let is_plain = |word: u64| special_marks(word) | word & HIGH_BITS == 0;
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return is_plain(u64::from_le_bytes(*first)) & is_plain(u64::from_le_bytes(*last));
    }
    match ends(text) {
        Some(ends) => is_plain(ends),
        None => text.iter().all(|byte| byte.is_ascii() && !is_special(*byte)),
    }
}

/// The first four bytes and the last four, in one word. None: there are less.
#[inline(always)]
fn ends(text: &[u8]) -> Option<u64> {
    let (first, last) = (u32::from_le_bytes(*text.first_chunk()?), u32::from_le_bytes(*text.last_chunk()?));
    Some(u64::from(first) | u64::from(last) << 32)
}

/// How many bytes there are before the first that is marked: in a word by its high bit. The first eight, if there are so many, have no marks.
#[inline(always)]
fn length_without(text: &[u8], marks: impl Fn(u64) -> u64, is_marked: impl Fn(u8) -> bool) -> usize {
    let place = |marks: u64| (marks.trailing_zeros() / 8) as usize;
    if text.len() < 8 {
        return match ends(text).map(&marks) {
            Some(0) => text.len(),
            // What the last four repeat of the first four has no marks.
            Some(marks) if place(marks) >= 4 => place(marks) + text.len() - 8,
            Some(marks) => place(marks),
            None => text.iter().position(|byte| is_marked(*byte)).unwrap_or(text.len()),
        };
    }
    let (words, _) = text.as_chunks::<8>();
    if let Some(second) = words.get(1) {
        let found = marks(u64::from_le_bytes(*second));
        if found != 0 {
            return 8 + place(found);
        }
        let (chunks, _) = text.as_chunks::<CHUNK>();
        let clean = 1 + chunks.iter().skip(1).take_while(|chunk| none(chunk, &is_marked)).count();
        for (index, word) in words.iter().enumerate().skip(2 * clean) {
            let found = marks(u64::from_le_bytes(*word));
            if found != 0 {
                return index * 8 + place(found);
            }
        }
    }
    match text.last_chunk().map(|last| marks(u64::from_le_bytes(*last))) {
        // What it repeats of the last word has no marks.
        Some(marks) if marks != 0 => place(marks) + text.len() - 8,
        _ => text.len(),
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

/// The same, and the first bytes of characters beyond the basic plane.
#[inline(always)]
fn beyond_basic_plane_marks(word: u64) -> u64 {
    special_marks(word) | high_nibble_marks(word)
}

/// Sets the high bit of each byte whose four high bits are set.
#[inline(always)]
fn high_nibble_marks(word: u64) -> u64 {
    word & (word << 1) & (word << 2) & (word << 3) & HIGH_BITS
}

#[inline(always)]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_at_every_place_of_a_word() {
        for byte in 0..=u8::MAX {
            for length in 1..60 {
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
                    assert_eq!(is_ascii(&text), byte.is_ascii(), "{byte} at {place}");
                    let is_plain = byte.is_ascii() && !is_special(byte);
                    let expected = if is_plain { length } else { place / CHUNK * CHUNK };
                    assert_eq!(plain_ascii_length(&text), expected, "{byte} at {place}");
                }
            }
        }
        assert_eq!((plain_length(b""), plain_ascii_length(b"")), (0, 0));
    }

    proptest! {
        #[test]
        fn the_first_is_found(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let first = |marked: fn(u8) -> bool| text.iter().position(|byte| marked(*byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_length(&text), first(is_special));
            prop_assert_eq!(plain_length_in_basic_plane(&text), first(|byte| is_special(byte) || byte >= 0xf0));
            let plain = first(|byte| !byte.is_ascii() || is_special(byte));
            prop_assert_eq!(plain_ascii_length(&text), if plain == text.len() { plain } else { plain / CHUNK * CHUNK });
        }
    }
}
