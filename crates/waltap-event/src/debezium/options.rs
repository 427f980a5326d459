//! What of the format is a choice: Debezium's handling modes, by Debezium's names.

use std::str::FromStr;
use std::time::Duration;

use crate::{Heartbeats, Operation, TableShape};

/// A set of choices with the names that Debezium gives them.
macro_rules! modes {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            $($(#[$meaning])* $variant,)+
        }

        impl $name {
            /// The names, for messages.
            const NAMES: &str = concat!("one of", $(" ", $text,)+);
        }

        impl FromStr for $name {
            type Err = NoSuchMode;

            fn from_str(text: &str) -> Result<Self, NoSuchMode> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err(NoSuchMode { expected: Self::NAMES }),
                }
            }
        }
    };
}

/// A name that no choice has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct NoSuchMode {
    expected: &'static str,
}

modes! {
    /// `decimal.handling.mode`: numeric and money.
    DecimalHandling {
        /// The unscaled number's bytes as base64.
        #[default]
        Precise = "precise",
        /// A JSON number, which may not hold all digits.
        Double = "double",
        /// The digits in a string.
        String = "string",
    }
}

modes! {
    /// `time.precision.mode`: date, time and timestamp. Those with a time zone are strings in all of them.
    TimePrecision {
        /// Milliseconds up to three digits of a second, else microseconds.
        #[default]
        Adaptive = "adaptive",
        /// As adaptive, but time in microseconds always.
        AdaptiveTimeMicroseconds = "adaptive_time_microseconds",
        /// Milliseconds.
        Connect = "connect",
        /// ISO 8601 in strings.
        IsoString = "isostring",
        /// Microseconds.
        Microseconds = "microseconds",
        /// Nanoseconds.
        Nanoseconds = "nanoseconds",
    }
}

modes! {
    /// `binary.handling.mode`: bytea, and the content of messages.
    BinaryHandling {
        /// Bytes, which JSON carries as base64.
        #[default]
        Bytes = "bytes",
        /// base64.
        Base64 = "base64",
        /// base64 with `-` and `_`.
        Base64UrlSafe = "base64-url-safe",
        /// Hexadecimal digits.
        Hex = "hex",
    }
}

modes! {
    /// `interval.handling.mode`.
    IntervalHandling {
        /// Microseconds, with months of 30.4375 days.
        #[default]
        Numeric = "numeric",
        /// `P1Y2M3DT4H5M6.78S`, all parts always.
        String = "string",
    }
}

modes! {
    /// `hstore.handling.mode`.
    HstoreHandling {
        /// A string that holds JSON.
        #[default]
        Json = "json",
        /// An object.
        Map = "map",
    }
}

/// `unavailable.value.placeholder`: what stands for a large value that an update did not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnavailableValue(Vec<u8>);

impl UnavailableValue {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Default for UnavailableValue {
    fn default() -> Self {
        UnavailableValue(b"__debezium_unavailable_value".to_vec())
    }
}

impl FromStr for UnavailableValue {
    type Err = NoSuchMode;

    /// The text's bytes, or those whose digits follow `hex:`.
    fn from_str(text: &str) -> Result<Self, NoSuchMode> {
        let Some(digits) = text.strip_prefix("hex:") else { return Ok(UnavailableValue(text.as_bytes().to_vec())) };
        let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
        let mut bytes = vec![0; pairs.len()];
        if !odd.is_empty() || !crate::text::bytea::decode(pairs, &mut bytes) {
            return Err(NoSuchMode { expected: "two hexadecimal digits for each byte after hex:" });
        }
        Ok(UnavailableValue(bytes))
    }
}

/// `skipped.operations`: the events that are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedOperations {
    /// `c`: new rows.
    pub creates: bool,
    /// `u`: changed rows. Those whose key has changed are a deleted and a new one, each left out with its own letter.
    pub updates: bool,
    /// `d`: deleted rows.
    pub deletes: bool,
    /// `t`: emptied tables.
    pub truncates: bool,
}

