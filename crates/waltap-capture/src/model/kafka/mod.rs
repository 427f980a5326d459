//! A Kafka cluster, as far as a tap can tell.

mod cluster;
pub(in crate::model) mod log;
mod producer;
mod progress;
mod transactions;

use std::collections::BTreeMap;

pub(crate) use cluster::Cluster;
pub(crate) use producer::Producer;
pub(crate) use progress::ProgressTopic;

use super::random::Random;
use log::Log;
use producer::Queue;

pub(super) struct Kafka {
    pub(super) log: Log,
    /// Partitions of the topics that are there.
    pub(super) topics: BTreeMap<String, i32>,
    /// The progress topic, as somebody reads it now.
    pub(super) progress: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Writes to it that are on their way, in their order.
    writes: Vec<progress::Write>,
    next_write: u64,
    producers: BTreeMap<u64, Queue>,
    next_producer: u64,
    /// Whether brokers answer.
    pub(super) up: bool,
    /// Chooses the partition of a key.
    salt: u64,
}

impl Kafka {
    pub(super) fn new(random: &mut Random) -> Self {
        Kafka {
            log: Log::default(),
            topics: BTreeMap::new(),
            progress: BTreeMap::new(),
            writes: Vec::new(),
            next_write: 0,
            producers: BTreeMap::new(),
            next_producer: 0,
            up: true,
            salt: random.next(),
        }
    }

    fn partition(&self, topic: &str, key: &[u8]) -> i32 {
        let partitions = self.topics.get(topic).copied().unwrap_or(1);
        let hash = key.iter().fold(self.salt, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        ((hash >> 20) % partitions as u64) as i32
    }
}
