//! Exactly-once delivery: what goes into one Kafka transaction, and what progress says of it.
//!
//! Events, and the slot record with the place behind the last of them, are committed as one. So what a crash leaves is one of two: both are in
//! Kafka, or neither. PostgreSQL is told after the commit what the record has said in it, so the slot is never further than the record.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use waltap_error::{Code, Error, Result};
use waltap_ledger::Durable;
use waltap_pgoutput::Lsn;

use super::pace::Pace;
use super::standing::Standing;
use crate::options::TransactionBounds;
use crate::position::Position;
use crate::progress::SlotRecord;
use crate::source::Status;

/// How long a Kafka transaction may wait for the end of a PostgreSQL transaction before it is committed in its middle: well under the time
/// after which Kafka would roll it back.
const SPLIT_AGE: Duration = Duration::from_secs(30);

/// How old a Kafka transaction becomes at most by gathering PostgreSQL transactions, so that time is left for the end of the last one. What an error
/// or a stop rolls back comes again.
const GATHER_AGE: Duration = Duration::from_secs(10);

/// How often the slot advances at most while there is nothing to commit: PostgreSQL frees log in segments of megabytes.
const ADVANCE_INTERVAL: Duration = Duration::from_secs(1);

/// What is not done in one go, and may be cut off in its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Commit,
    /// Rows of tables are read: they are committed with the word that they are done.
    Rows,
}

/// The Kafka transactions of a streaming session.
pub(crate) struct Transactions {
    bounds: TransactionBounds,
    pace: Pace,
    /// What progress holds.
    record: SlotRecord,
    /// Bytes of events in the open transaction.
    bytes: u64,
    /// How long the rest of a PostgreSQL transaction is waited for.
    split_age: Duration,
    standing: Standing,
    committed_at: Instant,
    /// What is under way, or was when it was cut off.
    step: Option<Step>,
    status: Status,
}

impl Transactions {
    /// `record` is what progress holds now; `budget` is how long a Kafka transaction may last.
    pub(crate) fn new(
        bounds: TransactionBounds,
        budget: Option<Duration>,
        record: SlotRecord,
        standing: Standing,
        status: Status,
    ) -> Self {
        let now = Instant::now();
        let split_age = budget.map_or(SPLIT_AGE, |budget| budget.min(SPLIT_AGE));
        // What is committed between transactions is committed before any must be split.
        let latency_max = bounds.latency_max.min(split_age / 2);
        Transactions {
            bounds,
            pace: Pace::new(latency_max, GATHER_AGE.min(split_age / 2), now),
            record,
            bytes: 0,
            standing,
            committed_at: now,
            step: None,
            split_age,
            status,
        }
    }

    /// Notes events that were sent. Does nothing when there were none.
    pub(crate) fn note_events(&mut self, bytes: u64, now: Instant) {
        if bytes > 0 {
            self.bytes += bytes;
            self.pace.note_events(now);
        }
    }

    /// Begins what must be seen through before anything may be committed.
    pub(crate) fn begin_step(&mut self, step: Step) {
        self.step = Some(step);
    }

    /// It was seen through.
    pub(crate) fn end_step(&mut self) {
        self.step = None;
    }

    /// What was cut off, if anything: nobody knows then what is committed, or what would be.
    pub(crate) fn step(&self) -> Option<Step> {
        self.step
    }

    /// Whether a part of the transaction at this place is committed already.
    pub(crate) fn has_part_of(&self, position: Option<Position>) -> bool {
        let commit = |position: Option<Position>| {
            position.filter(|position| position.ordinal.is_some()).map(|position| position.commit_lsn)
        };
        position.is_some() && commit(position) == commit(self.record.position)
    }

    /// Whether to commit now, between two changes, although more are there. `amid`: the bytes so far of a PostgreSQL transaction that is split then,
    /// for which those before it do not count. `late`: how far behind the stream is.
    pub(crate) fn is_due(&self, amid: Option<u64>, late: Duration, now: Instant) -> bool {
        let is_old = match amid {
            None => self.pace.is_overdue(late, now),
            Some(_) => self.pace.age(now) >= self.split_age,
        };
        is_old || is_large(self.bytes, amid, self.bounds.bytes_max)
    }

    /// When to commit amid a PostgreSQL transaction if nothing more comes.
    pub(crate) fn when_split(&self) -> Option<Instant> {
        self.pace.began().map(|began| began + self.split_age)
    }

    /// When to commit if nothing more comes: the events that were sent, or the place alone when the slot may go on to `prospect`. `late`: as above.
    pub(crate) fn when_idle(&self, prospect: Lsn, late: Duration) -> Option<Instant> {
        let advances = self.record.acknowledged.is_none_or(|acknowledged| prospect > acknowledged);
        self.pace.when_idle(late).or_else(|| advances.then(|| self.committed_at + ADVANCE_INTERVAL))
    }

    /// What progress is to say once everything that was sent is committed, with how far tables are that are behind.
    pub(crate) fn next_record(&self, prospect: Lsn, position: Option<Position>, behind: BTreeMap<u32, Position>) -> SlotRecord {
        let acknowledged = self.record.acknowledged.max(Some(prospect));
        let mut record = SlotRecord { acknowledged, position: position.or(self.record.position), ..self.record.clone() };
        record.note_behind(behind, None);
        record.streams_since(self.standing.since());
        record
    }

    /// Notes the commit of `record`, and tells PostgreSQL.
    pub(crate) fn committed(&mut self, record: SlotRecord, durable: Durable, started: Instant) -> Result<()> {
        if record.acknowledged.is_none_or(|acknowledged| durable.lsn() > acknowledged) {
            return Err(Error::configuration(
                Code::INTERNAL,
                format!("the slot would advance to {} and progress says {:?}", durable.lsn(), record.acknowledged),
            ));
        }
        self.status.confirm(durable);
        let now = Instant::now();
        self.pace.committed(started, now);
        self.bytes = 0;
        self.committed_at = now;
        self.record = record;
        self.step = None;
        Ok(())
    }
}

/// Whether a Kafka transaction of so many bytes is to be committed, between two PostgreSQL transactions or amid one of so many bytes. Those of one
/// that were committed already are not split again.
fn is_large(bytes: u64, amid: Option<u64>, bytes_max: u64) -> bool {
    amid.map_or(bytes, |amid| amid.min(bytes)) >= bytes_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_large_itself_is_split() {
        assert!(!is_large(99, None, 100) && is_large(100, None, 100));
        assert!(!is_large(1_000, Some(99), 100), "those before it do not count");
        assert!(is_large(1_000, Some(100), 100));
        assert!(!is_large(99, Some(1_000), 100), "nor what is committed of it");
    }
}
