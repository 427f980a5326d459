//! Copying a few bytes.

/// So many are copied by two moves, where to copy a number that is not known beforehand takes a call.
const MOVED_AT_ONCE: usize = 16;

/// Appends the first `length` bytes of a text. It is quick where they are few and the text goes on: what is copied too much is dropped.
#[inline(always)]
pub(crate) fn append_start(text: &[u8], length: usize, out: &mut Vec<u8>) {
    match text.first_chunk::<MOVED_AT_ONCE>() {
        Some(chunk) if length <= MOVED_AT_ONCE => {
            let end = out.len() + length;
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(text.get(..length).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_what_was_too_much() {
        let text = b"0123456789abcdefghijklmnop";
        for end in 0..=text.len() {
            for length in 0..=end {
                let mut out = b"before".to_vec();
                append_start(&text[..end], length, &mut out);
                assert_eq!(out, [b"before", &text[..length]].concat(), "{length} of {end}");
            }
        }
    }
}
