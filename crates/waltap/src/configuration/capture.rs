//! From what was written to what a capture is told to do.

use std::convert::Infallible;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use waltap_capture::{
    BadEvents, ChunkOptions, ColumnSelection, DatabaseSelection, Delivery, KafkaSinkOptions, KeyChoice, NewTables, Options,
    OutboxChoice, SinkOptions, SnapshotMode, StreamingOptions, TableSelection, TopicTemplate, TransactionBounds,
};
use waltap_error::{Code, Error, Result};
use waltap_event::{Format, HeaderSet, Salt, debezium, flat, native};

use super::layer::Origin;
use super::read::Configuration;
use super::size::parse_size;

/// The least that open transactions may take in memory: below it every write to the disk would be a small one.
const SPILL_MEMORY_MIN: u64 = 64 << 10;

/// The most connections that read a snapshot for one database: the server has a few hundred connections for everybody.
const SNAPSHOT_WORKERS_MAX: usize = 64;

/// The rows of a chunk are held in memory until the stream has caught up.
const CHUNK_ROWS_MAX: u64 = 100_000;

/// Between two looks at the catalog there is at least this: it costs the server a few queries for each database.
const DISCOVERY_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// A commit costs milliseconds: below this there is nothing to choose.
const TRANSACTION_LATENCY_MIN: Duration = Duration::from_millis(1);

/// Well under the time after which Kafka rolls a transaction back.
const TRANSACTION_LATENCY_MAX: Duration = Duration::from_secs(10);

/// Below this most PostgreSQL transactions would be parted.
const TRANSACTION_BYTES_MIN: u64 = 64 << 10;

/// Settings that mean nothing when events go to standard output.
const KAFKA_ONLY: &[&str] = &[
    "brokers",
    "partitions",
    "replication-factor",
    "queue-bytes",
    "delivery",
    "transaction-max-latency",
    "transaction-max-bytes",
    "on-bad-event",
    "dead-letter-topic",
];

impl Configuration {
    /// All that a capture is told to do.
    pub(crate) fn capture(&self) -> Result<Options> {
        let snapshot = match self.choice("snapshot")? {
            "never" => SnapshotMode::Never,
            "only" => SnapshotMode::Only,
            _ => SnapshotMode::Initial,
        };
        let workers = self.read("snapshot-workers", |text| {
            let workers = text.trim().parse().ok().filter(|workers: &NonZeroUsize| workers.get() <= SNAPSHOT_WORKERS_MAX);
            workers.ok_or_else(|| format!("is not a whole number from 1 to {SNAPSHOT_WORKERS_MAX}"))
        })?;
        Ok(Options {
            name: self.name()?,
            databases: self.databases()?,
            tables: self.tables()?,
            columns: self.columns()?,
            publication: self.read("publication", |text| if text.is_empty() { Err("is empty") } else { Ok(text.to_owned()) })?,
            snapshot,
            snapshot_workers: workers.unwrap_or(NonZeroUsize::MIN),
            chunks: self.chunks()?,
            sink: self.sink()?,
            topic: self.topic()?,
            outboxes: self.outboxes()?,
            schema_topic: self
                .read("schema-topic", |text| if text.is_empty() { Err("is empty") } else { Ok(text.to_owned()) })?,
            keys: self.keys()?,
            format: self.format()?,
            headers: match self.choice("headers")? {
                "position" => HeaderSet::Position,
                "cloudevents" => HeaderSet::CloudEvents,
                _ => HeaderSet::None,
            },
            messages: self.switch("messages")?,
            streaming: self.streaming()?,
            guard: self.guard()?,
            failover_slot: self.switch("failover-slot")?,
            on_slot_lost: self.on_slot_lost(snapshot)?,
            discovery_interval: self.discovery_interval()?,
            standby: self.standby()?,
            source: self.source()?.with_process_name(&self.name()?),
        })
    }

    /// How tables are read in chunks.
    fn chunks(&self) -> Result<ChunkOptions> {
        let rows = self.read("snapshot-chunk-rows", |text| {
            let rows = text.trim().parse().ok().filter(|rows: &NonZeroU64| rows.get() <= CHUNK_ROWS_MAX);
            rows.ok_or_else(|| format!("is not a whole number from 1 to {CHUNK_ROWS_MAX}"))
        })?;
        let rate = self.read("snapshot-rate", |text| match text.trim() {
            "none" => Ok(None),
            text => text.parse().map(Some).map_err(|_| "is not a whole number above 0, or none"),
        })?;
        Ok(ChunkOptions {
            new_tables: match self.choice("new-tables")? {
                "chunks" => NewTables::Chunks,
                _ => NewTables::Snapshot,
            },
            rows: rows.unwrap_or(ChunkOptions::ROWS_DEFAULT),
            rate: rate.flatten(),
        })
    }

