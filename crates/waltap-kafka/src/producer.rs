//! The producer: takes records without blocking, keeps them until Kafka has confirmed them, and says so in batches.
//!
//! librdkafka does the work on threads of its own. One more thread, the poll thread, is woken for its delivery reports: it adds them up by
//! their opaque and hands them over when nothing else is in flight, when there are many, or after a few milliseconds, whichever comes first.
//! So an idle stream hears at once, and a busy one in batches.

mod collector;
mod contact;
mod events;
mod flush;
mod lookout;
mod poll;
mod replicas;
mod shared;
mod topic_handles;
mod transactions;

use std::fmt;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::watch;
use tokio::time::Instant;
use waltap_error::{Code, Error, Result};

use crate::classify;
use crate::delivery::DeliveryObserver;
use crate::options::{self, Options};
use crate::reachability::BrokerState;
use collector::Collector;
use lookout::Lookout;
pub use shared::InFlight;
use shared::Shared;
use topic_handles::{Record, TopicHandles};

/// What librdkafka keeps for a queued record beside its key and value (the rare header among it, which is as large as a key): counted into the queue's bytes, so that small records
/// cannot fill the memory behind the bound's back.
const RECORD_OVERHEAD_BYTES: u64 = 256;

/// Why a record was not taken.
#[derive(Debug)]
pub enum SendError {
    /// The queue is full. Nothing is wrong: wait for [`Producer::space`] and send the same record again.
    Full,
    /// The record cannot be sent, or the producer takes no more.
    Refused(Error),
}

/// A Kafka producer: idempotent, with `acks=all`, and with no time after which it would give a record up.
///
/// May be used from several tasks and threads at once. Records of one partition reach Kafka in the order in which they were sent.
/// Dropping it throws away what is not yet delivered, without a report: [`Producer::close`] waits first.
pub struct Producer {
    native: Arc<BaseProducer<Collector>>,
    topics: Arc<TopicHandles>,
    shared: Arc<Shared>,
    poll_thread: Thread,
}

impl Producer {
    /// Starts a producer and its poll thread. Connects in the background: an unreachable broker is not an error here.
    pub fn start(options: &Options, observer: impl DeliveryObserver) -> Result<Self> {
        let shared = Arc::new(Shared::new(options.queue_bytes() as u64));
        let collector = Collector::new(Box::new(observer), Arc::clone(&shared));
        let native = BaseProducer::from_config_and_context(&options.producer_config(), collector);
        let native = Arc::new(native.map_err(|error| options::property_error(&error))?);
        let topics = Arc::new(TopicHandles::new(Arc::clone(&native)));
        let poll_thread = poll::start(Arc::clone(&native), Lookout::new(options, &topics))?;
        Ok(Producer { native, topics, shared, poll_thread })
    }

    /// Hands a record to Kafka's client, which copies it. Never blocks.
    ///
    /// Without a partition the key chooses it, as in Kafka's own clients; without a key too, any. `opaque` comes back in the report.
    pub fn send(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        opaque: u64,
    ) -> Result<(), SendError> {
        let record = Record { partition, key, value, headers: None, opaque };
        self.send_counted(topic, key, value, || self.topics.send(topic, record))
    }

    /// As [`Producer::send`], with headers: their names and their values.
    pub fn send_with_headers<'h>(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl ExactSizeIterator<Item = (&'h str, &'h [u8])>,
        opaque: u64,
    ) -> Result<(), SendError> {
        let none = OwnedHeaders::new_with_capacity(headers.len());
        let headers = headers.fold(none, |headers, (name, content)| headers.insert(Header { key: name, value: Some(content) }));
        let record = Record { partition, key, value, headers: Some(headers), opaque };
        self.send_counted(topic, key, value, || self.topics.send(topic, record))
    }

    /// `send` is called where there is room for the record.
    #[inline]
    fn send_counted(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        send: impl FnOnce() -> Result<(), KafkaError>,
    ) -> Result<(), SendError> {
        if self.shared.has_ended() {
            return Err(SendError::Refused(self.shared.ended_error()));
        }
        let bytes = record_bytes(key, value);
        // Counted before it is sent, so that no report can come first.
        if !self.shared.reserve(bytes) {
            return Err(SendError::Full);
        }
        match send() {
            Ok(()) => Ok(()),
            Err(error) => {
                self.shared.release(1, bytes);
                Err(self.refused(error, topic, (bytes - RECORD_OVERHEAD_BYTES) as usize))
            }
        }
    }

    #[cold]
    fn refused(&self, error: KafkaError, topic: &str, bytes: usize) -> SendError {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => {
                self.shared.note_native_full();
                SendError::Full
            }
            Some(code) => {
                // As a broker refuses a record, once the client has heard of it by other ways.
                let error = classify::delivery_error(code, topic, Some(bytes));
                self.native.context().note_refused(topic, bytes as u64, &error);
                SendError::Refused(error)
            }
            None => SendError::Refused(
                Error::configuration(Code::TOPIC, format!("{topic:?} is not a legal name of a topic")).source(error),
            ),
        }
    }

    /// How many bytes may be in flight before a record is not taken.
    pub fn queue_bytes(&self) -> u64 {
        self.shared.queue_bytes()
    }

    /// Waits until there is room for a good number of records after [`SendError::Full`].
    pub async fn space(&self) {
        self.shared.space().await;
    }

    /// Waits until no more than so many bytes are in flight. Cancel safe.
    pub async fn at_most(&self, bytes: u64) {
        self.shared.at_most(bytes).await;
    }

    /// What was taken and is not yet reported.
    pub fn in_flight(&self) -> InFlight {
        self.shared.in_flight()
    }

    /// What is known of the brokers, now and later.
    pub fn brokers(&self) -> watch::Receiver<BrokerState> {
        self.shared.brokers()
    }

    /// Whether it is of no more use, though what it has in flight was never reported.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.has_ended()
    }

    /// Waits until nothing is in flight: every record that was taken is reported, confirmed or failed.
    ///
    /// Fails with a transient error when that takes longer than `timeout`; the records stay in flight then.
    pub async fn drain(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        match tokio::time::timeout_at(deadline, self.shared.empty()).await {
            Ok(()) if self.shared.has_ended() => Err(self.shared.ended_error()),
            Ok(()) => Ok(()),
            Err(_) => {
                let waiting = self.in_flight().records;
                Err(Error::transient(Code::BROKERS, format!("Kafka has not confirmed {waiting} records in {timeout:?}")))
            }
        }
    }

    /// Drains, then stops. What is still in flight after `timeout` is thrown away without a report, and the error says so.
    pub async fn close(self, timeout: Duration) -> Result<()> {
        self.drain(timeout).await
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // The poll thread finds itself alone with librdkafka's client, and destroys it, which takes its time.
        self.shared.mute();
        self.poll_thread.unpark();
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

fn record_bytes(key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
    (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64 + RECORD_OVERHEAD_BYTES
}
