//! Pieces put together again.

use std::collections::HashMap;

use super::letter::{About, Identity, Letter, PieceKey};
use super::pieces::read;

/// One attempt at writing a letter: a repeat of the event is another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    pub(super) identity: Identity,
    pub(super) pieces: u32,
    pub(super) about: About,
}

impl Attempt {
    pub(super) fn of(key: PieceKey, about: About) -> (Self, u32) {
        (Attempt { identity: key.identity, pieces: key.pieces, about }, key.piece)
    }
}

/// Letters of which some pieces are there. Those of several may come in any order, and more than once.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    open: HashMap<Attempt, HashMap<u32, Vec<u8>>>,
}

/// What a piece made of its letter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Others are missing.
    Incomplete,
    Complete(Letter),
    /// All are there, and they are not what was cut: somebody has changed one. They are kept: a good one may come yet.
    Damaged,
}

impl Assembly {
    /// Adds a piece. What is complete is kept no longer.
    pub(super) fn add(&mut self, attempt: Attempt, piece: u32, bytes: Vec<u8>) -> Added {
        let pieces = attempt.pieces;
        let there = self.open.entry(attempt.clone()).or_default();
        there.insert(piece, bytes);
        if !(0..pieces).all(|piece| there.contains_key(&piece)) {
            return Added::Incomplete;
        }
        let content: Vec<u8> = (0..pieces).filter_map(|piece| there.get(&piece)).flatten().copied().collect();
        let Some(letter) = read(&attempt.about, &content) else { return Added::Damaged };
        self.open.remove(&attempt);
        Added::Complete(letter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use waltap_event::Header;
    use waltap_pgoutput::Lsn;

    use super::super::letter::Refused;
    use super::super::pieces::{Pieces, header_bytes};
    use super::*;

    #[derive(Clone, Debug)]
    struct Given {
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        headers: Vec<(String, Vec<u8>)>,
        piece_bytes: usize,
        seq: u64,
    }

    fn given() -> impl Strategy<Value = Given> {
        let bytes = || proptest::option::of(vec(any::<u8>(), 0..200));
        let headers = vec(("[a-zü.]{0,8}", vec(any::<u8>(), 0..20)), 0..4);
        (bytes(), bytes(), headers, 1..300_usize, 0..3_u64).prop_map(|(key, value, headers, piece_bytes, seq)| Given {
            key,
            value,
            headers,
            piece_bytes,
            seq,
        })
    }

    /// The pieces of a letter, each with its number, and what they must become.
    fn cut(given: &Given) -> (Vec<(Attempt, u32, Vec<u8>)>, Letter) {
        let Given { key, value, headers, piece_bytes, seq } = given;
        let borrowed: Vec<Header<'_>> = headers.iter().map(|(name, value)| Header { name, value, is_json: false }).collect();
        let refused = Refused {
            topic: "t",
            partition: None,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &borrowed,
            commit_lsn: Lsn(7),
            seq: Some(*seq),
            record: 0,
            bytes_max: 10,
        };
        let header_bytes = header_bytes(&borrowed);
        let pieces = Pieces::new(&refused, &header_bytes, *piece_bytes);
        let (about, count) = (pieces.about(&refused, "WT0024".to_owned()), pieces.number());
        let attempt = Attempt { identity: Identity::of("waltap", "shop", &refused), pieces: count, about };
        let cut: Vec<_> = pieces.zip(0..).map(|(bytes, piece)| (attempt.clone(), piece, bytes)).collect();
        assert_eq!(cut.len(), count as usize);
        assert!(cut.iter().all(|(_, _, bytes)| bytes.len() <= *piece_bytes));
        (cut, Letter { key: key.clone(), value: value.clone(), headers: headers.clone() })
    }

    proptest! {
        #[test]
        fn what_was_cut_comes_back_whatever_comes_between(
            letters in vec((given(), 0..4_usize), 1..5),
            order in vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let mut assembly = Assembly::default();
            let mut waiting = Vec::new();
            let mut expected = Vec::new();
            for (given, repeats) in &letters {
                let (mut cut, letter) = cut(given);
                let attempt = cut[0].0.clone();
                if expected.iter().any(|(other, _)| *other == attempt) {
                    continue;
                }
                // An attempt that was cut off, and made again.
                let first: Vec<_> = cut.iter().take(*repeats).cloned().collect();
                if first.len() < cut.len() {
                    cut.extend(first);
                }
                waiting.extend(cut);
                expected.push((attempt, letter));
            }
            for (from, to) in order.iter().zip(order.iter().skip(1)) {
                let (from, to) = (from.index(waiting.len()), to.index(waiting.len()));
                waiting.swap(from, to);
            }
            let mut complete: Vec<(Attempt, Letter)> = Vec::new();
            for (attempt, piece, bytes) in waiting {
                match assembly.add(attempt.clone(), piece, bytes) {
                    Added::Complete(letter) => complete.push((attempt, letter)),
                    Added::Damaged => prop_assert!(false, "damaged"),
                    Added::Incomplete => {}
                }
            }
            for (attempt, letter) in expected {
                let found: Vec<_> = complete.iter().filter(|(other, _)| *other == attempt).collect();
                prop_assert!(!found.is_empty());
                prop_assert!(found.iter().all(|(_, other)| *other == letter));
            }
        }

        #[test]
        fn what_was_changed_is_not_taken_for_it(given in given(), at in any::<prop::sample::Index>()) {
            let (mut cut, letter) = cut(&given);
            let filled: Vec<usize> = (0..cut.len()).filter(|piece| !cut[*piece].2.is_empty()).collect();
            prop_assume!(!filled.is_empty());
            let piece = filled[at.index(filled.len())];
            let byte = at.index(cut[piece].2.len());
            let good = cut[piece].clone();
            cut[piece].2[byte] ^= 1;
            let mut assembly = Assembly::default();
            let last = cut.into_iter().map(|(attempt, piece, bytes)| assembly.add(attempt, piece, bytes)).last();
            prop_assert_eq!(last, Some(Added::Damaged));
            // A good one that comes later is not hidden by it.
            let (attempt, piece, bytes) = good;
            prop_assert_eq!(assembly.add(attempt, piece, bytes), Added::Complete(letter));
        }
    }
}
