//! Transactions of a producer (KIP-98): records that readers with `isolation.level=read_committed` see together, or not at all.
//!
//! A transactional producer is always in a transaction: one is begun with the producer, and the next one when one is committed. Nothing of an
//! empty transaction reaches Kafka. Its calls block in librdkafka, so they run on threads that may.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaError};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use tokio::task::{JoinHandle, spawn_blocking};
use waltap_error::{Code, Error, Result};

use super::Producer;
use super::collector::Collector;
use super::flush;
use super::shared::Shared;
use crate::classify;
use crate::delivery::DeliveryObserver;
use crate::inquiry::{blocking, left};
use crate::options::Options;

/// How long one call may block before we look whether its time is over. librdkafka goes on where the call before left off.
const ROUND: Duration = Duration::from_millis(500);

/// How long to wait before a call that failed at once is made again.
const PAUSE: Duration = Duration::from_millis(20);

/// How long records may take to be reported after their transaction is committed: they were delivered before, so this is for the poll thread.
const REPORTS_TIMEOUT: Duration = Duration::from_secs(10);

impl Producer {
    /// Starts a transactional producer, fences every other one of this `id`, rolls back what they left open, and begins a transaction.
    ///
    /// Returns once Kafka has taken all that the others had committed and rolled back the rest, so that who reads now sees where they ended.
    /// Fails with a transient error when that takes longer than `patience`.
    pub async fn start_transactional(
        options: &Options,
        id: &str,
        observer: impl DeliveryObserver,
        patience: Duration,
    ) -> Result<Self> {
        let producer = Producer::start(&options.clone().transactional(id), observer)?;
        let deadline = Instant::now() + patience;
        producer
            .call(move |native| {
                repeat(native, deadline, "joining the transactions of this capture", |round| native.init_transactions(round))?;
                begin(native)
            })
            .await?;
        Ok(producer)
    }

    /// Commits what was sent since the last commit, as one, and begins the next transaction. Returns when Kafka has committed and every record
    /// is reported. Waits as long as it takes; an error ends the transaction, and the producer with it.
    ///
    /// After an error it is not known whether Kafka has committed: the next producer of this id finds out.
    pub async fn commit(&self) -> Result<()> {
        self.send_all().await;
        let _committing = Committing::begin(&self.shared);
        self.call(|native| {
            // For ever: that a transaction takes too long is for Kafka to say, and librdkafka passes it on.
            repeat(native, None, "committing a transaction", |round| native.commit_transaction(round))?;
            begin(native)
        })
        .await?;
        self.drain(REPORTS_TIMEOUT).await
    }

    /// Rolls back what was sent since the last commit, so that readers do not wait for it. The producer is of no more use.
    pub async fn abort(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        self.call(move |native| repeat(native, deadline, "rolling back a transaction", |round| native.abort_transaction(round)))
            .await
    }

    /// What made librdkafka throw records away that were in a transaction. `None` when it has thrown none away, or does not say in time.
    ///
    /// The reports of these records do not say it; the commit of a transaction that has failed does.
    pub async fn cause(&self, patience: Duration) -> Option<Error> {
        if !self.shared.has_purged() {
            return None;
        }
        let deadline = Instant::now() + patience;
        let commit = move |native: &BaseProducer<Collector>| {
            repeat(native, deadline, "sending events in a transaction", |round| native.commit_transaction(round))
        };
        self.call(commit).await.err()
    }

    /// Has batches sent that wait for company, from now on until nothing is in flight. Returns at once.
    pub fn hasten(&self) {
        drop(self.flush_all());
    }

    /// Waits until librdkafka has nothing in flight, or the producer has ended. Batches wait no longer for company meanwhile. Cancel safe.
    async fn send_all(&self) {
        tokio::select! {
            biased;
            () = self.shared.end() => {}
            // What is still in flight if it could not be waited for is waited for in the commit.
            _ = self.flush_all() => {}
        }
    }

    fn flush_all(&self) -> JoinHandle<()> {
        let native = Arc::clone(&self.native);
        spawn_blocking(move || flush::flush_all(&native))
    }

    async fn call(&self, work: impl FnOnce(&BaseProducer<Collector>) -> Result<()> + Send + 'static) -> Result<()> {
        if self.shared.has_ended() {
            return Err(self.shared.ended_error());
        }
        let native = Arc::clone(&self.native);
        blocking(move || work(&native)).await
    }
}

/// A commit that is under way.
struct Committing<'a>(&'a Shared);

impl<'a> Committing<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.note_committing(true);
        Committing(shared)
    }
}

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        self.0.note_committing(false);
    }
}

fn begin(native: &BaseProducer<Collector>) -> Result<()> {
    native.begin_transaction().map_err(|error| fault("beginning a transaction", &error))
}

/// Makes a call until it succeeds, fails for good, the producer is given up, or its time is over.
fn repeat(
    native: &BaseProducer<Collector>,
    deadline: impl Into<Option<Instant>>,
    doing: &str,
    call: impl Fn(Duration) -> rdkafka::error::KafkaResult<()>,
) -> Result<()> {
    let deadline = deadline.into();
    loop {
        let round = deadline.map_or(ROUND, |deadline| ROUND.min(left(deadline)));
        let started = Instant::now();
        match call(round) {
            Ok(()) => return Ok(()),
            Err(_) if native.context().has_ended() => return Err(native.context().ended_error()),
            Err(error) if is_retriable(&error) && deadline.is_none_or(|deadline| !left(deadline).is_zero()) => {
                tracing::debug!(error = %error, "{doing}: trying again");
                if started.elapsed() < PAUSE {
                    std::thread::sleep(PAUSE);
                }
            }
            Err(error) => return Err(fault(doing, &error)),
        }
    }
}

/// Whether the same call may succeed when it is made again: librdkafka says so itself.
fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable() && !error.is_fatal() && !error.txn_requires_abort(),
        // The records of the transaction were not all delivered in the time of one round.
        KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
        _ => false,
    }
}

fn fault(doing: &str, error: &KafkaError) -> Error {
    match error {
        KafkaError::Transaction(error) => classify::transaction_error(error.code(), doing).source(describe(error)),
        error => Error::transient(Code::PRODUCER_LOST, doing.to_owned()).source(error.to_string()),
    }
}

/// What librdkafka says of an error, with its own verdict.
fn describe(error: &RDKafkaError) -> String {
    let verdict = match (error.is_fatal(), error.txn_requires_abort(), error.is_retriable()) {
        (true, _, _) => "fatal",
        (_, true, _) => "the transaction must be rolled back",
        (_, _, true) => "may be tried again",
        _ => "final",
    };
    format!("{error} ({verdict})")
}