impl SkippedOperations {
    /// `none`.
    pub const NONE: SkippedOperations = SkippedOperations { creates: false, updates: false, deletes: false, truncates: false };

    /// Whether events of this operation are left out.
    pub fn contains(self, operation: Operation) -> bool {
        match operation {
            Operation::Create => self.creates,
            Operation::Update => self.updates,
            Operation::Delete => self.deletes,
            Operation::Truncate => self.truncates,
            Operation::Read | Operation::Message => false,
        }
    }
}

impl Default for SkippedOperations {
    /// `t`.
    fn default() -> Self {
        SkippedOperations { truncates: true, ..SkippedOperations::NONE }
    }
}

impl FromStr for SkippedOperations {
    type Err = NoSuchMode;

    fn from_str(text: &str) -> Result<Self, NoSuchMode> {
        let mut skipped = SkippedOperations::NONE;
        if text == "none" {
            return Ok(skipped);
        }
        for letter in text.split(',').map(str::trim) {
            match letter {
                "c" => skipped.creates = true,
                "u" => skipped.updates = true,
                "d" => skipped.deletes = true,
                "t" => skipped.truncates = true,
                _ => return Err(NoSuchMode { expected: "none, or some of c,u,d,t with commas between them" }),
            }
        }
        Ok(skipped)
    }
}

/// What of the format is a choice. The defaults are Debezium's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `topic.prefix`: the `name` in `source`. None: the database's name, as waltap's topics begin with.
    pub topic_prefix: Option<String>,
    /// The `version` in `source`: that of the Debezium whose events these are.
    pub version: String,
    /// `decimal.handling.mode`.
    pub decimals: DecimalHandling,
    /// `time.precision.mode`.
    pub times: TimePrecision,
    /// `binary.handling.mode`.
    pub binary: BinaryHandling,
    /// `interval.handling.mode`.
    pub intervals: IntervalHandling,
    /// `hstore.handling.mode`.
    pub hstore: HstoreHandling,
    /// `unavailable.value.placeholder`.
    pub unavailable_value: UnavailableValue,
    /// `tombstones.on.delete`: whether a delete is followed by a record with the same key and no value.
    pub tombstones: bool,
    /// `skipped.operations`.
    pub skipped: SkippedOperations,
    /// `include.unknown.datatypes`: whether columns of types that Debezium does not know are there, as the bytes of their text.
    pub unknown_types: bool,
    /// JsonConverter's `schemas.enable`: whether every record is `{"schema":…,"payload":…}`. Kafka Connect's default is true.
    pub schemas: bool,
    /// JsonConverter's `replace.null.with.default`. None: nulls stay nulls, and all else is as Kafka Connect has it by default.
    ///
    /// True, Kafka Connect's default: a null of a column that has a default is written as the default, as if it were there. False: a null is
    /// a null, and so is the `snapshot` of changes, whose default is `"false"`.
    pub nulls_to_defaults: Option<bool>,
    /// `provide.transaction.metadata`: whether events tell of their transaction, and records of their own its beginning and its end.
    pub transactions: bool,
    /// `topic.transaction`: what follows the prefix in the name of the topic for those records.
    pub transaction_topic: String,
    /// `heartbeat.interval.ms`: how often a record says that the capture is alive. Zero: never.
    pub heartbeat_interval: Duration,
    /// `topic.heartbeat.prefix`: what stands before the prefix in the name of the topic for those records.
    pub heartbeat_prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            topic_prefix: None,
            version: "3.7.0.Final".to_owned(),
            decimals: DecimalHandling::default(),
            times: TimePrecision::default(),
            binary: BinaryHandling::default(),
            intervals: IntervalHandling::default(),
            hstore: HstoreHandling::default(),
            unavailable_value: UnavailableValue::default(),
            tombstones: true,
            skipped: SkippedOperations::default(),
            unknown_types: false,
            schemas: false,
            nulls_to_defaults: None,
            transactions: false,
            transaction_topic: "transaction".to_owned(),
            heartbeat_interval: Duration::ZERO,
            heartbeat_prefix: "__debezium-heartbeat".to_owned(),
        }
    }
}

