//! Reads partitions of a topic from a place of our choosing, on a thread that may block.

use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use waltap_error::{Code, Error, Result};

use crate::classify;
use crate::inquiry::{Inquiry, left};
use crate::listener::Listener;
use crate::options::{self, LOOK_PROPERTY, Options};
use crate::topics::is_seen;

/// What came next.
pub(crate) enum Step<'a> {
    /// A committed record.
    Record(BorrowedMessage<'a>),
    /// Nothing more is there in this partition at the moment.
    End(i32),
    /// Nothing came in the time given.
    Nothing,
}

/// A reader of one topic.
pub(crate) struct Reader {
    consumer: BaseConsumer<Listener>,
    topic: String,
    doing: String,
}

/// The offsets between which a partition's records lie: the oldest, and one past the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) oldest: i64,
    pub(crate) end: i64,
}

impl Reader {
    /// A reader that sees what is committed, up to the oldest transaction that is open.
    pub(crate) fn open(options: &Options, topic: &str) -> Result<Self> {
        Self::with_config(options, topic, &options.consumer_config())
    }

    /// A reader that sees everything, whatever becomes of the transaction that wrote it.
    pub(crate) fn open_uncommitted(options: &Options, topic: &str) -> Result<Self> {
        let mut config = options.consumer_config();
        config.set("isolation.level", "read_uncommitted");
        // Who follows does so for as long as the capture runs, and must notice when its client has given up.
        config.set(LOOK_PROPERTY, options.look_interval().as_millis().to_string());
        Self::with_config(options, topic, &config)
    }

    fn with_config(options: &Options, topic: &str, config: &ClientConfig) -> Result<Self> {
        let consumer = BaseConsumer::from_config_and_context(config, Listener::default())
            .map_err(|error| options::property_error(&error))?;
        Ok(Reader {
            consumer,
            topic: topic.to_owned(),
            doing: format!("reading topic {topic} from Kafka at {}", options.brokers()),
        })
    }

    /// How many partitions the topic has. An error when there is no such topic.
    pub(crate) fn partitions(&self, options: &Options, deadline: Instant) -> Result<i32> {
        let metadata = Inquiry::start(options, self.doing.clone(), deadline)?.metadata_of(&self.topic)?;
        match metadata.topics().iter().find(|topic| topic.name() == self.topic && is_seen(topic)) {
            Some(topic) => Ok(topic.partitions().len() as i32),
            None => {
                Err(Error::configuration(Code::TOPIC, format!("there is no topic {}, or none that waltap may see", self.topic)))
            }
        }
    }

    /// Where the partition begins and ends now, by the word of its leader.
    pub(crate) fn bounds(&self, partition: i32, deadline: Instant) -> Result<Bounds> {
        loop {
            match self.consumer.fetch_watermarks(&self.topic, partition, left(deadline)) {
                Ok((oldest, end)) => return Ok(Bounds { oldest, end }),
                Err(error) => {
                    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                    let error = self.explain(code);
                    if left(deadline).is_zero() || error.kind() != waltap_error::Kind::Transient {
                        return Err(error);
                    }
                    // A new leader does not know its own end for a moment.
                    std::thread::sleep(Duration::from_millis(50).min(left(deadline)));
                }
            }
        }
    }

    /// Begins to read at one offset for each partition.
    pub(crate) fn assign(&self, places: impl IntoIterator<Item = (i32, i64)>) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in places {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset)).map_err(|error| self.fault(&error))?;
        }
        self.consumer.assign(&list).map_err(|error| self.fault(&error))
    }

    /// The next thing that happens. An error is one that waiting does not mend; what passes by itself is waited out.
    pub(crate) fn step(&self, patience: Duration) -> Result<Step<'_>> {
        match self.consumer.poll(patience) {
            None => match self.consumer.context().hopeless(&self.doing) {
                Some(error) => Err(error),
                None if self.consumer.context().has_given_up() => {
                    let lost = "the Kafka client has lost every broker and looks for none";
                    Err(Error::transient(Code::BROKERS, self.doing.clone()).source(lost))
                }
                None => Ok(Step::Nothing),
            },
            Some(Ok(message)) => Ok(Step::Record(message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Step::End(partition)),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(code) if passes(code) => Ok(Step::Nothing),
                _ => Err(self.fault(&error)),
            },
        }
    }

    /// The error for having waited too long.
    pub(crate) fn timed_out(&self) -> Error {
        self.explain(RDKafkaErrorCode::OperationTimedOut)
    }

    fn explain(&self, code: RDKafkaErrorCode) -> Error {
        self.consumer.context().explain(&self.doing, code)
    }

    fn fault(&self, error: &KafkaError) -> Error {
        classify::client_error(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown), &self.doing)
    }
}

/// Errors that librdkafka reports and gets over by itself. We are in no group, so what it says about ours is nothing to us.
fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::AllBrokersDown
            | E::BrokerTransportFailure
            | E::Resolve
            | E::OperationTimedOut
            | E::RequestTimedOut
            | E::LeaderNotAvailable
            | E::NotLeaderForPartition
            | E::OffsetNotAvailable
            | E::FencedLeaderEpoch
            | E::UnknownLeaderEpoch
            | E::GroupAuthorizationFailed
            | E::CoordinatorNotAvailable
            | E::CoordinatorLoadInProgress
    )
}
