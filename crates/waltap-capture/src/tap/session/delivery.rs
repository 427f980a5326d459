//! How what was sent becomes what PostgreSQL may forget: by delivery reports, or by Kafka transactions.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, interval, timeout};
use waltap_error::{Error, Result};

use super::super::Context;
use super::super::acknowledger::Acknowledger;
use super::super::transactions::{Step, Transactions};
use super::Session;
use super::board::BOARD_INTERVAL;
use crate::progress::TableRecord;
use crate::sabotage::{Sabotage, is_on};
use crate::sink::Sink;

/// How long Kafka may take to roll a transaction back before that is left to the next session.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);

/// The two kinds of delivery.
pub(super) enum Delivery {
    /// An event counts when it is reported. Progress and PostgreSQL are told by a task of their own.
    AtLeastOnce(Acknowledger),
    /// An event counts when its Kafka transaction is committed.
    ExactlyOnce(Box<Transactions>),
}

impl Delivery {
    /// The error that ended the task, if there is one and it has ended. Cancel safe.
    pub(super) async fn failed(&mut self) -> Error {
        match self {
            Delivery::AtLeastOnce(acknowledger) => acknowledger.failed().await,
            Delivery::ExactlyOnce(_) => std::future::pending().await,
        }
    }

    /// Sees the last place through.
    pub(super) async fn finish(self) -> Result<()> {
        match self {
            Delivery::AtLeastOnce(acknowledger) => acknowledger.finish().await,
            Delivery::ExactlyOnce(_) => Ok(()),
        }
    }
}

