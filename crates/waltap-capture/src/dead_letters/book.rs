//! What stands in the topic of dead letters.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use waltap_error::Result;
use waltap_kafka::{Options, Tail, TailRecord, TailStart};

use super::HEADER;
use super::assembly::Attempt;
use super::letter::{About, Identity, PieceKey};

/// How long Kafka may take to answer, and between two records.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A record that was too large for its topic.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// What it is called by.
    pub id: String,
    /// The capture that wrote it.
    pub capture: String,
    /// The database of its event.
    pub database: String,
    /// The topic that it was for.
    pub topic: String,
    /// Where its event stands: the transaction's commit, as PostgreSQL writes it.
    pub commit_lsn: String,
    /// As `commit_lsn`: the number of the change. `None` of a snapshot's row.
    pub seq: Option<u64>,
    /// The bytes of its key, its value and its headers.
    pub bytes: u64,
    /// How many bytes the topic took when it was written.
    pub bytes_max: u64,
    /// The code of the error that it would have been.
    pub code: String,
    /// When its last piece was written, in milliseconds since 1970.
    pub written_ms: Option<i64>,
    /// Whether all of its pieces are there. Otherwise the capture was cut off while it wrote them, and writes them again.
    pub complete: bool,
    pub(super) partition: Option<i32>,
    /// The attempt that is complete, or else one of those that are not.
    pub(super) attempt: Attempt,
    /// Others that are complete, the last one first: for when that one is damaged.
    pub(super) others: Vec<Attempt>,
    /// Where its pieces are, and their keys as they stand.
    pub(super) pieces_partition: i32,
    pub(super) piece_keys: BTreeSet<Vec<u8>>,
}

/// Reads which letters there are, in the order in which they were written.
pub async fn dead_letters(kafka: &Options, topic: &str) -> Result<Vec<DeadLetter>> {
    let mut tail = tail(kafka, topic).await?;
    let mut book = Book::default();
    while let Some(record) = tail.next().await? {
        book.enter(&record);
    }
    if book.strange > 0 {
        tracing::warn!(topic, records = book.strange, "there are records in the topic that are no dead letters of waltap");
    }
    Ok(book.letters())
}

pub(super) async fn tail(kafka: &Options, topic: &str) -> Result<Tail> {
    Tail::start(kafka, topic, TailStart::Beginning, false, TIMEOUT).await
}

/// What a record of the topic says it is a piece of. `None`: it is none of ours.
pub(super) fn piece_of(record: &TailRecord) -> Option<(Attempt, u32)> {
    let about = record.headers.iter().find(|(name, _)| name == HEADER)?.1.as_deref()?;
    let about: About = serde_json::from_slice(about).ok()?;
    Some(Attempt::of(key_of(record)?, about))
}

fn key_of(record: &TailRecord) -> Option<PieceKey> {
    serde_json::from_slice(record.key.as_deref()?).ok()
}

#[derive(Default)]
struct Book {
    entries: BTreeMap<Identity, Entry>,
    strange: u64,
    /// Numbers what comes.
    next: u64,
}

struct Entry {
    /// The pieces of each attempt, and when the last of them came.
    attempts: HashMap<Attempt, (BTreeSet<u32>, u64)>,
    keys: BTreeSet<Vec<u8>>,
    partition: i32,
    first: u64,
    written_ms: Option<i64>,
}

impl Book {
    fn enter(&mut self, record: &TailRecord) {
        self.next += 1;
        let Some(key) = &record.key else {
            self.strange += 1;
            return;
        };
        if record.value.is_none() {
            if let Some(settled) = key_of(record) {
                self.settle(&settled, key);
            }
            return;
        }
        let Some((attempt, piece)) = piece_of(record) else {
            self.strange += 1;
            return;
        };
        let new = || Entry {
            attempts: HashMap::new(),
            keys: BTreeSet::new(),
            partition: record.partition,
            first: self.next,
            written_ms: None,
        };
        let entry = self.entries.entry(attempt.identity.clone()).or_insert_with(new);
        entry.keys.insert(key.clone());
        entry.written_ms = record.timestamp_ms;
        let (pieces, last) = entry.attempts.entry(attempt).or_default();
        pieces.insert(piece);
        *last = self.next;
    }

    /// Takes out a piece of a letter that was sent.
    fn settle(&mut self, settled: &PieceKey, key: &[u8]) {
        let Some(entry) = self.entries.get_mut(&settled.identity) else { return };
        entry.keys.remove(key);
        for (attempt, (pieces, _)) in &mut entry.attempts {
            if attempt.pieces == settled.pieces {
                pieces.remove(&settled.piece);
            }
        }
        if entry.keys.is_empty() {
            self.entries.remove(&settled.identity);
        }
    }

    fn letters(self) -> Vec<DeadLetter> {
        let mut letters: Vec<(u64, DeadLetter)> = self.entries.into_iter().filter_map(letter).collect();
        letters.sort_by_key(|(first, _)| *first);
        letters.into_iter().map(|(_, letter)| letter).collect()
    }
}

