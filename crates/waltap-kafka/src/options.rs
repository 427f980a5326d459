//! How Kafka is reached and fed: what the user may choose, validated once.

mod gathering;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use waltap_error::{Code, Error, Result};

use crate::property::{self, Property};

/// How much may wait for Kafka in one producer, unless the user says otherwise: 16 MiB is over 100 ms of the fastest stream that
/// PostgreSQL can feed us, and small enough for several databases in one process.
pub const QUEUE_BYTES_DEFAULT: usize = 16 << 20;

/// The smallest queue that makes sense: below this a producer waits for Kafka after every few records.
const QUEUE_BYTES_MIN: usize = 4 << 10;

/// How long a batch waits for more records: long enough to fill batches at a few thousand records a second, short enough to stay out of
/// the way of a reader who waits for a commit.
pub const LINGER_DEFAULT: Duration = Duration::from_millis(2);

/// The largest record sent, as in librdkafka and a little under Kafka's own default (1,048,588 with overhead), so that a record that the
/// broker would refuse is refused here, before it costs the producer its life.
pub const MESSAGE_BYTES_MAX_DEFAULT: usize = 1_000_000;

/// The largest batch, unless the user says otherwise: librdkafka's own default.
const BATCH_BYTES_DEFAULT: usize = 1_000_000;

/// The name under which brokers know us in their logs and quotas.
pub const CLIENT_ID_DEFAULT: &str = "waltap";

/// How often it is looked how clients stand with the brokers.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How long librdkafka tries one connection: its own default.
const CONNECTION_TIMEOUT_MS: u64 = 30_000;

/// How long it waits at most before it tries again. A broker that restarts is found again within two seconds.
const RECONNECT_PAUSE_MAX_MS: u64 = 2_000;

/// How long Kafka lets a transaction be open before it rolls it back. A table of a snapshot goes in one where it can, so this is long; a waltap
/// that is killed and does not come back keeps readers of its topics waiting that long at most.
const TRANSACTION_TIMEOUT_MS: u64 = 300_000;

/// How long a broker may take to answer: librdkafka's own default.
const SOCKET_TIMEOUT_MS: u64 = 60_000;

/// librdkafka's bound on queued records, which ours on bytes reaches first for records of any real size.
const QUEUE_RECORDS_MAX: usize = 10_000_000;

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip: small, slow.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4: a third of the size of JSON for little CPU.
    #[default]
    Lz4,
    /// zstd: smaller than lz4, for two to three times its CPU.
    Zstd,
}

impl Compression {
    /// Kafka's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
            .into_iter()
            .find(|compression| compression.as_str() == text)
            .ok_or_else(|| {
                Error::configuration(
                    Code::INVALID_VALUE,
                    format!("the compression {text:?} is not one of none, gzip, snappy, lz4, zstd"),
                )
            })
    }
}

/// What the user may choose, not yet validated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `host:port`, several parted by commas.
    pub brokers: String,
    /// Properties for librdkafka, which replace what is set here.
    pub properties: Vec<Property>,
    /// How many bytes may wait for Kafka in one producer.
    pub queue_bytes: usize,
    /// How long a batch waits for more records.
    pub linger: Duration,
    /// How batches are compressed.
    pub compression: Compression,
    /// The largest record that is sent, before compression.
    pub message_bytes_max: usize,
    /// The name under which brokers know us.
    pub client_id: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            brokers: "localhost:9092".to_owned(),
            properties: Vec::new(),
            queue_bytes: QUEUE_BYTES_DEFAULT,
            linger: LINGER_DEFAULT,
            compression: Compression::default(),
            message_bytes_max: MESSAGE_BYTES_MAX_DEFAULT,
            client_id: CLIENT_ID_DEFAULT.to_owned(),
        }
    }
}

/// How Kafka is reached and fed. Valid by construction: every property is known to librdkafka and none breaks a guarantee.
#[derive(Clone)]
pub struct Options {
    brokers: String,
    queue_bytes: usize,
    message_bytes_max: usize,
    /// Whether the user says how long batches wait.
    chooses_linger: bool,
    /// What a producer is made with, the user's properties included.
    properties: BTreeMap<String, String>,
    username: Option<String>,
}

