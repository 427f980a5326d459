//! Bytes as base64, the way JSON carries them.

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// How many bytes are encoded at a time: a multiple of three, so that only the last piece is padded.
pub(crate) const PIECE: usize = 768;

/// What a piece becomes.
const ENCODED_PIECE: usize = PIECE / 3 * 4;

/// Up to here a piece is short.
const SHORT_PIECE: usize = 24;
const ENCODED_SHORT_PIECE: usize = SHORT_PIECE / 3 * 4;

/// What stands for the last two of the 64 digits. Both are padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// `+` and `/`.
    Standard,
    /// `-` and `_`.
    UrlSafe,
}

/// Appends the bytes as a string of standard, padded base64.
pub(crate) fn write(bytes: &[u8], out: &mut Vec<u8>) {
    write_in(Alphabet::Standard, bytes, out);
}

/// Appends the bytes as a string of padded base64.
pub(crate) fn write_in(alphabet: Alphabet, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for piece in bytes.chunks(PIECE) {
        write_piece_in(alphabet, piece, out);
    }
    out.push(b'"');
}

/// Appends the standard base64 of one piece, without quotes. At most [`PIECE`] bytes; all but the last piece of a value exactly so many.
pub(crate) fn write_piece(piece: &[u8], out: &mut Vec<u8>) {
    write_piece_in(Alphabet::Standard, piece, out);
}

/// As [`write_piece`].
pub(crate) fn write_piece_in(alphabet: Alphabet, piece: &[u8], out: &mut Vec<u8>) {
    let engine: &GeneralPurpose = match alphabet {
        Alphabet::Standard => &STANDARD,
        Alphabet::UrlSafe => &URL_SAFE,
    };
    if piece.len() <= SHORT_PIECE {
        // As most numbers are: less than this has to be made empty.
        encode(engine, piece, &mut [0; ENCODED_SHORT_PIECE], out);
    } else {
        encode(engine, piece, &mut [0; ENCODED_PIECE], out);
    }
}

fn encode(engine: &GeneralPurpose, piece: &[u8], encoded: &mut [u8], out: &mut Vec<u8>) {
    // It fits: the piece is bounded.
    let length = engine.encode_slice(piece, encoded).unwrap_or(0);
    out.extend_from_slice(encoded.get(..length).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join() {
        for length in [0, 1, 2, 3, SHORT_PIECE - 1, SHORT_PIECE, SHORT_PIECE + 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2] {
            let bytes: Vec<u8> = (0..length).map(|index| (index * 7) as u8).collect();
            let mut out = Vec::new();
            write(&bytes, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{}\"", STANDARD.encode(&bytes)), "{length}");
        }
    }

    #[test]
    fn alphabets_differ_in_two_digits() {
        for (alphabet, expected) in [(Alphabet::Standard, "\"+/8=\""), (Alphabet::UrlSafe, "\"-_8=\"")] {
            let mut out = Vec::new();
            write_in(alphabet, b"\xfb\xff", &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
