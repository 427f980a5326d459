//! What a dead letter says of itself: in the key of each of its pieces where it stands, in their header what it is.

use serde::{Deserialize, Serialize};
use waltap_event::Header;
use waltap_pgoutput::Lsn;

use super::digest::digest;

/// A record that its topic does not take, borrowed from who made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) topic: &'a str,
    /// `None`: the key chooses.
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header<'a>],
    /// Where its event stands.
    pub(crate) commit_lsn: Lsn,
    /// As `commit_lsn`. `None` of a snapshot's row.
    pub(crate) seq: Option<u64>,
    /// Its number among the records of its event.
    pub(crate) record: u64,
    /// How large a record its topic takes.
    pub(crate) bytes_max: usize,
}

/// Which record a letter holds. A repeat of the same event has the same one, so that in a compacted topic it takes the place of the first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) capture: String,
    pub(super) db: String,
    pub(super) topic: String,
    pub(super) partition: Option<i32>,
    #[serde(with = "crate::progress::lsn")]
    pub(super) commit_lsn: Lsn,
    pub(super) seq: Option<u64>,
    pub(super) record: u64,
    /// The SHA-256 of the record's key, or of its value where it has none; of both for rows of a snapshot, which all stand at the same place.
    pub(super) sha256: String,
}

impl Identity {
    /// Of a record that could not be sent.
    pub(super) fn of(capture: &str, database: &str, refused: &Refused<'_>) -> Self {
        Identity {
            capture: capture.to_owned(),
            db: database.to_owned(),
            topic: refused.topic.to_owned(),
            partition: refused.partition,
            commit_lsn: refused.commit_lsn,
            seq: refused.seq,
            record: refused.record,
            sha256: match refused.seq {
                Some(_) => digest(refused.key.or(refused.value)),
                // Several rows of a snapshot may have one key.
                None => digest(refused.key.into_iter().chain(refused.value)),
            },
        }
    }

    /// What people call the letter by.
    pub(super) fn short(&self) -> String {
        let Identity { capture, db, topic, partition, commit_lsn, seq, record, sha256 } = self;
        let text = format!("{capture}/{db}/{topic}/{partition:?}/{commit_lsn}/{seq:?}/{record}/{sha256}");
        digest([text.as_bytes()]).chars().take(SHORT_LENGTH).collect()
    }
}

/// How many digits of a hash name a letter: among a million letters two share one with a chance of one in five hundred.
const SHORT_LENGTH: usize = 12;

/// The key of a piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceKey {
    #[serde(flatten)]
    pub(super) identity: Identity,
    /// From 0.
    pub(super) piece: u32,
    /// How many there are. In the key, since a repeat is cut otherwise when the limits have changed.
    pub(super) pieces: u32,
}

/// What each piece says of the letter in its header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct About {
    /// The code of the error that it would have been.
    pub(super) code: String,
    /// How large a record the topic took then.
    pub(super) bytes_max: u64,
    /// The lengths of the parts of which the content is made, in this order; `None` where the record has no such part.
    pub(super) key_bytes: Option<u64>,
    pub(super) value_bytes: Option<u64>,
    pub(super) header_bytes: u64,
    /// Of the whole content. It tells the attempts apart that were made at the same event: each has another `ts_ms` in it.
    pub(super) sha256: String,
}

impl About {
    /// How long the content is.
    pub(super) fn content_bytes(&self) -> u64 {
        self.key_bytes.unwrap_or(0).saturating_add(self.value_bytes.unwrap_or(0)).saturating_add(self.header_bytes)
    }
}

/// A record that was put together again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}
