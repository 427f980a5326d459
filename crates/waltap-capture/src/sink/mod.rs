//! Where a tap's records go: Kafka, or standard output.

mod outgoing;
mod output;
mod reports;

use std::sync::Arc;
use std::time::Duration;

use waltap_error::{Error, Result};
use waltap_event::Header;
use waltap_kafka::{Producer, SendError};

use crate::dead_letters::Writer;
pub(crate) use outgoing::{Outgoing, Staged};
pub(crate) use output::{Output, OutputSink};
pub(crate) use reports::{Account, Reports, TableCount};

/// A topic that is there.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// How many partitions records go to. It may have got more since.
    pub(crate) partitions: i32,
    /// Whether a key belongs to one of these, so that it stays where it was. Otherwise Kafka's client chooses, among those of the moment.
    pub(crate) places_keys: bool,
    /// How many bytes the key, the value and the headers of a record may have before it is a dead letter.
    pub(crate) bytes_max: usize,
    /// Where it goes then. `None`: to the topic all the same, and an error tells what becomes of it.
    pub(crate) dead_letters: Option<Arc<Writer>>,
}

impl Topic {
    /// One that takes everything.
    pub(crate) fn new(name: String, partitions: i32) -> Self {
        Topic { name, partitions, places_keys: false, bytes_max: usize::MAX, dead_letters: None }
    }
}

/// A record on its way, borrowed from who made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) topic: &'a str,
    /// `None`: the key chooses.
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header<'a>],
    /// Whether key and value are bytes as they stand, which need not be JSON.
    pub(crate) is_plain: bool,
    pub(crate) account: Account,
}

/// Why a record was not taken.
pub(crate) enum NotTaken {
    /// There is no room: wait in [`Sink::space`], then offer it again.
    Full,
    /// It cannot be delivered.
    Refused(Error),
}

/// The sink of one tap. May be used from several tasks at once; records of one task keep their order.
pub(crate) enum Sink {
    Kafka(Producer),
    /// With Kafka transactions: what is offered is seen when it is committed.
    Transactional(Producer),
    Output(OutputSink),
    #[cfg(test)]
    Simulated(crate::model::kafka::Producer),
}

impl Sink {
    /// Offers a record. Never blocks.
    pub(crate) fn offer(&self, record: Record<'_>) -> Result<(), NotTaken> {
        match self {
            Sink::Kafka(producer) | Sink::Transactional(producer) => {
                let Record { topic, partition, key, value, headers, account, .. } = record;
                let opaque = account.to_opaque();
                let sent = match headers {
                    [] => producer.send(topic, partition, key, value, opaque),
                    headers => {
                        let headers = headers.iter().map(|header| (header.name, header.value));
                        producer.send_with_headers(topic, partition, key, value, headers, opaque)
                    }
                };
                sent.map_err(|error| match error {
                    SendError::Full => NotTaken::Full,
                    SendError::Refused(error) => NotTaken::Refused(error),
                })
            }
            Sink::Output(output) => output.offer(record).map_err(|_full| NotTaken::Full),
            #[cfg(test)]
            Sink::Simulated(producer) => producer.offer(record),
        }
    }

    /// Waits until there is room again.
    pub(crate) async fn space(&self) -> Result<()> {
        match self {
            Sink::Kafka(producer) | Sink::Transactional(producer) => {
                producer.space().await;
                Ok(())
            }
            #[cfg(test)]
            Sink::Simulated(producer) => {
                producer.space().await;
                Ok(())
            }
            Sink::Output(output) => output.flush().await,
        }
    }

    /// Waits until no more than so many bytes are on their way. Cancel safe.
    pub(crate) async fn at_most(&self, bytes: u64) {
        match self {
            Sink::Kafka(producer) | Sink::Transactional(producer) => producer.at_most(bytes).await,
            Sink::Output(_) => {}
            #[cfg(test)]
            Sink::Simulated(producer) => producer.at_most(bytes).await,
        }
    }

    /// Ends a batch: nothing of it is held back for company.
    pub(crate) async fn flush(&self) -> Result<()> {
        match self {
            // librdkafka's linger does it.
            Sink::Kafka(_) | Sink::Transactional(_) => Ok(()),
            #[cfg(test)]
            Sink::Simulated(_) => Ok(()),
            Sink::Output(output) => output.flush().await,
        }
    }

    /// Has the sink send what waits for company in a Kafka transaction, now and until nothing is on its way. Returns at once.
    pub(crate) fn hasten(&self) {
        if let Sink::Transactional(producer) = self {
            producer.hasten();
        }
    }

    /// Whether nothing is seen before [`Sink::commit`].
    pub(crate) fn is_transactional(&self) -> bool {
        match self {
            Sink::Transactional(_) => true,
            Sink::Kafka(_) | Sink::Output(_) => false,
            #[cfg(test)]
            Sink::Simulated(producer) => producer.is_transactional(),
        }
    }

    /// Commits the Kafka transaction, if the sink has them: all that was taken is seen now, and reported. Nothing may be offered meanwhile.
    pub(crate) async fn commit(&self) -> Result<()> {
        match self {
            Sink::Transactional(producer) => producer.commit().await,
            Sink::Kafka(_) | Sink::Output(_) => Ok(()),
            #[cfg(test)]
            Sink::Simulated(producer) => producer.commit().await,
        }
    }

    /// What made the Kafka transaction fail, where the reports of its records do not say it.
    pub(crate) async fn cause(&self, patience: Duration) -> Option<Error> {
        match self {
            Sink::Transactional(producer) => producer.cause(patience).await,
            _ => None,
        }
    }

    /// Rolls the Kafka transaction back, if the sink has them. It takes nothing more.
    pub(crate) async fn abort(&self, patience: Duration) -> Result<()> {
        match self {
            Sink::Transactional(producer) => producer.abort(patience).await,
            Sink::Kafka(_) | Sink::Output(_) => Ok(()),
            #[cfg(test)]
            Sink::Simulated(producer) => producer.abort(patience).await,
        }
    }

    pub(crate) fn in_flight_bytes(&self) -> u64 {
        match self {
            Sink::Kafka(producer) | Sink::Transactional(producer) => producer.in_flight().bytes,
            Sink::Output(_) => 0,
            #[cfg(test)]
            Sink::Simulated(producer) => producer.in_flight_bytes(),
        }
    }

    /// How many bytes may be on their way before the sink is full; zero where that does not count.
    pub(crate) fn queue_bytes(&self) -> u64 {
        match self {
            Sink::Kafka(producer) | Sink::Transactional(producer) => producer.queue_bytes(),
            Sink::Output(_) => 0,
            #[cfg(test)]
            Sink::Simulated(_) => 0,
        }
    }

    /// What the sink waits for, in words, when nothing gets through.
    pub(crate) fn waiting_for(&self) -> Option<String> {
        let (Sink::Kafka(producer) | Sink::Transactional(producer)) = self else { return None };
        let brokers = producer.brokers();
        let state = brokers.borrow();
        let since = state.waiting_since()?.elapsed().as_secs();
        let cause = state.last_error.as_ref().map(|error| error.report());
        Some(format!("waiting for Kafka for {since} s: {}", cause.as_deref().unwrap_or("no record is confirmed")))
    }
}
