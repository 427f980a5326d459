//! Batches of records for which nobody waits one by one: rows that are read in bulk, and what goes into Kafka transactions, where a commit has
//! librdkafka send all that it holds.
//!
//! librdkafka has one request of a partition on its way at a time. While a record has waited longer than `linger.ms` for the next one, its thread asks
//! for the answer again and again, on a processor that the source and the broker need (`rd_kafka_toppar_producer_serve` of 2.12). So records may wait here
//! for longer than a queue that is always full keeps them, and batches are sent because they are full.

use super::{BATCH_BYTES_DEFAULT, LINGER, Options, QUEUE_BYTES_DEFAULT};

/// How long a batch waits, with a full-sized queue. By its size small rows take 35 to 60 ms through it, at 950,000 to 550,000 a second. Where batches
/// are never full, since a topic has more partitions than it was thought to have, a queue is sent once in this time.
const LINGER_MS: f64 = 60.0;

/// How many small rows a queue of [`QUEUE_BYTES_DEFAULT`] holds, with what is kept beside each.
const QUEUE_RECORDS: f64 = 33_000.0;

/// How many batches of each partition a queue has room for: of two topics at once, and not evenly spread.
const BATCHES_A_QUEUE: f64 = 3.0;

/// librdkafka's own; larger ones are of no use.
const BATCH_RECORDS_MAX: f64 = 10_000.0;

impl Options {
    /// The same with large batches, which wait to be full, for topics of so many partitions as far as is known. What the user has chosen stays.
    #[must_use]
    pub fn for_throughput(mut self, partitions: i32) -> Self {
        let number = |name: &str| self.properties.get(name).and_then(|value| value.parse::<f64>().ok());
        // A smaller queue is through sooner. Zero is no bound.
        let by_bytes = self.queue_bytes as f64 / QUEUE_BYTES_DEFAULT as f64 * QUEUE_RECORDS;
        let by_records = number("queue.buffering.max.messages").filter(|records| *records > 0.0).unwrap_or(f64::INFINITY);
        let records = by_bytes.min(by_records).min(QUEUE_RECORDS);
        // Who wants other batches, or larger ones, has them. Smaller ones than usual may be our own bound.
        let has_larger = number("batch.size").is_some_and(|bytes| bytes > BATCH_BYTES_DEFAULT as f64);
        if !self.chooses_linger {
            let usual = number(LINGER).unwrap_or_default();
            let millis = (LINGER_MS * records / QUEUE_RECORDS).max(usual);
            self.properties.insert(LINGER.to_owned(), format!("{millis:.3}"));
        }
        if !has_larger && !self.properties.contains_key("batch.num.messages") {
            let batch = records / (BATCHES_A_QUEUE * f64::from(partitions.max(1)));
            let batch = batch.clamp(1.0, BATCH_RECORDS_MAX) as u32;
            self.properties.insert("batch.num.messages".to_owned(), batch.to_string());
        }
        self
    }
}
