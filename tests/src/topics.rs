//! What stands in Kafka's topics, read as any consumer would.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::{Failure, Result};

/// Longer than a broker under load needs for one answer, shorter than a test's patience.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often a follower is asked whether it goes on.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When its producer took it, in milliseconds since 1970.
    pub timestamp: i64,
    /// Its key; None when it has none.
    pub key: Option<String>,
    /// Its value; None for a tombstone.
    pub value: Option<String>,
}

/// Where waltap keeps its progress unless another topic is named.
pub const PROGRESS: &str = "__waltap_progress";

/// The topics of one Kafka.
#[derive(Clone, Debug)]
pub struct Topics {
    brokers: String,
}

impl Topics {
    /// The topics of these brokers.
    pub fn new(brokers: impl Into<String>) -> Self {
        Topics { brokers: brokers.into() }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    fn consumer(&self) -> Result<BaseConsumer> {
        let mut config = self.config();
        // A group id must be named though no group is joined: partitions are assigned by hand.
        config.set("group.id", "kit").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        config.set("isolation.level", "read_committed").set("fetch.wait.max.ms", "20").set("check.crcs", "true");
        Ok(config.create()?)
    }

    /// The names of all topics that are not Kafka's own, sorted.
    pub async fn names(&self) -> Result<Vec<String>> {
        let this = self.clone();
        blocking(move || {
            let metadata = this.consumer()?.fetch_metadata(None, TIMEOUT)?;
            let mut names: Vec<String> = metadata.topics().iter().map(|topic| topic.name().to_owned()).collect();
            names.retain(|name| !matches!(name.as_str(), "__consumer_offsets" | "__transaction_state" | "__share_group_state"));
            names.sort();
            Ok(names)
        })
        .await
    }

    /// Every record of a topic up to its present end, each partition in order, as `read_committed` sees it.
    pub async fn read(&self, topic: &str) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let this = self.clone();
        let topic = topic.to_owned();
        blocking(move || {
            this.visit(&[&topic], &mut |record| {
                records.push(record);
                Ok(())
            })?;
            Ok(records)
        })
        .await
    }

    /// How many records were ever written to a topic's first partition, whatever has become, or becomes, of them.
    pub async fn end(&self, topic: &str) -> Result<i64> {
        let (mut config, topic) = (self.config(), topic.to_owned());
        config.set("group.id", "kit").set("isolation.level", "read_uncommitted");
        blocking(move || {
            let consumer: BaseConsumer = config.create()?;
            Ok(consumer.fetch_watermarks(&topic, 0, TIMEOUT)?.1)
        })
        .await
    }

    /// Shows every record of the topics, up to their present ends, to a visitor; nothing is kept. Blocks.
    pub fn visit(&self, topics: &[&str], visitor: &mut dyn FnMut(Record) -> Result) -> Result {
        let consumer = self.consumer()?;
        let mut open = 0;
        let mut partitions = TopicPartitionList::new();
        for topic in topics {
            let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
            let found = metadata.topics().iter().find(|found| found.name() == *topic && found.error().is_none());
            let found = found.ok_or_else(|| Failure::new(format!("there is no topic {topic}")))?;
            for partition in found.partitions() {
                partitions.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
                open += 1;
            }
        }
        consumer.assign(&partitions)?;
        while open > 0 {
            match consumer.poll(TIMEOUT) {
                None => return Err(Failure::new(format!("{} gave no record for {TIMEOUT:?}", topics.join(", ")))),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(message)) => visitor(record(&message))?,
            }
        }
        Ok(())
    }

    /// Shows the records that come from now on, in all topics whose names match the regular expression (which begins with `^`),
    /// until the visitor has seen enough and says false. It is called without a record from time to time. Blocks.
    pub fn follow(&self, pattern: &str, visitor: &mut dyn FnMut(Option<Record>) -> bool) -> Result {
        let mut config = self.config();
        config.set("group.id", "kit-follow").set("enable.auto.commit", "false").set("auto.offset.reset", "latest");
        // Topics that are made later are found this soon.
        config.set("topic.metadata.refresh.interval.ms", "1000");
        let consumer: BaseConsumer = config.create()?;
        consumer.subscribe(&[pattern])?;
        loop {
            // Errors pass: a topic that is not there yet, a broker that restarts.
            let message = consumer.poll(FOLLOW_INTERVAL).and_then(std::result::Result::ok);
            if !visitor(message.map(|message| record(&message))) {
                return Ok(());
            }
        }
    }

    /// Makes a topic with one replica.
    pub async fn create(&self, topic: &str, partitions: i32) -> Result {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let made = admin.create_topics(&[topic], &AdminOptions::new().operation_timeout(Some(TIMEOUT))).await?;
        refused(made)
    }

    /// Gives a topic more partitions.
    pub async fn grow(&self, topic: &str, partitions: usize) -> Result {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let more = NewPartitions::new(topic, partitions);
        refused(admin.create_partitions([&more], &AdminOptions::new().operation_timeout(Some(TIMEOUT))).await?)
    }

    /// Gives a topic a setting.
    pub async fn set(&self, topic: &str, name: &str, value: &str) -> Result {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
        let set = admin.alter_configs([&change], &AdminOptions::new().operation_timeout(Some(TIMEOUT))).await?;
        match set.into_iter().find_map(std::result::Result::err) {
            None => Ok(()),
            Some((_, code)) => Err(Failure::new(format!("topic {topic}: {code}"))),
        }
    }

    /// Removes a topic.
    pub async fn delete(&self, topic: &str) -> Result {
        self.delete_all(&[topic]).await
    }

    /// Removes topics.
    pub async fn delete_all(&self, topics: &[&str]) -> Result {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let gone = admin.delete_topics(topics, &AdminOptions::new().operation_timeout(Some(TIMEOUT))).await?;
        refused(gone)
    }

    /// Sends records, keys and values, and returns once all are confirmed.
    pub async fn produce(&self, topic: &str, records: &[(&str, &str)]) -> Result {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("linger.ms", "0");
        let producer: ThreadedProducer<_> = config.create()?;
        for (key, value) in records {
            producer.send(BaseRecord::to(topic).key(*key).payload(*value)).map_err(|(error, _)| Failure::from(error))?;
        }
        blocking(move || Ok(producer.flush(TIMEOUT)?)).await
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or_default(),
        key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
        value: message.payload().map(|value| String::from_utf8_lossy(value).into_owned()),
    }
}

fn refused(results: Vec<std::result::Result<String, (String, RDKafkaErrorCode)>>) -> Result {
    match results.into_iter().find_map(std::result::Result::err) {
        None => Ok(()),
        Some((topic, code)) => Err(Failure::new(format!("topic {topic}: {code}"))),
    }
}

/// librdkafka's client calls block: they keep off the threads that drive the test.
pub(crate) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(call).await?
}
