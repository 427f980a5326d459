//! Writes a record that its topic does not take as a dead letter.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use waltap_error::{Code, Error, Result};
use waltap_event::Header;

use super::HEADER;
use super::letter::{Identity, PieceKey, Refused};
use super::pieces::{Pieces, header_bytes};
use crate::board::Board;
use crate::human_size::human_size;
use crate::metrics::Metrics;

/// How often it is said at most that there are new ones.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// The least that the topic of dead letters must take: a piece's key and header have a kilobyte at most, and half of the room is for them.
const ROOM_MIN: usize = 4 << 10;

/// The way of one tap's dead letters into their topic.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) topic: String,
    partitions: i32,
    piece_bytes: usize,
    capture: String,
    database: String,
    board: Arc<Board>,
    metrics: Metrics,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    untold: u64,
}

/// A piece as a record.
pub(crate) struct Piece<'a> {
    pub(crate) partition: i32,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) headers: &'a [Header<'a>],
}

impl Writer {
    /// For the topic, of so many partitions, which takes records of `bytes_max`.
    pub(crate) fn new(
        topic: String,
        partitions: i32,
        bytes_max: usize,
        capture: &str,
        board: Arc<Board>,
        metrics: Metrics,
    ) -> Result<Self> {
        if bytes_max < ROOM_MIN {
            let message = format!("the topic of dead letters {topic} takes records of {bytes_max} bytes only");
            return Err(Error::configuration(Code::DEAD_LETTER, message).remedy(format!(
                "give it room for {ROOM_MIN} bytes at least, better for a megabyte: kafka-configs.sh --alter --entity-type topics \
                 --entity-name {topic} --add-config max.message.bytes=1048588; the bound here is --kafka-property message.max.bytes=N"
            )));
        }
        let database = board.database().to_owned();
        let capture = capture.to_owned();
        Ok(Writer { topic, partitions, piece_bytes: bytes_max / 2, capture, database, board, metrics, told: Mutex::default() })
    }

    /// Gives the pieces of a letter to `send`, in their order; how many they are.
    pub(crate) fn write(&self, refused: &Refused<'_>, mut send: impl FnMut(Piece<'_>) -> Result<()>) -> Result<u64> {
        let headers = header_bytes(refused.headers);
        let pieces = Pieces::new(refused, &headers, self.piece_bytes);
        let about = json(&pieces.about(refused, Code::RECORD_TOO_LARGE.to_string()))?;
        let identity = Identity::of(&self.capture, &self.database, refused);
        // All of a letter, and every repeat of it, in one partition.
        let partition = waltap_kafka::key_partition(&json(&identity)?, self.partitions);
        let count = pieces.number();
        let mut key = PieceKey { identity, piece: 0, pieces: count };
        let headers = [Header { name: HEADER, value: &about, is_json: true }];
        for value in pieces {
            send(Piece { partition, key: &json(&key)?, value: &value, headers: &headers })?;
            key.piece += 1;
        }
        self.tell(refused, &key.identity);
        Ok(u64::from(count))
    }

    fn tell(&self, refused: &Refused<'_>, identity: &Identity) {
        self.metrics.count_dead_letter(&self.database, refused.topic);
        let size = refused.key.map_or(0, <[u8]>::len) + refused.value.map_or(0, <[u8]>::len);
        {
            let mut facts = self.board.facts();
            facts.dead_letters += 1;
            let count = facts.dead_letters;
            let are = if count == 1 { "event is" } else { "events are" };
            facts.dead_letters_text = Some(format!(
                "{count} {are} in the topic {} and not where they belong, the last one of {} at {}: waltap dead-letters list",
                self.topic, refused.topic, refused.commit_lsn
            ));
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.untold += 1;
        if told.last.is_some_and(|last| last.elapsed() < TELL_INTERVAL) {
            return;
        }
        tracing::error!(
            database = self.database,
            code = %Code::RECORD_TOO_LARGE,
            topic = refused.topic,
            commit_lsn = %refused.commit_lsn,
            seq = refused.seq,
            size = human_size(size as u64),
            limit = human_size(refused.bytes_max as u64),
            letter = identity.short(),
            events = told.untold,
            remedy = "waltap dead-letters list; raise max.message.bytes of the topic and message.max.bytes here, then waltap dead-letters replay",
            "a record is too large for its topic: it was written to the topic of dead letters, and later events of its key pass it"
        );
        *told = Told { last: Some(Instant::now()), untold: 0 };
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::configuration(Code::INTERNAL, "writing the key of a dead letter as JSON").source(error))
}