    /// The databases that are meant.
    pub(crate) fn databases(&self) -> Result<DatabaseSelection> {
        self.place("database", DatabaseSelection::parse(self.texts("database")))
    }

    /// Whether others of the same user may look into the process.
    pub(crate) fn core_dumps(&self) -> Result<bool> {
        self.switch("core-dumps")
    }

    /// The capture's name.
    pub(crate) fn name(&self) -> Result<String> {
        self.required("name", name)
    }

    /// A name that was given otherwise.
    pub(crate) fn checked_name(text: &str) -> Result<String> {
        name(text).map_err(|wrong| Error::configuration(Code::INVALID_VALUE, format!("the capture's name `{text}` {wrong}")))
    }

    /// The capture's name, when one was asked for.
    pub(crate) fn name_if_given(&self) -> Result<Option<String>> {
        match self.entry("name") {
            Some(entry) if entry.origin != Origin::Default => self.name().map(Some),
            _ => Ok(None),
        }
    }

    fn tables(&self) -> Result<TableSelection> {
        // One after the other, so that an error names the one that is wrong.
        self.place("table", TableSelection::parse(self.texts("table"), &[]))?;
        self.place("exclude-table", TableSelection::parse(&[], self.texts("exclude-table")))?;
        TableSelection::parse(self.texts("table"), self.texts("exclude-table"))
    }

    fn columns(&self) -> Result<ColumnSelection> {
        let salt = self.read("mask-salt-file", read_salt)?;
        let mut columns = ColumnSelection::default();
        for text in self.texts("include-columns") {
            self.place("include-columns", columns.include(text))?;
        }
        for text in self.texts("exclude-columns") {
            self.place("exclude-columns", columns.exclude(text))?;
        }
        for text in self.texts("mask-columns") {
            self.place("mask-columns", columns.mask(text, salt.as_ref()))?;
        }
        Ok(columns)
    }

    fn topic(&self) -> Result<TopicTemplate> {
        let text = self.required("topic", |text| Ok::<_, Infallible>(text.to_owned()))?;
        self.place("topic", TopicTemplate::parse(&text))
    }

    fn outboxes(&self) -> Result<Vec<OutboxChoice>> {
        let topic = self.required("outbox-topic", |text| Ok::<_, Infallible>(text.to_owned()))?;
        self.texts("outbox").iter().map(|text| self.place("outbox", OutboxChoice::parse(text, &topic))).collect()
    }

    fn keys(&self) -> Result<Vec<KeyChoice>> {
        self.texts("key").iter().map(|text| self.place("key", KeyChoice::parse(text))).collect()
    }

    fn format(&self) -> Result<Format> {
        let tombstones = self.switch("tombstones")?;
        let properties = self.texts("debezium");
        let format = self.choice("format")?;
        if format != "debezium" && !properties.is_empty() {
            return Err(Error::configuration(
                Code::CONFLICTING_OPTIONS,
                format!("`debezium` is about the format of that name, and the format is {format}"),
            )
            .remedy("add --format debezium, or leave out --debezium"));
        }
        Ok(match format {
            "flat" => Format::Flat(flat::Options { tombstones }),
            "debezium" => {
                let mut options = debezium::Options::default();
                // Debezium's own default, unless something was said.
                if self.entry("tombstones").is_some_and(|entry| entry.origin != Origin::Default) {
                    options.tombstones = tombstones;
                }
                for property in properties {
                    self.place("debezium", debezium_property(&mut options, property))?;
                }
                Format::Debezium(Box::new(options))
            }
            _ => Format::Native(native::Options { tombstones }),
        })
    }

    fn streaming(&self) -> Result<StreamingOptions> {
        let spill_memory = self.required("spill-memory", |text| match parse_size(text) {
            Ok(bytes) if bytes >= SPILL_MEMORY_MIN => usize::try_from(bytes).map_err(|_| "is larger than this machine's memory"),
            Ok(_) => Err("is less than 64KiB"),
            Err(_) => Err("is not a size in bytes such as `8MiB`, `1GB` or `500000`"),
        })?;
        let directory = self.read("spill-directory", |path| match path.is_empty() {
            true => Err("is empty"),
            false => Ok(PathBuf::from(path)),
        })?;
        Ok(StreamingOptions {
            open_transactions: self.required("streaming", |text| match text.trim() {
                // What YAML makes of `on` and `off` when they stand without quotes.
                "on" | "true" => Ok(true),
                "off" | "false" => Ok(false),
                _ => Err("is neither `on` nor `off`"),
            })?,
            two_phase: self.switch("two-phase")?,
            spill_memory,
            spill_directory: directory.unwrap_or_else(std::env::temp_dir),
        })
    }

