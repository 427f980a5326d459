//! Copying a few bytes: by moves of a length that the compiler knows, of which the rest is dropped again. To copy a number of bytes that is
//! not known beforehand takes a call, and then several decisions.

/// So many are copied by two moves.
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

/// Appends the first `length` bytes of these.
#[inline(always)]
pub(crate) fn append_some<const N: usize>(bytes: &[u8; N], length: usize, out: &mut Vec<u8>) {
    debug_assert!(length <= N);
    let end = out.len() + length;
    out.extend_from_slice(bytes);
    out.truncate(end);
}

/// A text that is appended often, such as a column's name.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    text: Vec<u8>,
    /// The text again, if it is short, and zeros behind it.
    padded: [u8; Piece::SHORT],
}

impl Default for Piece {
    fn default() -> Self {
        Piece { text: Vec::new(), padded: [0; Piece::SHORT] }
    }
}

impl Piece {
    /// Up to here a text is short.
    const SHORT: usize = 48;

    pub(crate) fn new(text: &[u8]) -> Self {
        let mut piece = Piece::default();
        piece.rewrite(|empty| empty.extend_from_slice(text));
        piece
    }

    /// Has it hold another text.
    pub(crate) fn rewrite(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.text.clear();
        write(&mut self.text);
        if let Some(start) = self.padded.get_mut(..self.text.len()) {
            start.copy_from_slice(&self.text);
        }
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    #[inline(always)]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        if self.text.len() <= Self::SHORT {
            append_some(&self.padded, self.text.len(), out);
        } else {
            out.extend_from_slice(&self.text);
        }
    }
}

/// The text of what was written last, kept since what is written next is most often the same, as a transaction's number is for all its rows.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    of: Option<T>,
    text: Piece,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept { of: None, text: Piece::default() }
    }
}

impl<T: PartialEq> Kept<T> {
    /// Appends the text of this, which `write` appends where it is not the last one. `write` may depend on nothing else that changes.
    #[inline(always)]
    pub(crate) fn append_to(&mut self, out: &mut Vec<u8>, of: T, write: impl FnOnce(&mut Vec<u8>)) {
        if self.of.as_ref() != Some(&of) {
            self.text.rewrite(write);
            self.of = Some(of);
        }
        self.text.append_to(out);
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

    #[test]
    fn a_piece_is_its_text_whatever_its_length() {
        let mut piece = Piece::default();
        for length in (0..70).chain((0..70).rev()) {
            let text = b"x".repeat(length);
            piece.rewrite(|out| out.extend_from_slice(&text));
            let mut out = b"before".to_vec();
            piece.append_to(&mut out);
            assert_eq!(out, [b"before", &text[..]].concat());
            assert_eq!((piece.text(), Piece::new(&text).text()), (&text[..], &text[..]));
        }
        let mut out = Vec::new();
        Piece::default().append_to(&mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn what_is_kept_is_written_anew_when_it_changes() {
        let mut kept = Kept::default();
        let mut out = Vec::new();
        let mut written = 0;
        for number in [1, 1, 22, 1] {
            kept.append_to(&mut out, number, |out| {
                written += 1;
                out.extend_from_slice(number.to_string().as_bytes());
            });
        }
        assert_eq!((out, written), (b"11221".to_vec(), 3));
    }
}