impl Options {
    /// Validates what the user chose. Connects to nothing.
    pub fn new(settings: Settings) -> Result<Self> {
        let brokers = checked_brokers(&settings.brokers)?;
        if settings.queue_bytes < QUEUE_BYTES_MIN {
            let message = format!("a Kafka queue of {} bytes is too small: at least {QUEUE_BYTES_MIN}", settings.queue_bytes);
            return Err(Error::configuration(Code::INVALID_VALUE, message));
        }
        let mut properties = defaults(&settings, &brokers);
        let chooses_linger = settings.properties.iter().any(|property| property.canonical_name() == LINGER);
        for property in &settings.properties {
            property::check_guarantees(property)?;
            check_known(property)?;
            properties.insert(property.canonical_name().to_owned(), property.value().to_owned());
        }
        let message_bytes_max =
            properties.get("message.max.bytes").and_then(|value| value.parse().ok()).unwrap_or(settings.message_bytes_max);
        // librdkafka's own bound stands well behind ours: one record of any allowed size fits, whatever else is in flight.
        let backstop = settings.queue_bytes.saturating_mul(2).saturating_add(message_bytes_max).div_ceil(1024);
        properties.insert("queue.buffering.max.kbytes".to_owned(), backstop.min(i32::MAX as usize).to_string());
        let username = properties.get("sasl.username").cloned();
        let options =
            Options { brokers, queue_bytes: settings.queue_bytes, message_bytes_max, chooses_linger, properties, username };
        options.producer_config().create_native_config().map_err(|error| property_error(&error))?;
        Ok(options)
    }

    /// The brokers as the user named them.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// How many bytes may wait for Kafka in one producer.
    pub fn queue_bytes(&self) -> usize {
        self.queue_bytes
    }

    /// The same with a smaller queue: a share of what several producers have together. Never larger than it was.
    #[must_use]
    pub fn with_queue_share(mut self, bytes: usize) -> Self {
        // librdkafka's own bound stays where it is, well behind.
        self.queue_bytes = self.queue_bytes.min(bytes.max(QUEUE_BYTES_MIN));
        self
    }

    /// The largest record that is sent, before compression.
    pub fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// The same with batches of no more than so many bytes: a broker measures its bound on a record by the batch that it comes in.
    #[must_use]
    pub fn with_batch_bytes(mut self, bytes_max: usize) -> Self {
        let chosen = self.properties.get("batch.size").and_then(|value| value.parse().ok()).unwrap_or(BATCH_BYTES_DEFAULT);
        self.properties.insert("batch.size".to_owned(), chosen.min(bytes_max.max(1)).to_string());
        self
    }

    /// The same for so many topics, unless the user chose another interval than ours for asking the brokers for them.
    #[must_use]
    pub fn for_topics(mut self, topics: usize) -> Self {
        if self.millis(METADATA_INTERVAL, 0) == Duration::from_millis(METADATA_INTERVAL_MS.into()) {
            let times = (topics as f64 / METADATA_TOPICS).powi(2).max(1.0);
            let interval = (f64::from(METADATA_INTERVAL_MS) * times).min(METADATA_INTERVAL_MAX_MS.into()) as u32;
            self.properties.insert(METADATA_INTERVAL.to_owned(), interval.to_string());
        }
        self
    }

