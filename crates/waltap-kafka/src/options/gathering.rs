//! Batches that wait for company, where nobody waits for their records.
//!
//! librdkafka has one request of a partition on its way at a time. While a record has waited longer than `linger.ms` for the next one, its thread asks
//! for the answer again and again, on a processor that the source and the broker need (`rd_kafka_toppar_producer_serve`). For a batch that is full it
//! waits in peace. So batches are full early here, and records may wait for longer than a queue that is always full keeps them.

use super::{Options, QUEUE_BYTES_DEFAULT};

/// How long a batch waits, with a queue of [`QUEUE_BYTES_DEFAULT`]: about twice as long as small rows take through such a queue.
const LINGER_MS: f64 = 100.0;

/// How many records make a batch full: so many that requests do not count, so few that those of a dozen partitions have room in the queue.
const BATCH_RECORDS: u32 = 2_500;

impl Options {
    /// The same for rows that are read in bulk.
    #[must_use]
    pub fn for_bulk(mut self) -> Self {
        let chosen = self.properties.get("linger.ms").and_then(|value| value.parse().ok()).unwrap_or_default();
        // Where no batch is ever full, a queue is sent once in this time: the smaller it is, the more often.
        let share = (self.queue_bytes as f64 / QUEUE_BYTES_DEFAULT as f64).min(1.0);
        let millis = (LINGER_MS * share).max(chosen);
        self.properties.insert("linger.ms".to_owned(), millis.to_string());
        self.properties.entry("batch.num.messages".to_owned()).or_insert_with(|| BATCH_RECORDS.to_string());
        self
    }
}
