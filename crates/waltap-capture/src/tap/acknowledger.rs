//! Tells PostgreSQL what it may forget, after progress has it.
//!
//! The order is: Kafka confirms events, the ledger makes a [`Durable`], the slot record in the progress topic takes it, Kafka confirms that
//! record, the standby status carries it. So the slot is never further than the record, and a slot that is was moved by somebody else.
//! A task of its own, so that none of these waits stops the stream.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use waltap_error::{Code, Error, Kind, Result};
use waltap_ledger::Durable;

use super::standing::Standing;
use super::stop_asked;
use super::stream::Reached;
use crate::progress::{SlotRecord, Store};
use crate::sabotage::{Sabotage, is_on};
use crate::source::Status;

/// At most one slot record in this time: PostgreSQL frees log in segments of megabytes, so nothing is gained by more.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long to wait before a record that Kafka did not take is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What the task is told.
#[derive(Clone, Debug)]
struct Told {
    /// Up to there everything is durable.
    durable: Durable,
    /// What is in Kafka behind that, where tables are behind.
    reached: Option<Reached>,
}

/// The task's handle. Dropped without [`Acknowledger::finish`], the task ends without a last word.
pub(crate) struct Acknowledger {
    told: watch::Sender<Option<Told>>,
    finishing: watch::Sender<bool>,
    task: JoinHandle<Result<()>>,
}

impl Acknowledger {
    /// Starts the task. `record` is what progress holds now.
    pub(crate) fn start(store: Store, record: SlotRecord, standing: Standing, status: Status) -> Self {
        let (told, changes) = watch::channel(None);
        let (finishing, is_finishing) = watch::channel(false);
        let work = Work { store, record, status, changes, is_finishing, standing };
        Acknowledger { told, finishing, task: tokio::spawn(work.run()) }
    }

    /// Passes on how far everything is durable, and what is in Kafka behind that where tables are behind. Returns at once.
    pub(crate) fn advance(&self, durable: Durable, reached: Option<Reached>) {
        self.told.send_if_modified(|last| {
            let moved = last.as_ref().is_none_or(|last| durable > last.durable || reached != last.reached);
            if moved {
                *last = Some(Told { durable, reached });
            }
            moved
        });
    }

    /// The error that ended the task, if it has ended. Cancel safe.
    pub(crate) async fn failed(&mut self) -> Error {
        match (&mut self.task).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => Error::configuration(Code::INTERNAL, "the acknowledging task ended before it was asked to"),
            Err(error) => Error::configuration(Code::INTERNAL, "the acknowledging task broke").source(error),
        }
    }

    /// Sees the last place through, then ends the task.
    pub(crate) async fn finish(mut self) -> Result<()> {
        self.finishing.send_replace(true);
        let (closed, _) = watch::channel(None);
        // Dropping the sender tells the task that no more comes.
        drop(std::mem::replace(&mut self.told, closed));
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => Err(Error::configuration(Code::INTERNAL, "the acknowledging task broke").source(error)),
        }
    }
}

impl Drop for Acknowledger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Work {
    store: Store,
    record: SlotRecord,
    status: Status,
    changes: watch::Receiver<Option<Told>>,
    is_finishing: watch::Receiver<bool>,
    standing: Standing,
}

impl Work {
    async fn run(mut self) -> Result<()> {
        while self.changes.changed().await.is_ok() {
            let Some(Told { durable, reached }) = self.changes.borrow_and_update().clone() else { continue };
            if is_on(Sabotage::StatusBeforeProgress) {
                self.status.confirm(durable);
            }
            self.record(durable, reached).await?;
            self.status.confirm(durable);
            tokio::select! {
                biased;
                () = stop_asked(&mut self.is_finishing) => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
        Ok(())
    }

    /// Returns when progress has the place. An outage of Kafka is waited for, since the stream waits for it too.
    async fn record(&mut self, durable: Durable, reached: Option<Reached>) -> Result<()> {
        // The server may have been told of a place already that it has forgotten in a crash.
        self.record.acknowledged = self.record.acknowledged.max(Some(durable.lsn()));
        if self.record.position.is_some_and(|position| position.commit_lsn < durable.lsn()) {
            // Of exactly-once delivery, before this run: the slot itself is past it now.
            (self.record.position, self.record.reads) = (None, None);
        }
        let (behind, others) = reached.map_or_else(Default::default, |reached| (reached.behind, Some(reached.others.commit_lsn)));
        self.record.note_behind(behind, others);
        self.record.streams_since(self.standing.since());
        loop {
            match self.store.write_slot(&self.record).await {
                Err(error) if error.kind() == Kind::Transient => {
                    tracing::warn!(error = error.report(), slot = self.record.slot, "the slot record waits for Kafka");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                result => return result,
            }
        }
    }
}
