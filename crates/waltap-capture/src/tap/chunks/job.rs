//! A table that is being read in chunks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use waltap_postgres::copy::{KeyPart, KeyRange};

use super::reader::Question;
use super::table::ChunkTable;
use super::watch::Key;
use crate::clock::unix_millis;
use crate::options::ChunkOptions;
use crate::progress::{ChunkAnswer, ChunkRecord, TableRecord, TableState};

/// How many bytes of rows a chunk has about at most: they are held in memory until the stream has caught up.
const CHUNK_BYTES_MAX: u64 = 4 << 20;

/// How much may be noted of what the stream tells before the rows of a chunk are there, and then of values to be put in their place.
const NOTED_BYTES_MAX: usize = 1 << 20;

/// How often that is doubled for a chunk that it is too little for. Its rows are halved each time, so that reading it takes less time, in which
/// less is told.
const NOTED_DOUBLINGS_MAX: u32 = 4;

/// How often the rows of a chunk are halved: to one, of however many are asked for. More would have to be doubled back, a chunk each.
const HALVINGS_MAX: u32 = 20;

/// How many keys are read again at once.
pub(crate) const KEYS_MAX: usize = 256;

/// How long a chunk that has to be read anew waits first, and at most after many times.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The shortest and the longest pause after an error.
const ERROR_PAUSE_MIN: Duration = Duration::from_millis(80);
const ERROR_PAUSE_MAX: Duration = Duration::from_secs(15);

/// The same where the table is locked. Each attempt waits for the lock for a second, in which no other table is read.
const LOCK_PAUSE_MIN: Duration = Duration::from_millis(250);
const LOCK_PAUSE_MAX: Duration = Duration::from_secs(8);

/// How often it is said in the log that a table is locked.
const LOCK_NOTICE: Duration = Duration::from_secs(60);

/// What a session waits for before the rows of a table: a transaction may be in the log and not be visible yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settling {
    /// Every transaction that was open when the table was published, below this id once it is known.
    Strict(Option<u64>),
    Over,
}

/// A table on its way.
pub(crate) struct Job {
    pub(crate) oid: u32,
    /// `schema.table`.
    pub(crate) name: String,
    /// How far its rows are sent.
    pub(crate) record: ChunkRecord,
    /// How far they are confirmed; that is what progress is told. With Kafka transactions the same as `record`.
    pub(crate) confirmed: ChunkRecord,
    /// As the rows are read; `None`: to be looked at.
    pub(crate) table: Option<Arc<ChunkTable>>,
    /// Whether the table's version was told in this session.
    pub(crate) is_told: bool,
    /// Whether progress is behind `confirmed`.
    pub(crate) is_news: bool,
    /// Chunks that are sent and not confirmed.
    pub(crate) unconfirmed: usize,
    /// Which transactions must be over before its rows are read.
    pub(crate) settling: Settling,
    /// Why it cannot be read.
    pub(crate) refused: Option<String>,
    /// Whether it is read under an exported snapshot then.
    pub(crate) is_for_snapshot: bool,
    /// What it waits for, in words.
    pub(crate) waits: Option<String>,
    pub(crate) rows_expected: Option<u64>,
    /// How often the next chunk was read in vain, and since when.
    attempts: u32,
    pub(crate) since: Option<Instant>,
    /// Rows of the next chunk are fewer, since the last one was too many.
    halvings: u32,
    /// Before then nothing is asked about it.
    due: Option<Instant>,
    /// When it was said last that it is locked.
    noticed: Option<Instant>,
}

impl Job {
    /// As progress has it.
    pub(crate) fn new(oid: u32, record: &TableRecord) -> Option<Self> {
        let chunks = record.chunks.clone()?;
        Some(Job {
            oid,
            name: record.display_name(),
            confirmed: chunks.clone(),
            record: chunks,
            table: None,
            is_told: false,
            is_news: false,
            unconfirmed: 0,
            settling: match record.state {
                // What was written before it was published does not come by the stream: nothing of it may be open any more.
                TableState::Chunks => Settling::Strict(None),
                _ => Settling::Over,
            },
            refused: None,
            is_for_snapshot: false,
            waits: None,
            rows_expected: None,
            attempts: 0,
            since: None,
            halvings: 0,
            due: None,
            noticed: None,
        })
    }

    /// Takes what a look has found. Another key, or another order, means that it is read from its beginning, which this says.
    pub(crate) fn looked(&mut self, table: Arc<ChunkTable>, end: Option<Key>) -> bool {
        let collations = table.collations();
        let (is_begun, wanted_end) = (!self.record.key.is_empty(), self.wants_end());
        // Nothing may be left to be read of it.
        self.is_news |= self.record.is_read;
        let is_other = !is_begun || *self.record.key != *table.key_columns || self.record.collations != collations;
        if is_other {
            if is_begun {
                tracing::warn!(table = self.name, "the key of the table has changed: its rows are read from the beginning");
            }
            let again = if is_begun { Vec::new() } else { std::mem::take(&mut self.record.again) };
            self.begin_anew();
            self.record.again = again;
            (self.record.key, self.record.collations) = (table.key_columns.to_vec(), collations);
            // An empty table has no last key. Of one whose key has changed the last key was not asked for.
            (self.record.is_read, self.record.end) = (wanted_end && end.is_none(), end);
            self.confirmed = self.record.clone();
            self.is_news = true;
        }
        self.rows_expected = table.table.rows_estimated;
        self.table = Some(table);
        is_other
    }

    /// Begins anew with the table.
    pub(crate) fn begin_anew(&mut self) {
        let ChunkRecord { id, condition, begun_at, .. } = std::mem::take(&mut self.record);
        self.record = ChunkRecord { id, condition, begun_at, ..ChunkRecord::default() };
        self.confirmed = self.record.clone();
        self.unconfirmed = 0;
        self.table = None;
    }