/// A property that cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// There is none of this name.
    #[error("there is no property {name:?}; there are {}", Options::PROPERTIES.map(|(name, short)| format!("{name} ({short})")).join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// It does not take this value.
    #[error("{name} cannot be {value:?}")]
    Value {
        /// The property's name.
        name: &'static str,
        /// The value.
        value: String,
        /// What it takes.
        source: NoSuchMode,
    },
}

impl Options {
    /// The properties that [`Options::set`] takes: Debezium's name and a short one.
    pub const PROPERTIES: [(&str, &str); 17] = [
        ("topic.prefix", "prefix"),
        ("decimal.handling.mode", "decimal"),
        ("time.precision.mode", "time"),
        ("binary.handling.mode", "binary"),
        ("interval.handling.mode", "interval"),
        ("hstore.handling.mode", "hstore"),
        ("unavailable.value.placeholder", "unavailable"),
        ("tombstones.on.delete", "tombstones"),
        ("skipped.operations", "skip"),
        ("include.unknown.datatypes", "unknown"),
        ("schemas.enable", "schemas"),
        ("replace.null.with.default", "nulls-to-defaults"),
        ("provide.transaction.metadata", "transactions"),
        ("topic.transaction", "transaction-topic"),
        ("heartbeat.interval.ms", "heartbeat"),
        ("topic.heartbeat.prefix", "heartbeat-prefix"),
        ("version", "version"),
    ];

    /// Sets a property by either of its names.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), PropertyError> {
        let found = Self::PROPERTIES.iter().find(|(full, short)| *full == name || *short == name);
        let Some((name, short)) = found.copied() else { return Err(PropertyError::Unknown { name: name.to_owned() }) };
        let set = match short {
            "prefix" => {
                self.topic_prefix = Some(value.to_owned());
                Ok(())
            }
            "decimal" => value.parse().map(|mode| self.decimals = mode),
            "time" => value.parse().map(|mode| self.times = mode),
            "binary" => value.parse().map(|mode| self.binary = mode),
            "interval" => value.parse().map(|mode| self.intervals = mode),
            "hstore" => value.parse().map(|mode| self.hstore = mode),
            "unavailable" => value.parse().map(|placeholder| self.unavailable_value = placeholder),
            "tombstones" => truth(value).map(|tombstones| self.tombstones = tombstones),
            "skip" => value.parse().map(|skipped| self.skipped = skipped),
            "unknown" => truth(value).map(|unknown| self.unknown_types = unknown),
            "schemas" => truth(value).map(|schemas| self.schemas = schemas),
            "nulls-to-defaults" => truth(value).map(|replaced| self.nulls_to_defaults = Some(replaced)),
            "transactions" => truth(value).map(|transactions| self.transactions = transactions),
            "transaction-topic" => topic_part(value).map(|topic| self.transaction_topic = topic),
            "heartbeat" => milliseconds(value).map(|interval| self.heartbeat_interval = interval),
            "heartbeat-prefix" => topic_part(value).map(|prefix| self.heartbeat_prefix = prefix),
            _ => {
                self.version = value.to_owned();
                Ok(())
            }
        };
        set.map_err(|source| PropertyError::Value { name, value: value.to_owned(), source })
    }
}

impl Options {
    /// `topic.prefix`, or else the database's name.
    pub(super) fn prefix<'a>(&'a self, database: &'a str) -> &'a str {
        self.topic_prefix.as_deref().unwrap_or(database)
    }

    /// The name of the topic that Debezium would give a table, after which it names schemas.
    pub(super) fn topic(&self, shape: &TableShape) -> String {
        let TableShape { database, schema, table, .. } = shape;
        let legal = |character: char| matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-');
        let name = format!("{}.{schema}.{table}", self.prefix(database));
        name.chars().map(|character| if legal(character) { character } else { '_' }).collect()
    }

