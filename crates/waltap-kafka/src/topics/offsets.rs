//! How many records topics hold, asked of all partitions at once.

use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use waltap_error::Result;

use super::TopicSummary;
use crate::inquiry::left;
use crate::listener::Listener;
use crate::options::{self, Options};

/// Between two questions while a partition has no leader.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Fills in the records of each topic: the sum of its partitions' newest less oldest offsets.
pub(super) fn count_records(options: &Options, topics: &mut [TopicSummary], deadline: Instant) -> Result<()> {
    if topics.is_empty() {
        return Ok(());
    }
    let consumer: BaseConsumer<Listener> = BaseConsumer::from_config_and_context(&options.consumer_config(), Listener::default())
        .map_err(|error| options::property_error(&error))?;
    let oldest = offsets(&consumer, topics, Offset::Beginning, deadline)?;
    let newest = offsets(&consumer, topics, Offset::End, deadline)?;
    for topic in topics {
        let partitions = 0..topic.partitions;
        topic.records = partitions
            .filter_map(|partition| Some((place(&oldest, &topic.name, partition)?, place(&newest, &topic.name, partition)?)))
            .map(|(oldest, newest)| (newest - oldest).max(0) as u64)
            .sum();
    }
    Ok(())
}

/// One request to each broker instead of two for each partition: Kafka takes "oldest" and "newest" where it takes a time.
fn offsets(
    consumer: &BaseConsumer<Listener>,
    topics: &[TopicSummary],
    which: Offset,
    deadline: Instant,
) -> Result<TopicPartitionList> {
    let doing = "asking Kafka how many records its topics hold";
    let explain = |error: rdkafka::error::KafkaError| {
        consumer.context().explain(doing, error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown))
    };
    let mut places = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..topic.partitions {
            places.add_partition_offset(&topic.name, partition, which).map_err(explain)?;
        }
    }
    loop {
        match consumer.offsets_for_times(places.clone(), left(deadline)) {
            Err(error) if error.rdkafka_error_code().is_some_and(is_without_leader) && left(deadline) > RETRY_DELAY => {
                std::thread::sleep(RETRY_DELAY);
            }
            result => return result.map_err(explain),
        }
    }
}

/// Whether a partition has no leader at the moment, or another one: of a topic that is just being made, or after a broker has gone.
fn is_without_leader(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable)
}

fn place(places: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    match places.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}
