//! What a tap shows of itself while it works: written by the tap once a batch, read by the status page and the metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use waltap_error::Error;
use waltap_pgoutput::Lsn;

use crate::clock::since_1970;
use crate::status::{ChunkProgress, PausedTable, TapState, TapStatus};
use crate::tap::Waiting;

/// The board of one tap.
#[derive(Debug)]
pub(crate) struct Board {
    database: String,
    facts: Mutex<Facts>,
}

/// What is written on it.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) state: TapState,
    pub(crate) slot: String,
    pub(crate) received: Lsn,
    pub(crate) confirmed: Lsn,
    pub(crate) server: Lsn,
    /// Commit time of the oldest transaction that is not confirmed, in microseconds since 1970.
    pub(crate) oldest_unconfirmed_micros: Option<i64>,
    pub(crate) retained_wal_bytes: Option<u64>,
    pub(crate) wal_status: Option<String>,
    pub(crate) events: u64,
    pub(crate) in_flight_bytes: u64,
    /// Transactions that wait for their commit.
    pub(crate) waiting: Waiting,
    pub(crate) reconnects: u64,
    pub(crate) errors: [u64; 3],
    pub(crate) tables: usize,
    pub(crate) snapshot_rows: u64,
    pub(crate) snapshot_rows_expected: u64,
    pub(crate) chunks: Vec<ChunkProgress>,
    /// Tables that are paused, or have not caught up.
    pub(crate) paused: Vec<PausedTable>,
    /// The first place of what is withheld of them. The slot does not pass it.
    pub(crate) withheld_from: Option<Lsn>,
    /// Rows that were read in chunks and sent.
    pub(crate) chunk_rows: u64,
    /// What the tap waits for though nothing has failed: Kafka does not answer.
    pub(crate) waiting_for: Option<String>,
    /// Tables that should be captured and cannot be.
    pub(crate) not_captured: Option<String>,
    /// The transactions that the server lets a snapshot wait for.
    pub(crate) waiting_for_transactions: Option<String>,
    /// Events that were written to the topic of dead letters since the start.
    pub(crate) dead_letters: u64,
    /// What is to be said of them.
    pub(crate) dead_letters_text: Option<String>,
    error: Option<(String, Option<String>)>,
    rate: Rate,
}

impl Board {
    pub(crate) fn new(database: &str, slot: &str) -> Self {
        let facts = Facts { slot: slot.to_owned(), ..Facts::default() };
        Board { database: database.to_owned(), facts: Mutex::new(facts) }
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// The facts, to be read or changed. Held for moments only.
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_state(&self, state: TapState) {
        let mut facts = self.facts();
        facts.state = state;
        if matches!(state, TapState::Streaming | TapState::Snapshot | TapState::Standby | TapState::Paused | TapState::Stopped) {
            facts.error = None;
        }
    }

    /// Puts up an error, and the state that follows from it.
    pub(crate) fn fail(&self, error: &Error, state: TapState) {
        let mut facts = self.facts();
        facts.state = state;
        facts.errors[error.kind() as usize] += 1;
        facts.error = Some((error.report(), error.remedy_text().map(str::to_owned)));
    }

    /// Counts an error that changes nothing of the tap's state.
    pub(crate) fn count(&self, error: &Error) {
        self.facts().errors[error.kind() as usize] += 1;
    }

    /// Measures the rate of events. Called about once a second.
    pub(crate) fn tick(&self, now: Instant) {
        let mut facts = self.facts();
        let events = facts.events;
        facts.rate.measure(events, now);
    }

    pub(crate) fn status(&self) -> TapStatus {
        let facts = self.facts();
        TapStatus {
            database: self.database.clone(),
            state: facts.state,
            slot: facts.slot.clone(),
            received_lsn: facts.received.to_string(),
            confirmed_lsn: facts.confirmed.to_string(),
            server_lsn: facts.server.to_string(),
            lag_bytes: facts.server.bytes_since(facts.confirmed),
            lag_seconds: facts.lag_seconds(),
            retained_wal_bytes: facts.retained_wal_bytes,
            wal_status: facts.wal_status.clone(),
            events: facts.events,
            events_per_second: facts.rate.per_second,
            in_flight_bytes: facts.in_flight_bytes,
            open_transactions: facts.waiting.transactions,
            spill_memory_bytes: facts.waiting.memory_bytes,
            spill_disk_bytes: facts.waiting.disk_bytes,
            reconnects: facts.reconnects,
            dead_letters: facts.dead_letters,
            tables: facts.tables,
            snapshot_rows: facts.snapshot_rows,
            snapshot_rows_expected: facts.snapshot_rows_expected,
            chunks: facts.chunks.clone(),
            paused_tables: facts.paused.clone(),
            error: facts
                .error
                .as_ref()
                .map(|(error, _)| error.clone())
                .or_else(|| facts.waits().cloned())
                .or_else(|| facts.not_captured.clone()),
            remedy: facts.error.as_ref().and_then(|(_, remedy)| remedy.clone()),
        }
    }
}

impl Facts {
    /// What the tap waits for, though nothing has failed.
    pub(crate) fn waits(&self) -> Option<&String> {
        self.waiting_for.as_ref().or(self.waiting_for_transactions.as_ref())
    }

    /// The last error, in words.
    pub(crate) fn error_text(&self) -> Option<String> {
        self.error.as_ref().map(|(error, _)| error.clone())
    }

    fn lag_seconds(&self) -> f64 {
        let Some(commit_micros) = self.oldest_unconfirmed_micros else { return 0.0 };
        let now_micros = since_1970().as_micros() as i64;
        // The server's clock may run ahead of ours: a lag is never negative.
        (now_micros - commit_micros).max(0) as f64 / 1e6
    }
}

/// Events a second, smoothed over some seconds so that a person can read it.
#[derive(Debug, Default)]
struct Rate {
    per_second: f64,
    last: Option<(u64, Instant)>,
}

impl Rate {
    const SMOOTHING: Duration = Duration::from_secs(3);

    fn measure(&mut self, events: u64, now: Instant) {
        if let Some((before, then)) = self.last {
            let elapsed = now.duration_since(then).as_secs_f64();
            if elapsed <= 0.0 {
                return;
            }
            let current = events.saturating_sub(before) as f64 / elapsed;
            let weight = 1.0 - (-elapsed / Self::SMOOTHING.as_secs_f64()).exp();
            self.per_second += (current - self.per_second) * weight;
        }
        self.last = Some((events, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_settles_at_what_is_measured() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        for second in 0..60 {
            rate.measure(second * 500, start + Duration::from_secs(second));
        }
        assert!((rate.per_second - 500.0).abs() < 1.0, "{}", rate.per_second);
    }

    #[test]
    fn an_error_leaves_the_board_when_work_goes_on() {
        let board = Board::new("shop", "waltap_shop");
        board.fail(&Error::transient(waltap_error::Code::CONNECT, "connecting").remedy("start it"), TapState::Waiting);
        assert_eq!(board.status().error.as_deref(), Some("WT0001: connecting"));
        assert_eq!(board.status().remedy.as_deref(), Some("start it"));
        board.set_state(TapState::Streaming);
        assert_eq!(board.status().error, None);
    }
}
