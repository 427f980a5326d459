//! Rows of tables that are read in chunks, by their key, while the stream goes on: in the way of DBLog.
//!
//! A chunk is read between two marks that are written into the log. What the stream tells of its rows, from before the first mark on, is newer than
//! they may be, so they give way to it; once the stream has passed the second mark, the rest of them is sent. [`window`] does that; [`ring`] says
//! which chunks cannot be used, since they do not show what the stream had told before; [`watch`] is what the stream sees of both.
//!
//! One chunk is under way at a time, and tables take turns. Progress says behind which key of each the rows are sent and confirmed, so that a crash
//! has no more than a chunk read again.

mod counted;
mod job;
mod joining;
mod key_text;
mod pace;
mod reader;
mod ring;
mod table;
mod watch;
mod window;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use waltap_error::{Code, Error, Kind, Result};
use waltap_event::Encoder;
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::VisibleTransactions;
use waltap_postgres::copy::RowParser;

pub(crate) use counted::Counted;
pub(crate) use job::{Job, KEYS_MAX, Settling};
pub(crate) use joining::{begin_joined, joined_in_chunks};
pub(crate) use key_text::KeyText;
pub(crate) use pace::Pace;
pub(crate) use reader::{Answer, Question, Reader, is_lock_timeout};
pub(crate) use ring::Mark;
pub(crate) use table::{ChunkTable, Looked, fitting_key};
pub(crate) use watch::{Touch, Watch};
pub(crate) use window::Row;

use super::{Context, encoder};
use crate::clock::unix_millis;
use crate::progress::{ChunkRecord, Progress, Store, TableRecord};

/// How long transactions of before the session are waited for, where a commit is visible right after it is logged.
const SETTLING_MAX: Duration = Duration::from_secs(10);

/// How long to wait before a record that Kafka did not take is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The longest time between two slices of a chunk that could be sent.
const SLICE_INTERVAL_MAX: Duration = Duration::from_millis(100);

/// How many chunks may be sent and not be confirmed.
const UNCONFIRMED_MAX: usize = 4;

/// Under these numbers rows of chunks are accounted, beside those of snapshots, which begin with zero.
const FIRST_NUMBER: u32 = 1 << 31;

/// The chunks of a session.
pub(crate) struct Chunks {
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) reader: Reader,
    pub(crate) current: Option<Current>,
    /// At least once: what is sent and not confirmed, in its order.
    pub(crate) sent: VecDeque<Sent>,
    pub(crate) pace: Pace,
    pub(crate) encoder: Encoder,
    writing: Option<JoinHandle<(Vec<Written>, Result<()>)>>,
    settled: Settled,
    number: u32,
    /// When rows were last sent.
    sliced: Instant,
}

/// The chunk that is under way.
pub(crate) struct Current {
    pub(crate) oid: u32,
    pub(crate) phase: Phase,
}

pub(crate) enum Phase {
    Settling,
    Looking,
    /// From there on the stream notes what it tells of the table. Whether it is named keys that are read.
    Reading(Mark, bool),
    /// The rows are there: they are sent once the stream is at their mark, and go on being sent then.
    Read(Box<Rows>),
}

