//! The ends of topics, asked again and again by one client.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::Result;
use crate::checker::Ends;

/// A broker that is down is asked again soon: this is called in a loop.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks for the ends of some topics, as a reader of all records would see them.
///
/// Of committed records alone it would tell too little: whoever commits a Kafka transaction is told once that is decided and on record, and
/// the partitions learn of it a moment later. What is acknowledged without having been decided is found as a gap, after a kill.
pub struct TopicEnds {
    consumer: BaseConsumer,
    topics: Vec<Arc<str>>,
    partitions: i32,
}

impl TopicEnds {
    /// A client of these brokers, for topics that have so many partitions each.
    pub fn new(brokers: &str, topics: impl IntoIterator<Item = String>, partitions: i32) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "kit-ends").set("isolation.level", "read_uncommitted");
        config.set("reconnect.backoff.ms", "20").set("reconnect.backoff.max.ms", "200");
        Ok(TopicEnds { consumer: config.create()?, topics: topics.into_iter().map(Into::into).collect(), partitions })
    }

    /// The ends now. Blocks. Fails while a topic is not there.
    pub fn read(&self) -> Result<Ends> {
        let mut places = TopicPartitionList::new();
        for topic in &self.topics {
            for partition in 0..self.partitions {
                // Kafka takes "the end" where it takes a time: one request for all.
                places.add_partition_offset(topic, partition, Offset::End)?;
            }
        }
        let found = self.consumer.offsets_for_times(places, TIMEOUT)?;
        let mut ends = Ends::new();
        for element in found.elements() {
            element.error()?;
            let topic = self.topics.iter().find(|topic| ***topic == *element.topic());
            if let (Some(topic), Offset::Offset(offset)) = (topic, element.offset()) {
                ends.insert((topic.clone(), element.partition()), offset);
            }
        }
        crate::ensure!(ends.len() == self.topics.len() * self.partitions as usize, "not every partition has told its end");
        Ok(ends)
    }
}