    /// The topic for the beginnings and ends of transactions, where they are wanted.
    pub(crate) fn transaction_topic(&self, database: &str) -> Option<String> {
        self.transactions.then(|| format!("{}.{}", self.prefix(database), self.transaction_topic))
    }

    /// The topic for signs of life, where they are wanted, and how often.
    pub(crate) fn heartbeats(&self, database: &str) -> Option<Heartbeats> {
        let topic = || format!("{}.{}", self.heartbeat_prefix, self.prefix(database));
        (!self.heartbeat_interval.is_zero()).then(|| Heartbeats { topic: topic(), interval: self.heartbeat_interval })
    }
}

fn milliseconds(text: &str) -> Result<Duration, NoSuchMode> {
    text.parse().map(Duration::from_millis).map_err(|_| NoSuchMode { expected: "a number of milliseconds, or 0 for never" })
}

fn topic_part(text: &str) -> Result<String, NoSuchMode> {
    if text.is_empty() {
        return Err(NoSuchMode { expected: "a part of a topic's name" });
    }
    Ok(text.to_owned())
}

fn truth(text: &str) -> Result<bool, NoSuchMode> {
    text.parse().map_err(|_| NoSuchMode { expected: "true or false" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_set_by_either_name() {
        let mut options = Options::default();
        for (name, value) in [
            ("decimal.handling.mode", "string"),
            ("time", "isostring"),
            ("binary", "base64-url-safe"),
            ("interval.handling.mode", "string"),
            ("hstore", "map"),
            ("unavailable", "hex:00fF"),
            ("tombstones.on.delete", "false"),
            ("skip", "c, d"),
            ("unknown", "true"),
            ("prefix", "shop"),
            ("schemas.enable", "true"),
            ("replace.null.with.default", "false"),
            ("provide.transaction.metadata", "true"),
            ("transaction-topic", "commits"),
            ("heartbeat.interval.ms", "1500"),
            ("topic.heartbeat.prefix", "alive"),
            ("version", "3.1.0.Final"),
        ] {
            options.set(name, value).unwrap();
        }
        let expected = Options {
            topic_prefix: Some("shop".to_owned()),
            version: "3.1.0.Final".to_owned(),
            decimals: DecimalHandling::String,
            times: TimePrecision::IsoString,
            binary: BinaryHandling::Base64UrlSafe,
            intervals: IntervalHandling::String,
            hstore: HstoreHandling::Map,
            unavailable_value: UnavailableValue(vec![0, 0xff]),
            tombstones: false,
            skipped: SkippedOperations { creates: true, updates: false, deletes: true, truncates: false },
            unknown_types: true,
            schemas: true,
            nulls_to_defaults: Some(false),
            transactions: true,
            transaction_topic: "commits".to_owned(),
            heartbeat_interval: Duration::from_millis(1500),
            heartbeat_prefix: "alive".to_owned(),
        };
        assert_eq!(options, expected);
        assert_eq!(options.transaction_topic("db").as_deref(), Some("shop.commits"));
        let heartbeats = Heartbeats { topic: "alive.shop".to_owned(), interval: Duration::from_millis(1500) };
        assert_eq!(options.heartbeats("db"), Some(heartbeats));
        assert_eq!((Options::default().transaction_topic("db"), Options::default().heartbeats("db")), (None, None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut options = Options::default();
        let unknown = options.set("decimals", "string").unwrap_err();
        assert!(unknown.to_string().contains("decimal.handling.mode (decimal)"), "{unknown}");
        for (name, value) in [
            ("decimal", "exact"),
            ("time", ""),
            ("skip", "x"),
            ("skip", ""),
            ("tombstones", "yes"),
            ("heartbeat", "1s"),
            ("transaction-topic", ""),
            ("unavailable", "hex:0"),
            ("unavailable", "hex:zz"),
        ] {
            let error = options.set(name, value).unwrap_err();
            assert!(matches!(error, PropertyError::Value { .. }), "{error:?}");
        }
        assert_eq!(options, Options::default());
    }
}
