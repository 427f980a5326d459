//! The barest producer: records that are ready in memory, into Kafka, with waltap's own settings of librdkafka. The floor under everything
//! that writes to Kafka.
//!
//! `bare-producer BROKERS LIST SECONDS`. A line of the list is a topic of one partition, and the offsets from and up to which waltap's records are
//! read; all are brought into the order of their positions and sent to the same topics, once, and again until so many seconds are over. Before that it stops
//! itself by a signal, so that whoever measures can begin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::Value;
use waltap_bench::refusals::Refusals;
use waltap_kafka::{Options, Settings};
use waltap_tests::{Failure, Result, ensure};

/// Nothing comes for so long: something is wrong.
const SILENCE: Duration = Duration::from_secs(60);

/// Delivery reports are looked for once in so many records.
const RECORDS_BETWEEN_POLLS: usize = 256;

/// One record, as it was and will be.
struct Ready {
    topic: Arc<str>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [brokers, list, seconds] = arguments.as_slice() else {
        return Err(Failure::new("wanted: BROKERS LIST SECONDS"));
    };
    let time = Duration::from_secs(seconds.parse()?);
    let records = read(brokers, &std::fs::read_to_string(list)?)?;
    let options = Options::new(Settings { brokers: brokers.clone(), ..Settings::default() })?;
    let producer: BaseProducer<Refusals> = options.producer_config().create_with_context(Refusals::default())?;
    // The first record would wait for it.
    producer.client().fetch_metadata(None, SILENCE)?;
    kill_process(getpid(), Signal::STOP)?;
    let began = Instant::now();
    produce(&producer, &records)?;
    while began.elapsed() < time {
        produce(&producer, &records)?;
    }
    let refused = producer.context().count();
    ensure!(refused == 0, "{refused} records were refused");
    // Nobody waits for the memory to be tidied up.
    std::process::exit(0);
}

fn produce(producer: &BaseProducer<Refusals>, records: &[Ready]) -> Result {
    for (place, ready) in records.iter().enumerate() {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&ready.topic);
        (record.key, record.payload) = (ready.key.as_deref(), ready.value.as_deref());
        while let Err((error, unsent)) = producer.send(record) {
            ensure!(error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull), "{error}");
            producer.poll(Duration::from_millis(1));
            record = unsent;
        }
        if place % RECORDS_BETWEEN_POLLS == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    Ok(producer.flush(SILENCE)?)
}

/// All records, in the order in which they were sent first.
fn read(brokers: &str, list: &str) -> Result<Vec<Ready>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "bench").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let (mut places, mut missing) = (TopicPartitionList::new(), 0);
    let mut topics: BTreeMap<String, Arc<str>> = BTreeMap::new();
    for line in list.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [topic, from, to] = words.as_slice() else { return Err(Failure::new(format!("no topic with its offsets: {line}"))) };
        let (from, to): (i64, i64) = (from.parse()?, to.parse()?);
        if to > from {
            missing += to - from;
            places.add_partition_offset(topic, 0, Offset::Offset(from))?;
            topics.insert((*topic).to_owned(), (*topic).into());
        }
    }
    consumer.assign(&places)?;
    let mut records = Vec::new();
    while missing > 0 {
        let message = consumer.poll(SILENCE).ok_or_else(|| Failure::new(format!("nothing came for {SILENCE:?}")))?;
        let message = message.map_err(|error: KafkaError| Failure::from(error))?;
        let topic = topics.get(message.topic()).cloned().ok_or_else(|| Failure::new("a record of a topic not asked for"))?;
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let position = position(message.payload().unwrap_or_default(), topics.len() > 1)?;
        records.push((position, Ready { topic, key: owned(message.key()), value: owned(message.payload()) }));
        missing -= 1;
    }
    // Stable: those of one topic are in order already.
    records.sort_by_key(|(position, _)| *position);
    Ok(records.into_iter().map(|(_, record)| record).collect())
}

/// Where an event stands, by its commit and its ordinal. Not asked for where all are of one topic, which has them in order.
fn position(value: &[u8], is_asked: bool) -> Result<(u64, u64)> {
    if !is_asked {
        return Ok((0, 0));
    }
    let event: Value = serde_json::from_slice(value)?;
    let source = &event["source"];
    let commit = source["commit_lsn"]
        .as_str()
        .and_then(|lsn| lsn.split_once('/'))
        .and_then(|(high, low)| Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?));
    commit.zip(source["seq"].as_u64()).ok_or_else(|| Failure::new(format!("an event without a position: {source}")))
}
