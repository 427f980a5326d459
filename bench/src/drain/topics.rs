//! The topics that all contenders of a workload fill in turns, so that a broker has no more of them than the workload has tables.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use waltap_tests::{Failure, Kafka, Result, TopicEnds};

/// A broker makes a thousand topics in less.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How often one topic is asked how far it is. Of many the question is larger: then it is asked less often, or the broker would be at little else.
const INTERVAL: Duration = Duration::from_millis(20);
const INTERVAL_A_TOPIC: Duration = Duration::from_micros(200);

/// The topics `PREFIX.public.TABLE`, of one partition each.
pub(crate) struct Topics {
    brokers: String,
    names: Vec<String>,
}

impl Topics {
    /// Makes them.
    pub(crate) async fn create(kafka: &Kafka, prefix: &str, tables: &[String]) -> Result<Self> {
        let names: Vec<String> = tables.iter().map(|table| format!("{prefix}.public.{table}")).collect();
        let topics = Topics { brokers: kafka.brokers(), names };
        let wanted: Vec<NewTopic<'_>> =
            topics.names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1))).collect();
        let made = topics.admin()?.create_topics(&wanted, &options()).await?;
        refused(made)?;
        Ok(topics)
    }

    /// Who is asked again and again how much they have taken: [`count`] adds it up.
    pub(crate) fn ends(&self) -> Result<TopicEnds> {
        TopicEnds::new(&self.brokers, self.names.clone(), 1)
    }

    /// How often they are asked.
    pub(crate) fn interval(&self) -> Duration {
        INTERVAL + INTERVAL_A_TOPIC * self.names.len() as u32
    }

    /// Takes all records out, so that the disk does not fill up; the topics stay, with their offsets.
    pub(crate) async fn empty(&self) -> Result {
        let mut places = TopicPartitionList::new();
        for name in &self.names {
            places.add_partition_offset(name, 0, Offset::End)?;
        }
        let emptied = self.admin()?.delete_records(&places, &options()).await?;
        Ok(emptied.elements().iter().try_for_each(|element| element.error())?)
    }

    /// Removes them.
    pub(crate) async fn remove(self) -> Result {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        refused(self.admin()?.delete_topics(&names, &options()).await?)
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(ClientConfig::new().set("bootstrap.servers", &self.brokers).create()?)
    }
}

/// How many records, and what else counts as one, the topics have ever taken. Blocks.
pub(crate) fn count(ends: &TopicEnds) -> Result<u64> {
    Ok(ends.read()?.values().map(|end| u64::try_from(*end)).sum::<std::result::Result<u64, _>>()?)
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT))
}

fn refused(results: Vec<std::result::Result<String, (String, rdkafka::types::RDKafkaErrorCode)>>) -> Result {
    match results.into_iter().find_map(std::result::Result::err) {
        None => Ok(()),
        Some((topic, code)) => Err(Failure::new(format!("topic {topic}: {code}"))),
    }
}