impl Session<'_> {
    /// Looks what was reported: enters it, and passes on how far the slot may go. With Kafka transactions that waits for their commit.
    pub(super) fn settle(&mut self) -> Result<()> {
        if let Delivery::ExactlyOnce(_) = self.delivery {
            return self.reports.check();
        }
        self.reports.take(&mut self.confirmations)?;
        let durable = self.stream.settle(&mut self.confirmations)?;
        if let Delivery::AtLeastOnce(acknowledger) = &self.delivery {
            acknowledger.advance(durable, self.stream.reached(self.stream.confirmed()));
        }
        self.context.board.facts().confirmed = durable.lsn();
        Ok(())
    }

    /// When a commit is due although nothing happens; `None`: not before something does.
    pub(super) fn commit_time(&self) -> Option<Instant> {
        let Delivery::ExactlyOnce(transactions) = &self.delivery else { return None };
        match (self.stream.may_split(), self.stream.is_amid_transaction()) {
            (false, _) => None,
            // The rest of it is waited for, but not for ever.
            (true, true) => transactions.when_split(),
            (true, false) => transactions.when_idle(self.stream.prospect(), self.stream.lateness.in_lull()),
        }
    }

    /// Notes what was sent since this was done last.
    pub(super) fn note_events(&mut self, now: Instant) {
        if let Delivery::ExactlyOnce(transactions) = &mut self.delivery {
            transactions.note_events(self.stream.take_bytes(), now);
        }
    }

    /// Commits if the Kafka transaction has become too old or too large. Between two changes, with nothing staged.
    pub(super) async fn commit_if_due(&mut self) -> Result<()> {
        self.note_events(self.batch_began);
        let Delivery::ExactlyOnce(transactions) = &self.delivery else { return Ok(()) };
        let (amid, late) = (self.stream.amid_transaction(), self.stream.lateness.busy());
        match self.stream.may_split() && transactions.is_due(amid, late, self.batch_began) {
            true => self.commit().await,
            false => Ok(()),
        }
    }

    /// Commits what was sent, and the place behind it, as one; then tells PostgreSQL. Does nothing without Kafka transactions.
    pub(super) async fn commit(&mut self) -> Result<()> {
        self.commit_with(Vec::new()).await
    }

    /// As [`Session::commit`], with records of tables beside those that are due anyway.
    pub(super) async fn commit_with(&mut self, more: Vec<(u32, TableRecord)>) -> Result<()> {
        if matches!(self.delivery, Delivery::AtLeastOnce(_)) {
            return Ok(());
        }
        // A chunk goes in whole, with the word of it.
        self.finish_chunk().await?;
        let chunks = self.chunk_records();
        self.note_events(self.batch_began);
        let passed = self.stream.passed();
        let mut behind = self.stream.reached(passed).map(|reached| reached.behind).unwrap_or_default();
        behind.retain(|oid, _| more.iter().all(|(of, record)| of != oid || record.paused.is_some()));
        let Delivery::ExactlyOnce(transactions) = &mut self.delivery else { return Ok(()) };
        transactions.begin_step(Step::Commit);
        let record = transactions.next_record(self.stream.prospect(), self.stream.position(), behind);
        let started = Instant::now();
        let sink = Arc::clone(&self.stream.sink);
        let store = self.progress.store().clone();
        let chunk_records = chunks.iter().map(|written| (written.oid, written.record.clone()));
        let tables: Vec<(u32, TableRecord)> = chunk_records.chain(more.iter().cloned()).collect();
        {
            let committing = async {
                match is_on(Sabotage::ProgressOutside) {
                    true => store.write_slot(&record).await?,
                    false => store.send_slot(&sink, &record).await?,
                }
                store.send_tables(&sink, &tables).await?;
                sink.commit().await
            };
            let mut committing = std::pin::pin!(committing);
            let mut ticks = interval(BOARD_INTERVAL);
            loop {
                tokio::select! {
                    biased;
                    committed = &mut committing => break committed?,
                    // An outage shows.
                    _ = ticks.tick() => self.show(),
                }
            }
        }
        self.reports.take(&mut self.confirmations)?;
        let durable = self.stream.settle(&mut self.confirmations)?;
        if let Delivery::ExactlyOnce(transactions) = &mut self.delivery {
            transactions.committed(record, durable, started)?;
        }
        self.context.board.facts().confirmed = durable.lsn();
        self.progress.note_tables(more);
        self.chunks_recorded(chunks);
        Ok(())
    }

    /// Begins what must be seen through before anything is committed: rows that are read count as a whole. [`Session::rows_committed`] ends it.
    pub(super) async fn commit_before_rows(&mut self) -> Result<()> {
        self.commit().await?;
        if let Delivery::ExactlyOnce(transactions) = &mut self.delivery {
            transactions.begin_step(Step::Rows);
        }
        Ok(())
    }

    /// Rows were read, and committed.
    pub(super) fn rows_committed(&mut self) {
        if let Delivery::ExactlyOnce(transactions) = &mut self.delivery {
            transactions.end_step();
        }
    }

    /// Commits what is left at the end, as far as it is whole; otherwise rolls it back, and the next session sends it again.
    pub(super) async fn commit_rest(&mut self, patience: Duration) -> Result<()> {
        let Delivery::ExactlyOnce(transactions) = &self.delivery else { return Ok(()) };
        let sink = Arc::clone(&self.stream.sink);
        let step = transactions.step();
        // Half of a PostgreSQL transaction is not shown for as long as waltap is away, unless a part of it is seen already.
        let is_whole = !self.stream.is_amid_transaction() || transactions.has_part_of(self.stream.position());
        if step.is_none() && self.stream.may_split() && is_whole {
            let commit = async {
                self.stream.staged.hand_over(&sink).await?;
                self.commit().await
            };
            if let Ok(committed) = timeout(patience, commit).await {
                return committed;
            }
        }
        tracing::info!(database = self.context.database, "stopping with events that are not committed: they will be sent again");
        // A commit that was cut off goes on by itself, and cannot be taken back.
        if step != Some(Step::Commit) {
            abort(self.context, &sink).await;
        }
        Ok(())
    }
}

/// Rolls back what is not committed, so that readers do not wait for it.
pub(super) async fn abort(context: &Context, sink: &Sink) {
    if let Err(error) = sink.abort(ABORT_PATIENCE).await {
        tracing::debug!(
            database = context.database,
            error = error.report(),
            "the open Kafka transaction is left to the next session, which rolls it back"
        );
    }
}
