//! The two halves of the way, each alone: from a commit to a bare client of a slot, without Kafka; and from a producer to a consumer, without
//! PostgreSQL.

use std::io;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use waltap_bench::wire::{self, Purpose, Wire};
use waltap_tests::Result;

use super::clock::{Schedule, now_micros};

/// As waltap's producer, but that no record waits for others.
const PROPERTIES: [(&str, &str); 4] =
    [("enable.idempotence", "true"), ("acks", "all"), ("compression.type", "lz4"), ("linger.ms", "0")];

/// About as much as stands around a small row in waltap's records.
const PADDING: usize = 250;

/// Reads a slot, eagerly, until so many rows have come, and gives the latency of each. Blocks.
pub(crate) fn drain(port: u16, database: &str, slot: &str, publication: &str, count: u32) -> Result<Vec<f64>> {
    let mut wire = Wire::connect(&format!("127.0.0.1:{port}"), database, Purpose::Replication)?;
    let start =
        format!("START_REPLICATION SLOT \"{slot}\" LOGICAL 0/0 (proto_version '1', publication_names '\"{publication}\"')");
    wire.begin(&start, b'W')?;
    let mut latencies = Vec::with_capacity(count as usize);
    while latencies.len() < count as usize {
        wire.fill()?;
        let now = now_micros();
        let mut is_asked = false;
        while let Some(frame) = wire.next_frame()? {
            match frame.first() {
                Some(b'w') => latencies.extend(inserted(frame).map(|sent| now.saturating_sub(sent) as f64)),
                Some(b'k') => is_asked |= frame.last() == Some(&1),
                _ => return Err(wire::broken("a frame of no known kind").into()),
            }
        }
        if is_asked {
            wire.status(0)?;
        }
    }
    Ok(latencies)
}

/// The second column of an inserted row (the manual, chapter 55.9: behind 25 bytes of XLogData come `I`, the table's OID, `N`, the number of
/// columns, and each as `t`, a length and text).
fn inserted(frame: &[u8]) -> Option<u64> {
    let row = frame.get(25..)?.strip_prefix(b"I")?.get(4 + 1 + 2..)?;
    let column = |from: &'_ [u8]| -> Option<(usize, usize)> {
        let length = u32::from_be_bytes(from.strip_prefix(b"t")?.get(..4)?.try_into().ok()?) as usize;
        Some((5, 5 + length))
    };
    let (_, first_end) = column(row)?;
    let second = row.get(first_end..)?;
    let (start, end) = column(second)?;
    std::str::from_utf8(second.get(start..end)?).ok()?.parse().ok()
}

/// Produces a record at each time of the schedule. Blocks.
pub(crate) fn produce(brokers: &str, topic: &str, rate: u32, count: u32) -> Result {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    for (name, value) in PROPERTIES {
        config.set(name, value);
    }
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = config.create()?;
    let padding = "x".repeat(PADDING);
    let schedule = Schedule::begin(rate, count);
    for number in 0..count {
        schedule.wait_for(number);
        let (key, value) = (format!("{{\"id\":{number}}}"), format!("{{\"of\":\"{padding}\",\"sent\":{}}}", now_micros()));
        producer.send(BaseRecord::to(topic).key(&key).payload(&value)).map_err(|(error, _)| io::Error::other(error))?;
    }
    producer.flush(Duration::from_secs(30))?;
    Ok(())
}
