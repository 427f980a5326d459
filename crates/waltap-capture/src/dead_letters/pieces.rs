//! How a record is cut into pieces, and how its content is read again.
//!
//! The content is the key, the value and the headers, one behind the other, as they stand; who has no waltap at hand can put the pieces
//! together with any tool. Of each header it holds the length of the name in four bytes (most significant first), the name, the length of
//! the value, and the value.

use waltap_event::Header;

use super::digest::digest;
use super::letter::{About, Letter, Refused};

/// A record's content, cut.
pub(super) struct Pieces<'a> {
    parts: [&'a [u8]; 3],
    piece_bytes: usize,
    /// Where the next piece begins.
    at: usize,
    is_started: bool,
}

/// The headers of a record as they stand in its content.
pub(super) fn header_bytes(headers: &[Header<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for header in headers {
        for part in [header.name.as_bytes(), header.value] {
            // Kafka's own lengths have 31 bits.
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

impl<'a> Pieces<'a> {
    /// Cuts. `headers` are those of the record, from [`header_bytes`].
    pub(super) fn new(refused: &Refused<'a>, headers: &'a [u8], piece_bytes: usize) -> Self {
        let parts = [refused.key.unwrap_or_default(), refused.value.unwrap_or_default(), headers];
        Pieces { parts, piece_bytes: piece_bytes.max(1), at: 0, is_started: false }
    }

    /// What the pieces say of the whole.
    pub(super) fn about(&self, refused: &Refused<'_>, code: String) -> About {
        About {
            code,
            bytes_max: refused.bytes_max as u64,
            key_bytes: refused.key.map(|key| key.len() as u64),
            value_bytes: refused.value.map(|value| value.len() as u64),
            header_bytes: self.parts[2].len() as u64,
            sha256: digest(self.parts),
        }
    }

    /// How many pieces there are: one at least.
    pub(super) fn number(&self) -> u32 {
        u32::try_from(self.length().div_ceil(self.piece_bytes).max(1)).unwrap_or(u32::MAX)
    }

    fn length(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }
}

impl Iterator for Pieces<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.length().min(self.at.saturating_add(self.piece_bytes));
        if self.is_started && self.at == end {
            return None;
        }
        let mut piece = Vec::with_capacity(end - self.at);
        let mut part_begin = 0;
        for part in self.parts {
            let part_end = part_begin + part.len();
            let (from, to) = (self.at.clamp(part_begin, part_end), end.clamp(part_begin, part_end));
            piece.extend_from_slice(&part[from - part_begin..to - part_begin]);
            part_begin = part_end;
        }
        (self.at, self.is_started) = (end, true);
        Some(piece)
    }
}

/// Reads a content. `None` when it is not what was cut.
pub(super) fn read(about: &About, content: &[u8]) -> Option<Letter> {
    if content.len() as u64 != about.content_bytes() || digest([content]) != about.sha256 {
        return None;
    }
    let mut rest = content;
    let mut part = |bytes: Option<u64>| match bytes {
        None => Some(None),
        Some(bytes) => take(&mut rest, usize::try_from(bytes).ok()?).map(|part| Some(part.to_vec())),
    };
    let (key, value) = (part(about.key_bytes)?, part(about.value_bytes)?);
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let name = String::from_utf8(sized(&mut rest)?.to_vec()).ok()?;
        headers.push((name, sized(&mut rest)?.to_vec()));
    }
    Some(Letter { key, value, headers })
}

fn sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 4)?.try_into().ok().map(u32::from_be_bytes)?;
    take(rest, usize::try_from(length).ok()?)
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(taken)
}
