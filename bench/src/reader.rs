//! A reader of a topic, as quick as one can be.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use waltap_tests::{Result, ensure};

/// Nothing comes for so long: something is wrong.
const SILENCE: Duration = Duration::from_secs(60);

/// How a consumer must be set to add no delay of its own and to cost little: the broker answers as soon as there is one byte, and where there is
/// none it holds the question, so that asking again and again takes no processor.
const PROPERTIES: [(&str, &str); 8] = [
    ("group.id", "bench"),
    ("enable.auto.commit", "false"),
    ("fetch.min.bytes", "1"),
    ("fetch.wait.max.ms", "500"),
    ("fetch.error.backoff.ms", "10"),
    ("topic.metadata.refresh.interval.ms", "100"),
    ("allow.auto.create.topics", "false"),
    ("socket.nagle.disable", "true"),
];

/// What a reader sees, by Kafka's name (`isolation.level`).
#[derive(Clone, Copy, Debug)]
pub enum Isolation {
    /// Only what was committed.
    Committed,
    /// All.
    Uncommitted,
}

/// Reads a topic of one partition from its beginning, and gives each value and the time at which it came to `take`, until that says that it
/// has had enough. Blocks.
pub fn read(brokers: &str, topic: &str, isolation: Isolation, mut take: impl FnMut(&[u8], Instant) -> bool) -> Result {
    let isolation = match isolation {
        Isolation::Committed => "read_committed",
        Isolation::Uncommitted => "read_uncommitted",
    };
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("isolation.level", isolation);
    for (name, value) in PROPERTIES {
        config.set(name, value);
    }
    let consumer: BaseConsumer = config.create()?;
    let mut places = TopicPartitionList::new();
    places.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&places)?;
    let mut last = Instant::now();
    loop {
        // Errors pass: a topic that is not there yet.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            last = Instant::now();
            if message.payload().is_some_and(|value| !take(value, last)) {
                return Ok(());
            }
        }
        ensure!(last.elapsed() < SILENCE, "nothing came in {topic} for {SILENCE:?}");
    }
}