    /// The same with one property changed.
    #[must_use]
    pub(crate) fn with_property(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same for a producer of transactions under this id.
    #[must_use]
    pub(crate) fn transactional(mut self, id: &str) -> Self {
        // A record that is not delivered fails its transaction, and everything in it is sent again: there is no gap to guard against, and
        // librdkafka takes the time of the transaction for that of its records.
        self.properties.remove("enable.gapless.guarantee");
        self.properties.remove("delivery.timeout.ms");
        let timeout = self.properties.entry("transaction.timeout.ms".to_owned()).or_insert(TRANSACTION_TIMEOUT_MS.to_string());
        let timeout = timeout.parse().unwrap_or(TRANSACTION_TIMEOUT_MS);
        // librdkafka would wait as long for a broker that has fallen silent as for the transaction.
        let socket = self.properties.entry("socket.timeout.ms".to_owned()).or_insert(SOCKET_TIMEOUT_MS.min(timeout).to_string());
        if socket.parse().is_ok_and(|socket: u64| socket > timeout) {
            *socket = timeout.to_string();
        }
        self.properties.insert("transactional.id".to_owned(), id.to_owned());
        self
    }

    /// How long Kafka lets a transaction be open.
    pub fn transaction_timeout(&self) -> Duration {
        self.millis("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
    }

    /// How often it is looked how clients stand with the brokers.
    pub(crate) fn look_interval(&self) -> Duration {
        match self.millis(LOOK_PROPERTY, 0) {
            Duration::ZERO => LOOK_INTERVAL,
            chosen => chosen,
        }
    }

    /// How long librdkafka may take to be connected once Kafka can be reached: until an attempt under way has failed and the next one is made.
    pub(crate) fn reconnect_patience(&self) -> Duration {
        self.millis("socket.connection.setup.timeout.ms", CONNECTION_TIMEOUT_MS)
            + self.millis("reconnect.backoff.max.ms", RECONNECT_PAUSE_MAX_MS)
    }

    fn millis(&self, property: &str, otherwise: u64) -> Duration {
        let chosen = self.properties.get(property).and_then(|value| value.parse().ok());
        Duration::from_millis(chosen.unwrap_or(otherwise))
    }

    /// Whether keys belong to the partitions that Java clients give them, and not to those of another `partitioner`.
    pub fn places_keys_as_java(&self) -> bool {
        self.properties.get("partitioner").is_some_and(|partitioner| matches!(partitioner.trim(), "murmur2" | "murmur2_random"))
    }

    /// The principal that Kafka's access rules are written for, as far as we know it.
    pub(crate) fn principal(&self) -> String {
        format!("User:{}", self.username.as_deref().unwrap_or("<the user that waltap connects as>"))
    }

    /// The configuration of a producer, also for one that is measured without all that stands around ours.
    pub fn producer_config(&self) -> ClientConfig {
        let mut config: ClientConfig = self.properties.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        // librdkafka would keep 23 KB more for each topic.
        config.set(LOOK_PROPERTY, "0");
        // What is not shown in the end is decided by the tracing subscriber.
        let level = if self.properties.contains_key("debug") { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info };
        config.set_log_level(level);
        config
    }

    /// The configuration of a client that only asks.
    pub(crate) fn inquiry_config(&self) -> ClientConfig {
        let mut config = self.producer_config();
        // Who asks joins in no transactions.
        config.remove("transactional.id");
        // Asking makes nothing, whatever the producer may.
        config.set("allow.auto.create.topics", "false");
        config
    }

    /// The configuration of a client that makes and describes topics.
    pub(crate) fn admin_config(&self) -> ClientConfig {
        let mut config = self.inquiry_config();
        // rdkafka's admin client never reads the queue in which log lines would gather. Its calls say what went wrong.
        config.set_log_level(RDKafkaLogLevel::Emerg);
        config
    }

    /// The configuration of a client that reads topics from a place of our choosing, outside any consumer group.
    pub(crate) fn consumer_config(&self) -> ClientConfig {
        let mut config = self.producer_config();
        for (name, value) in CONSUMER_PROPERTIES {
            config.set(*name, *value);
        }
        config
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.properties.keys().map(String::as_str).collect();
        f.debug_struct("Options")
            .field("brokers", &self.brokers)
            .field("queue_bytes", &self.queue_bytes)
            .field("message_bytes_max", &self.message_bytes_max)
            .field("properties", &names)
            .finish()
    }
}

/// The property by which it is chosen how often it is looked how clients stand with the brokers. Those that do so by librdkafka's statistics set it.
pub(crate) const LOOK_PROPERTY: &str = "statistics.interval.ms";

/// What every reader is made with, whatever the user's properties say.
const CONSUMER_PROPERTIES: &[(&str, &str)] = &[
    // librdkafka wants a group even from a client that joins none.
    ("group.id", "waltap-reader"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
    ("isolation.level", "read_committed"),
    // An offset that is gone is an error to hear of, not to skip silently.
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    // 8 MiB of records read ahead: these readers share the memory budget of the capture.
    ("queued.max.messages.kbytes", "8192"),
    ("fetch.wait.max.ms", "100"),
];

/// How long a batch waits for company.
pub(crate) const LINGER: &str = "linger.ms";

const METADATA_INTERVAL: &str = "topic.metadata.refresh.interval.ms";

/// How often the brokers are asked for the topics that are written to. Small questions, of which librdkafka asks one in five minutes by itself.
const METADATA_INTERVAL_MS: u32 = 10_000;

/// librdkafka's own.
const METADATA_INTERVAL_MAX_MS: u32 = 300_000;

/// Of more topics the brokers are asked more seldom, by the square of their number: librdkafka looks for each topic of an answer among all
/// that it knows (`rd_kafka_topic_find` of 2.12), for two seconds where there are 10,000.
const METADATA_TOPICS: f64 = 1_000.0;

fn defaults(settings: &Settings, brokers: &str) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        properties.insert(name.to_owned(), value.to_owned());
    };
    set("bootstrap.servers", brokers);
    set("client.id", &settings.client_id);
    set("enable.idempotence", "true");
    set("enable.gapless.guarantee", "true");
    set("acks", "all");
    // Zero: never gives up by itself. An outage of any length delays changes and loses none.
    set("delivery.timeout.ms", "0");
    // Kafka's own choice of partition, so that other producers and Debezium put a key where we do.
    set("partitioner", "murmur2_random");
    set(LINGER, &settings.linger.as_millis().to_string());
    set("compression.type", settings.compression.as_str());
    set("message.max.bytes", &settings.message_bytes_max.to_string());
    set("queue.buffering.max.messages", &QUEUE_RECORDS_MAX.to_string());
    // A topic that somebody deleted is made again with the wanted partitions, by us, or not at all.
    set("allow.auto.create.topics", "false");
    // Each answer names the cluster: that another one has taken its place shows within this time.
    set(METADATA_INTERVAL, &METADATA_INTERVAL_MS.to_string());
    set("socket.keepalive.enable", "true");
    set("reconnect.backoff.max.ms", &RECONNECT_PAUSE_MAX_MS.to_string());
    properties
}

fn checked_brokers(brokers: &str) -> Result<String> {
    let names: Vec<&str> = brokers.split(',').map(str::trim).collect();
    if names.iter().any(|name| name.is_empty() || name.contains(char::is_whitespace)) {
        return Err(Error::configuration(Code::INVALID_VALUE, "the list of Kafka brokers is empty or has an empty part")
            .remedy("--brokers host1:9092,host2:9092"));
    }
    Ok(names.join(","))
}

/// Asks librdkafka whether it knows the property and takes its value.
fn check_known(property: &Property) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set(property.name(), property.value());
    config.create_native_config().map(drop).map_err(|error| match error {
        KafkaError::Nul(_) => {
            Error::configuration(Code::KAFKA_PROPERTY, format!("the Kafka property {:?} has a zero byte in it", property.name()))
        }
        error => property_error(&error),
    })
}

/// What a client that cannot be made means: some property is wrong, or does not go with another.
pub(crate) fn property_error(error: &KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(what, description, name, _) => {
            let message = match what {
                RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => format!("the Kafka property {name} is not known"),
                _ => format!("the value of the Kafka property {name} is not accepted"),
            };
            let error = Error::configuration(Code::KAFKA_PROPERTY, message)
                .remedy("the properties are those of librdkafka, listed in its CONFIGURATION.md; Java clients call some of them differently");
            // librdkafka repeats the value in what it says.
            if property::is_sensitive(name) { error } else { error.source(description.clone()) }
        }
        KafkaError::ClientCreation(description) => {
            Error::configuration(Code::KAFKA_PROPERTY, "the Kafka properties do not go together").source(description.clone())
        }
        other => Error::configuration(Code::KAFKA_PROPERTY, "a Kafka property is not accepted").source(other.clone()),
    }
}

#[cfg(test)]
mod tests;