/// The rows of a chunk on their way.
pub(crate) struct Rows {
    pub(crate) table: Arc<ChunkTable>,
    pub(crate) high: Lsn,
    /// Behind the chunk; `None` where nothing was left, and for keys.
    pub(crate) last_key: Option<Vec<String>>,
    pub(crate) at_end: bool,
    pub(crate) are_keys: bool,
    /// Whether the stream has reached the mark.
    pub(crate) is_reached: bool,
    pub(crate) parser: RowParser,
    pub(crate) counted: Counted,
    pub(crate) rows: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// A chunk that is sent.
pub(crate) struct Sent {
    pub(crate) oid: u32,
    pub(crate) counted: Counted,
    /// How far the table is with it.
    pub(crate) record: ChunkRecord,
    pub(crate) are_keys: bool,
}

/// A record of a table, and whether it is its last of these chunks.
pub(crate) struct Written {
    pub(crate) oid: u32,
    pub(crate) record: TableRecord,
    pub(crate) ended: bool,
}

/// What a session knows of transactions that were logged before it began.
#[derive(Clone, Copy)]
enum Settled {
    Unknown,
    /// They have ids below this one. Since when they are waited for, and whether they may wait for a standby.
    Waiting(u64, Instant, bool),
    Yes,
}

/// What is due.
pub(crate) enum Due {
    Answer(Result<Answer>),
    Written(Vec<Written>, Result<()>),
    /// Time for the next chunk.
    Time,
}

impl Chunks {
    pub(crate) fn new(context: &Context) -> Self {
        Chunks {
            jobs: VecDeque::new(),
            reader: Reader::default(),
            current: None,
            sent: VecDeque::new(),
            pace: Pace::new(context.options().chunks.rate),
            encoder: encoder(context).of_chunks(),
            writing: None,
            settled: Settled::Unknown,
            number: FIRST_NUMBER,
            sliced: Instant::now(),
        }
    }

    /// Waits until something is due; for ever when no table is read in chunks. Cancel safe.
    pub(crate) async fn next(&mut self) -> Due {
        let (is_waiting, now) = (self.current.is_none() && !self.jobs.is_empty(), Instant::now());
        let times = self.jobs.iter().filter_map(Job::due).chain(self.pace.due());
        let time = times.filter(|due| is_waiting && *due > now).min();
        tokio::select! {
            biased;
            answer = self.reader.answer() => Due::Answer(answer),
            (written, result) = written(&mut self.writing) => Due::Written(written, result),
            () = reached(time) => Due::Time,
        }
    }

    /// Whether there is nothing to be done.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(crate) fn job(&mut self, oid: u32) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.oid == oid)
    }

    /// The rows that are there and not all sent.
    pub(crate) fn rows(&mut self) -> Option<&mut Rows> {
        match &mut self.current {
            Some(Current { phase: Phase::Read(rows), .. }) => Some(rows),
            _ => None,
        }
    }

    /// Whether rows may be sent now.
    #[inline]
    pub(crate) fn is_sending(&self) -> bool {
        matches!(&self.current, Some(Current { phase: Phase::Read(rows), .. }) if rows.is_reached)
    }

    /// When the next rows are sent, however much is on its way: a stream that is never at rest would hold them up for ever.
    pub(crate) fn slice_due(&self) -> Instant {
        self.sliced + SLICE_INTERVAL_MAX
    }

    /// Notes that rows are sent.
    pub(crate) fn sends_slice(&mut self, now: Instant) {
        self.sliced = now;
    }

    /// Where the stream is waited for, with rows that are there.
    #[inline]
    pub(crate) fn awaits(&self) -> Option<Lsn> {
        match &self.current {
            Some(Current { phase: Phase::Read(rows), .. }) if !rows.is_reached => Some(rows.high),
            _ => None,
        }
    }

    /// The next number for the account of a chunk.
    pub(crate) fn next_number(&mut self) -> u32 {
        // After a few thousand million of them the first are long confirmed; the last one is that of nobody.
        self.number = if self.number >= u32::MAX - 1 { FIRST_NUMBER } else { self.number + 1 };
        self.number
    }

    /// Whether it is still to be asked which transactions were logged before the session.
    pub(crate) fn is_unsettled(&self) -> bool {
        matches!(self.settled, Settled::Unknown)
    }

    pub(crate) fn set_settling(&mut self, oid: u32, before: u64, waits_for_standbys: bool) {
        if self.is_unsettled() {
            self.settled = Settled::Waiting(before, Instant::now(), waits_for_standbys);
        }
        if let Some(job) = self.job(oid)
            && job.settling == Settling::Strict(None)
        {
            job.settling = Settling::Strict(Some(before));
        }
    }

