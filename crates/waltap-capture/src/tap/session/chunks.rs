//! Tables that are read in chunks while the session streams: see `tap::chunks`.

mod answers;
mod records;
mod rows;

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::super::chunks::{Current, Job, KEYS_MAX, Phase, Question, Settling, left};
use super::Session;
use super::delivery::Delivery;
use crate::sink::Sink;
use crate::status::ChunkProgress;

/// How many rows are sent between two batches of the stream: what comes meanwhile waits for less than a millisecond.
pub(super) const SLICE_ROWS: usize = 256;

/// With more than this on its way to Kafka rows of chunks wait, so that what the stream brings has no long queue before it: a few milliseconds of a
/// broker's time.
const CHUNK_IN_FLIGHT_MAX: u64 = 256 << 10;

/// The same where batches wait to be full, exactly once: room for some of several partitions. No more than a quarter of the queue, where that is more than the
/// bound above. What the stream brings is seen with its commit.
const CHUNK_IN_FLIGHT_MAX_BATCHED: u64 = 4 << 20;

fn in_flight_max(sink: &Sink) -> u64 {
    match sink.is_transactional() {
        true => (sink.queue_bytes() / 4).clamp(CHUNK_IN_FLIGHT_MAX, CHUNK_IN_FLIGHT_MAX_BATCHED),
        false => CHUNK_IN_FLIGHT_MAX,
    }
}

/// Waits until the next rows of a chunk may be sent: little is on its way, or `due` has come. Cancel safe.
pub(super) async fn slice_due(sink: &Sink, due: Instant) {
    tokio::select! {
        biased;
        () = sink.at_most(in_flight_max(sink)) => {}
        () = sleep_until(due) => {}
    }
}

impl Session<'_> {
    /// Goes on where an earlier session has stopped.
    pub(super) fn resume_chunks(&mut self) {
        let jobs: Vec<Job> =
            left(&self.progress).filter(|job| self.chunks.jobs.iter().all(|known| known.oid != job.oid)).collect();
        for job in jobs {
            tracing::info!(
                database = self.context.database,
                table = job.name,
                rows = job.record.rows,
                "rows are read in chunks while the stream goes on"
            );
            if !job.record.key.is_empty() {
                // From the first change on, which may come before the table is looked at.
                self.stream.watch.open_table(job.oid, Arc::from(job.record.key.as_slice()), job.record.again.iter().cloned());
            }
            self.chunks.jobs.push_back(job);
        }
        self.move_snapshot_horizon();
        self.show_chunks();
    }

    /// Does what can be done for tables that are read in chunks. Cheap when there are none.
    pub(super) fn drive_chunks(&mut self) {
        if self.chunks.is_idle() {
            self.stream.release_keys();
            return;
        }
        self.end_emptied();
        self.reach_chunk();
        if let Delivery::AtLeastOnce(_) = self.delivery {
            self.settle_chunks();
            if !self.chunks.is_writing() {
                let written = self.chunk_records();
                if !written.is_empty() {
                    self.chunks.write(self.progress.store().clone(), written);
                }
            }
        }
        let watch = &self.stream.watch;
        if !self.chunks.is_writing() && !self.chunks.jobs.iter().any(|job| watch.has_news(job.oid)) {
            self.stream.release_keys();
        }
        self.ask_for_chunk();
    }

    /// Lets the rows that are there be sent once the stream has reached their mark.
    pub(super) fn reach_chunk(&mut self) {
        if let Some(high) = self.chunks.awaits()
            && self.stream.has_passed(high)
            && let Some(rows) = self.chunks.rows()
        {
            let is_news = !std::mem::replace(&mut rows.is_reached, true);
            if is_news {
                self.chunks.pace.reached(Instant::now());
            }
        }
    }

    /// A table that was emptied has nothing more to be read: what it holds since comes by the stream.
    fn end_emptied(&mut self) {
        for oid in self.stream.watch.take_emptied() {
            let key: Arc<[String]> = Arc::from([]);
            if let Some(job) = self.chunks.job(oid) {
                tracing::info!(
                    database = self.context.database,
                    table = job.name,
                    "the table was emptied: nothing is left to be read"
                );
                job.record.is_read = true;
                job.record.again.clear();
                job.confirmed.is_read = true;
                job.is_news = true;
                self.chunks.forget_current(oid);
                // Nothing is to be read again.
                self.stream.watch.open_table(oid, key, []);
                self.stream.note_progress();
            }
        }
    }

    /// Whether rows of a chunk may be sent beside what the stream brings.
    pub(super) fn may_send_slice(&self) -> bool {
        self.chunks.is_sending()
            && (self.stream.sink.in_flight_bytes() <= in_flight_max(&self.stream.sink)
                || self.chunks.slice_due() <= Instant::now())
    }

    /// Asks for the next chunk, in turn.
    fn ask_for_chunk(&mut self) {
        let now = Instant::now();
        let is_due = self.chunks.pace.is_due(now);
        let options = self.context.options().chunks;
        let options = crate::options::ChunkOptions { rows: self.chunks.pace.rows_max(options.rows), ..options };
        let is_unsettled = self.chunks.is_unsettled();
        let (watch, progress) = (&mut self.stream.watch, &self.progress);
        let is_ready = |job: &Job| {
            // What was withheld of a table comes first.
            if !job.is_due(now) || progress.is_behind(job.oid) {
                return false;
            }
            let has_rows = !job.record.is_read && !watch.is_over(job.oid);
            // One of which progress has said that all is read, and not that it is over.
            let is_left = job.table.is_none() && !job.is_news;
            (job.refused.is_none() && (has_rows || is_left)) || (watch.has_again(job.oid) && job.unconfirmed == 0)
        };
        if !is_due {
            return;
        }
        let Some(job) = self.chunks.next_job(is_ready) else { return };
        let oid = job.oid;
        let (phase, question) = match &job.table {
            _ if is_unsettled || job.settling == Settling::Strict(None) => (Phase::Settling, Question::Settle),
            None => (Phase::Looking, Question::Look(oid, job.wants_end())),
            Some(table) => {
                let again = (job.record.is_read || job.refused.is_some()).then(|| watch.begin_again(oid, KEYS_MAX));
                let are_keys = again.is_some();
                let mark = watch.open_window(oid, Arc::clone(&table.columns), job.noted_bytes_max());
                (Phase::Reading(mark, are_keys), job.question(table, &options, again))
            }
        };
        if let Phase::Reading(..) = phase {
            self.chunks.pace.begun(self.stream.events(), Instant::now());
        }
        self.chunks.current = Some(Current { oid, phase });
        self.chunks.reader.ask(self.context, question);
    }

    /// Leaves off reading a table in chunks.
    pub(super) fn drop_chunks(&mut self, oid: u32) {
        self.stream.watch.close_table(oid);
        self.chunks.remove(oid);
        self.show_chunks();
    }

    /// Shows how far tables are that are read in chunks.
    pub(super) fn show_chunks(&mut self) {
        let progress = |job: &Job| ChunkProgress {
            table: job.name.clone(),
            request: job.record.id.clone(),
            rows: job.record.rows,
            rows_expected: job.rows_expected,
            waiting_for: match self.progress.is_behind(job.oid) {
                true => Some("it was paused, and has not caught up".to_owned()),
                false => job.waits.clone(),
            },
        };
        self.context.board.facts().chunks = self.chunks.jobs.iter().map(progress).collect();
    }
}