    fn discovery_interval(&self) -> Result<Duration> {
        self.required("discovery-interval", |text| match humantime::parse_duration(text.trim()) {
            Ok(interval) if interval >= DISCOVERY_INTERVAL_MIN => Ok(interval),
            Ok(_) => Err("is less than 100ms"),
            Err(_) => Err("is not a duration such as `10s`, `2m` or `1h 30m`"),
        })
    }

    fn sink(&self) -> Result<SinkOptions> {
        if self.choice("sink")? == "stdout" {
            self.refuse_kafka_settings()?;
            return Ok(SinkOptions::Stdout);
        }
        let partitions = self.number("partitions", 1, "is not a whole number, 1 or more")?;
        let replicas = self.number::<i16>("replication-factor", 1, "is not a whole number, 1 or more")?;
        Ok(SinkOptions::Kafka(KafkaSinkOptions {
            client: self.kafka()?,
            partitions: partitions.unwrap_or(1),
            replication_factor: replicas.map_or(-1, i32::from),
            delivery: self.delivery()?,
            bad_events: self.bad_events()?,
        }))
    }

    fn bad_events(&self) -> Result<BadEvents> {
        let topic = self.dead_letter_topic()?;
        Ok(match self.choice("on-bad-event")? {
            "dead-letter" => BadEvents::DeadLetter { topic },
            _ => BadEvents::Stop,
        })
    }

    /// The topic of dead letters.
    pub(crate) fn dead_letter_topic(&self) -> Result<String> {
        self.required("dead-letter-topic", |text| match waltap_kafka::legal_topic_name(text) {
            Ok(name) if name == text => Ok(text.to_owned()),
            _ => Err("is not a legal name of a topic"),
        })
    }

    fn delivery(&self) -> Result<Delivery> {
        let latency_max = self.required("transaction-max-latency", |text| match humantime::parse_duration(text.trim()) {
            Ok(latency) if (TRANSACTION_LATENCY_MIN..=TRANSACTION_LATENCY_MAX).contains(&latency) => Ok(latency),
            Ok(_) => Err("is not between 1ms and 10s"),
            Err(_) => Err("is not a duration such as `250ms` or `1s`"),
        })?;
        let bytes_max = self.required("transaction-max-bytes", |text| match parse_size(text) {
            Ok(bytes) if bytes >= TRANSACTION_BYTES_MIN => Ok(bytes),
            Ok(_) => Err("is less than 64KiB"),
            Err(_) => Err("is not a size in bytes such as `64MiB`, `1GB` or `500000`"),
        })?;
        if self.choice("delivery")? != "exactly-once" {
            return Ok(Delivery::AtLeastOnce);
        }
        if self.switch("two-phase")? {
            // A place in the stream does not say whether a transaction that was prepared before it was sent then, or waits for its commit.
            let message = "`two-phase` sends what may be rolled back, and does not go with `delivery: exactly-once`";
            return Err(Error::configuration(Code::CONFLICTING_OPTIONS, message).remedy("leave out one of the two"));
        }
        Ok(Delivery::ExactlyOnce(TransactionBounds { latency_max, bytes_max }))
    }

    /// Kafka's settings beside `sink: stdout` are a contradiction when both were written in the same place, or the former in a stronger
    /// one. In a weaker one they are what the user turned away from to have a look.
    fn refuse_kafka_settings(&self) -> Result<()> {
        let Some(sink) = self.entry("sink") else { return Ok(()) };
        for key in KAFKA_ONLY {
            let Some(entry) = self.entry(key).filter(|entry| entry.origin != Origin::Default) else { continue };
            if entry.origin.rank() >= sink.origin.rank() {
                return Err(Error::configuration(
                    Code::CONFLICTING_OPTIONS,
                    format!(
                        "`sink: stdout` ({}) sends nothing to Kafka, and `{key}` ({}) is about Kafka",
                        sink.origin, entry.origin
                    ),
                )
                .remedy("leave out one of the two"));
            }
        }
        Ok(())
    }
}

fn read_salt(path: &str) -> Result<Salt, String> {
    let secret = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    Salt::new(secret.trim_ascii_end()).ok_or_else(|| "is an empty file".to_owned())
}

fn debezium_property(options: &mut debezium::Options, text: &str) -> Result<()> {
    let invalid = |message: String| Error::configuration(Code::INVALID_VALUE, message);
    let Some((name, value)) = text.split_once('=') else {
        return Err(invalid(format!("`{text}` is not of the form NAME=VALUE")));
    };
    options.set(name.trim(), value.trim()).map_err(|error| match error {
        debezium::PropertyError::Value { source, .. } => invalid(format!("`{text}`: {source}")),
        error => invalid(format!("`{text}`: {error}")),
    })
}

/// The name of a capture, or what is wrong with it.
fn name(text: &str) -> Result<String, String> {
    match Options::is_valid_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("is not made of 1 to {} small letters, digits and underscores", Options::NAME_BYTES_MAX)),
    }
}