    /// Whether a chunk of a table shows what was logged before the session; else the transactions that are waited for.
    pub(crate) fn shows_earlier(&mut self, oid: u32, visible: &VisibleTransactions) -> Result<(), Vec<u64>> {
        if let Some(job) = self.job(oid)
            && let Settling::Strict(Some(before)) = job.settling
        {
            if visible.xmin <= before {
                return Err(visible.in_progress.clone());
            }
            job.settling = Settling::Over;
        }
        if let Settled::Waiting(before, since, waits_for_standbys) = self.settled {
            if visible.xmin <= before && (waits_for_standbys || since.elapsed() < SETTLING_MAX) {
                return Err(visible.in_progress.clone());
            }
            self.settled = Settled::Yes;
        }
        Ok(())
    }

    /// Whether a record is being written.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Writes records, in a task of its own: an outage of Kafka is waited for.
    pub(crate) fn write(&mut self, store: Store, written: Vec<Written>) {
        self.writing = Some(tokio::spawn(async move {
            let records: Vec<(u32, TableRecord)> = written.iter().map(|written| (written.oid, written.record.clone())).collect();
            loop {
                match store.write_tables(&records).await {
                    Err(error) if error.kind() == Kind::Transient => {
                        tracing::warn!(error = error.report(), "the record of a chunk waits for Kafka");
                        tokio::time::sleep(RETRY_DELAY).await;
                    }
                    result => return (written, result),
                }
            }
        }));
    }

    /// Waits until no record is being written.
    pub(crate) async fn written(&mut self) -> Option<(Vec<Written>, Result<()>)> {
        match self.writing {
            Some(_) => Some(written(&mut self.writing).await),
            None => None,
        }
    }

    /// Ends the work on a table.
    pub(crate) fn remove(&mut self, oid: u32) {
        self.jobs.retain(|job| job.oid != oid);
        self.forget_current(oid);
        self.sent.retain(|sent| sent.oid != oid);
        if self.jobs.is_empty() {
            self.reader.close();
        }
    }

    /// Leaves off the chunk that is under way of a table.
    pub(crate) fn forget_current(&mut self, oid: u32) {
        if self.current.as_ref().is_some_and(|current| current.oid == oid) {
            self.current = None;
            self.reader.close();
        }
    }

    /// Forgets chunks that are not confirmed: the table is read from its beginning.
    pub(crate) fn forget_sent(&mut self, oid: u32) {
        self.sent.retain(|sent| sent.oid != oid);
    }

    /// The next table in turn that can be asked about. With too much unconfirmed there is none.
    pub(crate) fn next_job(&mut self, is_ready: impl Fn(&Job) -> bool) -> Option<&mut Job> {
        if self.current.is_some() || self.reader.is_busy() || self.sent.len() >= UNCONFIRMED_MAX {
            return None;
        }
        for _ in 0..self.jobs.len() {
            self.jobs.rotate_left(1);
            if self.jobs.back().is_some_and(&is_ready) {
                return self.jobs.back_mut();
            }
        }
        None
    }
}

async fn written(writing: &mut Option<JoinHandle<(Vec<Written>, Result<()>)>>) -> (Vec<Written>, Result<()>) {
    let Some(task) = writing else { return std::future::pending().await };
    let joined = task.await;
    *writing = None;
    match joined {
        Ok(written) => written,
        Err(error) => {
            (Vec::new(), Err(Error::configuration(Code::INTERNAL, "the writing of a chunk's record broke").source(error)))
        }
    }
}

async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        if let Some(writing) = &self.writing {
            writing.abort();
        }
    }
}

/// Records of tables that are to be read in chunks from now on.
pub(crate) fn begun(id: &str, condition: Option<&str>) -> ChunkRecord {
    ChunkRecord { id: id.to_owned(), condition: condition.map(str::to_owned), begun_at: unix_millis(), ..ChunkRecord::default() }
}

/// The jobs that progress has left.
pub(crate) fn left(progress: &Progress) -> impl Iterator<Item = Job> + '_ {
    progress.in_chunks().filter_map(|(oid, record)| Job::new(oid, record))
}