    /// Whether the last key has still to be found. Not of a table that is read for the first time: it may have a row to come behind that key, which
    /// was written before the table was published.
    pub(crate) fn wants_end(&self) -> bool {
        self.record.key.is_empty() && self.settling == Settling::Over
    }

    /// What is asked for the next rows: of the range, or `again` of named keys.
    pub(crate) fn question(&self, table: &Arc<ChunkTable>, options: &ChunkOptions, again: Option<Vec<Key>>) -> Question {
        let rows = self.rows_max(options);
        let (part, condition) = match again {
            // They are to be read whatever rows are meant.
            Some(keys) => (KeyPart::Keys(keys), None),
            None => {
                (KeyPart::Range { after: self.record.after.clone(), end: self.record.end.clone() }, self.record.condition.clone())
            }
        };
        let range = KeyRange { key: Arc::clone(&table.key), part, condition, rows, bytes: CHUNK_BYTES_MAX };
        Question::Read(Arc::clone(table), range)
    }

    fn rows_max(&self, options: &ChunkOptions) -> u64 {
        (options.rows.get() >> self.halvings).max(1)
    }

    /// A chunk could not be used: it is read again after a pause. Says for how long that has gone on.
    pub(crate) fn in_vain(&mut self, is_too_large: bool) -> Duration {
        self.halvings = (self.halvings + u32::from(is_too_large)).min(HALVINGS_MAX);
        self.pause(PAUSE_MIN, PAUSE_MAX);
        self.since.get_or_insert_with(Instant::now).elapsed()
    }

    /// Reading failed: it is tried again.
    pub(crate) fn failed(&mut self, what: String) {
        self.pause(ERROR_PAUSE_MIN, ERROR_PAUSE_MAX);
        self.waits = Some(what);
    }

    /// The table is locked against reading: it is tried again. Says whether the log is to say so.
    pub(crate) fn locked(&mut self, what: String) -> bool {
        self.pause(LOCK_PAUSE_MIN, LOCK_PAUSE_MAX);
        self.waits = Some(what);
        let is_due = self.noticed.is_none_or(|noticed| noticed.elapsed() >= LOCK_NOTICE);
        if is_due {
            self.noticed = Some(Instant::now());
        }
        is_due
    }

    /// Nothing is asked about it for a while, that grows. Other tables are read meanwhile.
    fn pause(&mut self, min: Duration, max: Duration) {
        self.due = Some(Instant::now() + (min * 2u32.saturating_pow(self.attempts)).min(max));
        self.attempts = (self.attempts + 1).min(16);
    }

    /// A chunk is of use. It may still be given up, if the stream tells too much before it has reached it.
    pub(crate) fn succeeded(&mut self) {
        (self.attempts, self.since, self.waits, self.due, self.noticed) = (0, None, None, None, None);
    }

    /// The rows of a chunk are sent.
    pub(crate) fn sent(&mut self) {
        self.halvings = self.halvings.saturating_sub(1);
    }

    /// How much may be noted of what the stream tells while the next chunk is under way.
    pub(crate) fn noted_bytes_max(&self) -> usize {
        NOTED_BYTES_MAX << self.halvings.min(NOTED_DOUBLINGS_MAX)
    }

    /// When something may be asked about it, if not now.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether something may be asked about it now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// What progress is to say, with the keys that are to be read again; `ended`: that all is done.
    pub(crate) fn next_record(&self, before: &TableRecord, again: Vec<Key>, ended: bool) -> TableRecord {
        if !ended {
            return TableRecord { chunks: Some(ChunkRecord { again, ..self.confirmed.clone() }), ..before.clone() };
        }
        let answer = ChunkAnswer {
            id: self.record.id.clone(),
            rows: self.confirmed.rows,
            answered_at: unix_millis(),
            refused: self.refused.clone(),
        };
        // Behind its changes of until then.
        let state = match self.refused.is_some() && self.is_for_snapshot {
            true => TableState::Reading,
            false => TableState::Done,
        };
        TableRecord { state, chunks: None, answer: Some(answer), ..before.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::options::NewTables;
    use crate::tap::chunks::begun;

    fn job() -> Job {
        let record: TableRecord = serde_json::from_value(serde_json::json!({
            "schema": "public", "table": "t", "state": "done", "since": "0/1", "chunks": begun("id", None),
        }))
        .unwrap();
        Job::new(1, &record).unwrap()
    }

    /// Its rows were there and waited for a stream that told too much of them. Otherwise it would be read in the same size for ever.
    #[test]
    fn chunks_that_are_given_up_get_smaller_until_one_is_sent() {
        let options = ChunkOptions { rows: NonZeroU64::new(2_048).unwrap(), rate: None, new_tables: NewTables::default() };
        let mut job = job();
        let mut noted = Vec::new();
        for _ in 0..11 {
            job.succeeded();
            job.in_vain(true);
            noted.push(job.noted_bytes_max() >> 20);
        }
        assert_eq!(job.rows_max(&options), 1);
        assert_eq!(noted, [2, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16], "and more may be noted, up to a bound");
        job.succeeded();
        job.sent();
        assert_eq!(job.rows_max(&options), 2);
    }

    #[test]
    fn a_chunk_of_one_row_that_is_given_up_for_long_grows_again_soon() {
        let options =
            ChunkOptions { rows: NonZeroU64::new(1 << HALVINGS_MAX).unwrap(), rate: None, new_tables: NewTables::default() };
        let mut job = job();
        for _ in 0..1_000 {
            job.in_vain(true);
        }
        assert_eq!(job.rows_max(&options), 1);
        job.sent();
        assert_eq!(job.rows_max(&options), 2);
    }
}