fn letter((identity, entry): (Identity, Entry)) -> Option<(u64, DeadLetter)> {
    let Entry { attempts, keys, partition, first, written_ms } = entry;
    // The last one that is whole: others were cut off, or are repeats of it.
    let is_whole = |attempt: &Attempt, pieces: &BTreeSet<u32>| pieces.len() == attempt.pieces as usize;
    let best = attempts.iter().max_by_key(|(attempt, (pieces, last))| (is_whole(attempt, pieces), *last));
    let (attempt, (pieces, _)) = best?;
    let others = attempts.iter().filter(|(other, (pieces, _))| *other != attempt && is_whole(other, pieces));
    let mut others: Vec<(&u64, &Attempt)> = others.map(|(other, (_, last))| (last, other)).collect();
    others.sort_by_key(|(last, _)| std::cmp::Reverse(**last));
    let letter = DeadLetter {
        id: identity.short(),
        complete: is_whole(attempt, pieces),
        bytes: attempt.about.content_bytes(),
        bytes_max: attempt.about.bytes_max,
        code: attempt.about.code.clone(),
        attempt: attempt.clone(),
        others: others.into_iter().map(|(_, other)| other.clone()).collect(),
        commit_lsn: identity.commit_lsn.to_string(),
        seq: identity.seq,
        capture: identity.capture,
        database: identity.db,
        topic: identity.topic,
        partition: identity.partition,
        written_ms,
        pieces_partition: partition,
        piece_keys: keys,
    };
    Some((first, letter))
}

#[cfg(test)]
mod tests {
    use waltap_pgoutput::Lsn;

    use super::super::letter::Refused;
    use super::super::pieces::{Pieces, header_bytes};
    use super::*;

    /// The records of a letter in pieces of three bytes.
    fn records(seq: u64, value: &str) -> Vec<TailRecord> {
        let refused = Refused {
            topic: "t",
            partition: Some(0),
            key: Some(b"k"),
            value: Some(value.as_bytes()),
            headers: &[],
            commit_lsn: Lsn(16),
            seq: Some(seq),
            record: 0,
            bytes_max: 2,
        };
        let headers = header_bytes(&[]);
        let pieces = Pieces::new(&refused, &headers, 3);
        let about = serde_json::to_vec(&pieces.about(&refused, "WT0024".to_owned())).unwrap();
        let identity = Identity::of("waltap", "shop", &refused);
        let count = pieces.number();
        pieces
            .zip(0..)
            .map(|(value, piece)| TailRecord {
                partition: 0,
                offset: 0,
                timestamp_ms: Some(5),
                key: Some(serde_json::to_vec(&PieceKey { identity: identity.clone(), piece, pieces: count }).unwrap()),
                value: Some(value),
                headers: vec![(HEADER.to_owned(), Some(about.clone()))],
            })
            .collect()
    }

    fn read(records: impl IntoIterator<Item = TailRecord>) -> Vec<DeadLetter> {
        let mut book = Book::default();
        records.into_iter().for_each(|record| book.enter(&record));
        book.letters()
    }

    #[test]
    fn a_repeat_takes_the_place_of_the_first() {
        let first = records(1, "value at 1");
        let repeat = records(1, "value at 2");
        let other = records(2, "another");
        let letters = read(first.iter().chain(&repeat).chain(&other).cloned());
        assert_eq!(letters.len(), 2);
        assert!(letters.iter().all(|letter| letter.complete));
        assert_eq!(letters[0].attempt, piece_of(&repeat[0]).unwrap().0);
        assert_eq!(letters[0].others, [piece_of(&first[0]).unwrap().0], "if the repeat is damaged");
        assert_eq!((letters[0].commit_lsn.as_str(), letters[0].seq, letters[0].bytes), ("0/10", Some(1), 11));
        assert_ne!(letters[0].id, letters[1].id);
        // A repeat that is not whole yet does not hide the first.
        let letters = read(first.iter().chain(repeat.iter().take(2)).cloned());
        assert!(letters[0].complete);
        assert_eq!(letters[0].attempt, piece_of(&first[0]).unwrap().0);
    }

    #[test]
    fn a_letter_that_was_cut_off_is_not_complete() {
        let letters = read(records(1, "value at 1").into_iter().skip(1));
        assert_eq!((letters.len(), letters[0].complete), (1, false));
    }

    #[test]
    fn what_was_settled_is_gone_unless_it_comes_again() {
        let first = records(1, "value at 1");
        let settled: Vec<TailRecord> =
            first.iter().map(|record| TailRecord { value: None, headers: Vec::new(), ..record.clone() }).collect();
        assert!(read(first.iter().chain(&settled).cloned()).is_empty());
        assert_eq!(read(first.iter().chain(&settled).chain(&first).cloned()).len(), 1);
    }

    #[test]
    fn a_strange_record_is_passed_over() {
        let strange = TailRecord {
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            key: Some(b"{}".to_vec()),
            value: Some(b"x".to_vec()),
            headers: Vec::new(),
        };
        assert_eq!(read([strange.clone(), TailRecord { key: None, ..strange }]).len(), 0);
    }
}
