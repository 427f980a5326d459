//! The servers that a benchmark measures with, set the same in all that use this.

use std::time::Duration;

use waltap_tests::{Kafka, KafkaOptions, Kit, Postgres, PostgresOptions, Result};

use crate::sampler::{descendants_cpu, usage};

/// As the measurements of PostgreSQL's limits have it: nothing else works, and what was written lies in memory.
const SETTINGS: [(&str, &str); 10] = [
    ("max_replication_slots", "200"),
    ("max_wal_senders", "100"),
    ("max_connections", "300"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("min_wal_size", "2GB"),
    ("checkpoint_timeout", "30min"),
    ("autovacuum", "off"),
    ("jit", "off"),
    ("wal_sender_timeout", "0"),
];

/// A broker as one that is at work for long: with Java's best compiler, which the kit leaves out to start quicker, and room for 10,000 topics.
const JAVA: [&str; 2] = ["-XX:TieredStopAtLevel=4", "-Xmx3g"];

/// A deleted topic gives its disk back at once: turns would fill it otherwise.
const DELETE_DELAY: (&str, &str) = ("log.segment.delete.delay.ms", "1000");

/// PostgreSQL's options.
pub fn postgres_options() -> PostgresOptions {
    SETTINGS.iter().fold(PostgresOptions::default(), |options, (name, value)| options.set(name, value))
}

/// Kafka's.
pub fn kafka_options() -> KafkaOptions {
    JAVA.iter().fold(KafkaOptions::default(), |options, option| options.java(option)).set(DELETE_DELAY.0, DELETE_DELAY.1)
}

/// Both.
pub struct Servers {
    /// The source.
    pub postgres: Postgres,
    /// Where events go.
    pub kafka: Kafka,
}

impl Servers {
    /// Starts them.
    pub async fn start(kit: &Kit) -> Result<Self> {
        Ok(Servers { postgres: kit.postgres_with(postgres_options()).await?, kafka: kit.kafka_with(kafka_options()).await? })
    }

    /// What both have used until now.
    pub fn meter(&self) -> Meter {
        Meter {
            postgres: self.postgres.id().map(descendants_cpu).unwrap_or_default(),
            kafka: self.kafka.id().and_then(usage).unwrap_or_default().cpu,
        }
    }
}

/// The servers' account at one moment, or between two.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// User and system time of PostgreSQL, all its processes together, those too that have ended.
    pub postgres: Duration,
    /// That of the broker.
    pub kafka: Duration,
}

impl Meter {
    /// What was used since an earlier one.
    pub fn since(&self, earlier: &Meter) -> Meter {
        Meter { postgres: self.postgres.saturating_sub(earlier.postgres), kafka: self.kafka.saturating_sub(earlier.kafka) }
    }
}
