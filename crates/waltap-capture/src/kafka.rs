//! How a tap speaks to Kafka: what it asks beside the records that it sends, which go through [`crate::sink`].
//!
//! Ports, as in [`crate::source`]: enums with the real thing in them.

use std::time::Duration;

use waltap_error::Result;
use waltap_kafka::{EnsuredTopic, Entries, Follower, Producer, TopicDescription, TopicSpecification};

use crate::options::KafkaSinkOptions;
use crate::progress::is_late;
use crate::sink::{Reports, Sink};

/// How long Kafka may take to let a producer of transactions in. The first one of a cluster waits for the log of all transactions to be
/// made.
const TRANSACTIONS_TIMEOUT: Duration = Duration::from_secs(60);

/// The cluster that a capture writes to.
#[derive(Debug)]
pub(crate) enum Cluster {
    Kafka(waltap_kafka::Topics),
    #[cfg(test)]
    Simulated(crate::model::kafka::Cluster),
}

impl Cluster {
    /// Makes the topics that are missing, and waits until every one can be written to. The answer is in the order of the question.
    pub(crate) async fn ensure(&self, wanted: &[TopicSpecification], timeout: Duration) -> Result<Vec<EnsuredTopic>> {
        match self {
            Cluster::Kafka(topics) => topics.ensure(wanted, timeout).await,
            #[cfg(test)]
            Cluster::Simulated(cluster) => cluster.ensure(wanted, timeout).await,
        }
    }

    /// The id of the cluster, where it has one.
    pub(crate) async fn id(&self, timeout: Duration) -> Result<Option<String>> {
        match self {
            Cluster::Kafka(topics) => topics.cluster_id(timeout).await,
            #[cfg(test)]
            Cluster::Simulated(_) => Ok(None),
        }
    }

    /// What is known of a topic; `None` when there is none of that name.
    pub(crate) async fn describe(&self, topic: &str, timeout: Duration) -> Result<Option<TopicDescription>> {
        match self {
            Cluster::Kafka(topics) => topics.describe(topic, timeout).await,
            #[cfg(test)]
            Cluster::Simulated(_) => Ok(None),
        }
    }

    /// A new sink, with nothing in flight.
    pub(crate) fn open_sink(&self, options: &KafkaSinkOptions, reports: Reports) -> Result<Sink> {
        match self {
            Cluster::Kafka(_) => Ok(Sink::Kafka(Producer::start(&options.client, reports)?)),
            #[cfg(test)]
            Cluster::Simulated(cluster) => Ok(cluster.open_sink(reports)),
        }
    }

    /// A new sink of Kafka transactions, with nothing in flight. Others of this id are fenced, and what they left open is rolled back.
    pub(crate) async fn open_transactions(&self, options: &KafkaSinkOptions, id: &str, reports: Reports) -> Result<Sink> {
        match self {
            Cluster::Kafka(_) => {
                let producer = Producer::start_transactional(&options.client, id, reports, TRANSACTIONS_TIMEOUT).await?;
                Ok(Sink::Transactional(producer))
            }
            #[cfg(test)]
            Cluster::Simulated(cluster) => cluster.open_transactions(id, reports, TRANSACTIONS_TIMEOUT).await,
        }
    }
}

/// The compacted topic that progress is kept in.
#[derive(Debug)]
pub(crate) enum ProgressTopic {
    Kafka(waltap_kafka::ProgressTopic),
    #[cfg(test)]
    Simulated(crate::model::kafka::ProgressTopic),
}

impl ProgressTopic {
    /// The latest value of each key that starts with `prefix`, once the transactions that are open there have ended. Slot records that came late
    /// are passed over.
    pub(crate) async fn load(&self, prefix: &[u8]) -> Result<Entries> {
        match self {
            ProgressTopic::Kafka(topic) => topic.load_in_time(prefix, is_late).await,
            #[cfg(test)]
            ProgressTopic::Simulated(topic) => topic.load(prefix).await,
        }
    }

    /// As [`ProgressTopic::load`], without waiting for transactions that are open there. Says whether none hides anything.
    pub(crate) async fn peek(&self, prefix: &[u8]) -> Result<(Entries, bool)> {
        match self {
            ProgressTopic::Kafka(topic) => topic.peek(prefix, is_late).await,
            #[cfg(test)]
            ProgressTopic::Simulated(topic) => topic.peek(prefix).await,
        }
    }

    /// The latest value of each key that is wanted, and what comes behind that.
    pub(crate) async fn follow(&self, wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Result<(Entries, Follower)> {
        match self {
            ProgressTopic::Kafka(topic) => topic.follow(wanted).await,
            #[cfg(test)]
            ProgressTopic::Simulated(_) => std::unreachable!("the model has no supervisor, which follows it"),
        }
    }

    /// The topic's name.
    pub(crate) fn name(&self) -> &str {
        match self {
            ProgressTopic::Kafka(topic) => topic.name(),
            #[cfg(test)]
            ProgressTopic::Simulated(_) => waltap_kafka::PROGRESS_TOPIC_DEFAULT,
        }
    }

    /// Writes values, or deletes (`None`), and returns when they are confirmed. After an error they may or may not be there.
    pub(crate) async fn write(&self, entries: &[(&[u8], Option<&[u8]>)]) -> Result<()> {
        match self {
            ProgressTopic::Kafka(topic) => topic.write(entries).await,
            #[cfg(test)]
            ProgressTopic::Simulated(topic) => topic.write(entries).await,
        }
    }
}
