//! The table of settings: one line of truth for the flag, the variable, the key in the file, the help and the default.

use std::fmt;

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value.
    One,
    /// `true` or `false`; the flag alone means `true`.
    Switch,
    /// Several values: a flag may be repeated, a file may hold a list; a stronger layer replaces the whole list.
    List,
    /// Several values of the form `name=value,value`: as a list, but in the file also a mapping, and in a variable parted by semicolons.
    Pairs,
    /// Names and values: `name=value` as a flag, a mapping in the file; a stronger layer replaces one name at a time.
    Properties,
}

/// The commands that take a setting as a flag, as bits.
pub(crate) mod scope {
    /// `capture` and `check`.
    pub(crate) const CAPTURE: u8 = 1;
    /// `slots`.
    pub(crate) const SLOTS: u8 = 2;
    /// `topics`.
    pub(crate) const TOPICS: u8 = 4;
    /// `status`.
    pub(crate) const STATUS: u8 = 8;
    /// All of them.
    pub(crate) const ALL: u8 = CAPTURE | SLOTS | TOPICS | STATUS;
}

/// One setting.
pub(crate) struct Setting {
    /// The key in the file, and the flag without its dashes.
    pub(crate) key: &'static str,
    /// How it is written.
    pub(crate) shape: Shape,
    /// What stands for the value in the help.
    pub(crate) value_name: &'static str,
    /// The heading of the help under which it stands.
    pub(crate) heading: &'static str,
    /// What holds when nothing is given, written as a user would write it.
    pub(crate) default: Option<&'static str>,
    /// The values that are allowed, each with its meaning. Empty: any that can be read.
    pub(crate) choices: &'static [(&'static str, &'static str)],
    /// Whether a value may be a secret, and so is never shown.
    pub(crate) secret: bool,
    /// The help in a line.
    pub(crate) help: &'static str,
    /// More of it, with examples.
    pub(crate) more: &'static str,
    /// Which commands take it as a flag.
    pub(crate) scope: u8,
}

impl Setting {
    /// The environment variable: `WALTAP_` and the key in capitals.
    pub(crate) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.to_ascii_uppercase().replace('-', "_"))
    }

    /// The flag, with its dashes.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.key)
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

/// Every variable of waltap begins so.
pub(crate) const VARIABLE_PREFIX: &str = "WALTAP_";

const SOURCE: &str = "Source";
const SNAPSHOT: &str = "Snapshot";
const SINK: &str = "Sink";
const TOPICS: &str = "Topics and records";
const OPERATION: &str = "Operation";

/// What most settings share.
const PLAIN: Setting = Setting {
    key: "",
    shape: Shape::One,
    value_name: "",
    heading: "",
    default: None,
    choices: &[],
    secret: false,
    help: "",
    more: "",
    scope: scope::CAPTURE,
};

/// Every setting, in the order of the help.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        key: "source",
        value_name: "URL",
        heading: SOURCE,
        secret: true,
        scope: scope::CAPTURE | scope::SLOTS,
        help: "The PostgreSQL server: a postgres:// URL, or key=value pairs as libpq reads them",
        more: "Several hosts, unix sockets, sslmode and the other parameters of libpq are understood; what the URL leaves out is taken \
               from PGUSER, PGPASSWORD, PGSSLMODE and the like, and the password from ~/.pgpass too.\n\
               Keep the password out of the URL on the command line: every user of the machine can read a command line. Use PGPASSWORD, \
               ~/.pgpass or --source-password-file.\n\
               Examples:\n  postgres://waltap@db.example.com:5432\n  postgres://waltap@one,two/?target_session_attrs=read-write&sslmode=verify-full",
        ..PLAIN
    },
    Setting {
        key: "source-password-file",
        value_name: "FILE",
        heading: SOURCE,
        scope: scope::CAPTURE | scope::SLOTS,
        help: "A file that holds the password of the source and nothing else",
        more: "It goes before every other password and is read again at each connection, so that a rotated password is picked up.",
        ..PLAIN
    },
    Setting {
        key: "name",
        value_name: "NAME",
        heading: SOURCE,
        default: Some("waltap"),
        scope: scope::CAPTURE | scope::SLOTS,
        help: "The capture's name, which begins the names of its slots, publications and progress",
        more: "Small letters, digits and underscores, at most 24. A capture with another name is another capture: it has slots of its own and begins anew.",
        ..PLAIN
    },
    Setting {
        key: "database",
        shape: Shape::List,
        value_name: "PATTERN,...",
        heading: SOURCE,
        scope: scope::CAPTURE | scope::SLOTS,
        help: "Databases to capture, or to look at; none named means all, those made later too",
        more: "Globs. Templates and databases that take no connections are never meant.\nExample: --database shop,crm_*",
        ..PLAIN
    },
    Setting {
        key: "table",
        shape: Shape::List,
        value_name: "PATTERN,...",
        heading: SOURCE,
        help: "Tables to capture; none named means all user tables, those made later too",
        more: "Globs on schema.table; names in double quotes are taken as they stand.\nExample: --table 'public.orders,sales.*,\"Odd.Schema\".*'",
        ..PLAIN
    },
    Setting {
        key: "exclude-table",
        shape: Shape::List,
        value_name: "PATTERN,...",
        heading: SOURCE,
        help: "Tables to leave out, of those that --table means",
        more: "Example: --exclude-table '*.audit_*'",
        ..PLAIN
    },
    Setting {
        key: "include-columns",
        shape: Shape::Pairs,
        value_name: "TABLE=COLUMN,...",
        heading: SOURCE,
        help: "The only columns of a table to be in its events; may be repeated",
        more: "Table and columns may be patterns. Tables that are not named keep all columns. In the file: a mapping from table to columns. In \
               the variable: parted by semicolons.\nExample: --include-columns 'public.customers=id,name'",
        ..PLAIN
    },
    Setting {
        key: "exclude-columns",
        shape: Shape::Pairs,
        value_name: "TABLE=COLUMN,...",
        heading: SOURCE,
        help: "Columns of a table to be left out of its events; may be repeated",
        more: "As --include-columns.\nExample: --exclude-columns '*=password_*' --exclude-columns 'public.customers=notes'",
        ..PLAIN
    },
    Setting {
        key: "mask-columns",
        shape: Shape::Pairs,
        value_name: "TABLE=COLUMN:MASK,...",
        heading: SOURCE,
        help: "Columns of a table of which something else is written; may be repeated",
        more: "hash: HMAC-SHA-256 with the salt of --mask-salt-file, in hexadecimal, so that equal values stay equal; truncate:LENGTH: the \
               first characters; constant:TEXT. Masked values are strings, of PostgreSQL's text of the value; NULL stays null. The first \
               mask that fits a column is taken. Of a key's columns only the hash is allowed.\n\
               Example: --mask-columns 'public.customers=email:hash,note:truncate:20,card:constant:\"***\"'",
        ..PLAIN
    },
    Setting {
        key: "mask-salt-file",
        value_name: "FILE",
        heading: SOURCE,
        help: "A file that holds the secret for the hashes of --mask-columns and nothing else",
        more: "White space at its end is left out. With another salt every hash is another one.",
        ..PLAIN
    },
    Setting {
        key: "publication",
        value_name: "NAME",
        heading: SOURCE,
        help: "A publication that you made, to be read as it is, instead of waltap's own",
        more: "waltap then neither makes nor changes a publication. It must be there in every captured database.",
        ..PLAIN
    },
    Setting {
        key: "discovery-interval",
        value_name: "DURATION",
        heading: SOURCE,
        default: Some("10s"),
        help: "How often to look for new databases and tables",
        more: "Examples: 5s, 2m, 1h",
        ..PLAIN
    },
    Setting {
        key: "messages",
        shape: Shape::Switch,
        value_name: "BOOL",
        heading: SOURCE,
        default: Some("false"),
        help: "Whether messages of pg_logical_emit_message become events (PostgreSQL 14 and later)",
        ..PLAIN
    },
    Setting {
        key: "streaming",
        value_name: "on|off",
        heading: SOURCE,
        default: Some("on"),
        help: "Whether large transactions come while they are open (PostgreSQL 14 and later; before, they never do)",
        more: "on: they are kept here until their commit, beyond --spill-memory on the disk. off: they come after their commit; until then the \
               server keeps them, on its own disk. Nothing of a transaction is sent before its commit either way. With --messages it is off: the \
               server does not say which savepoint a message of an open transaction belongs to.",
        ..PLAIN
    },
    Setting {
        key: "spill-memory",
        value_name: "SIZE",
        heading: SOURCE,
        default: Some("8MiB"),
        help: "How much of open transactions is held in memory, over all databases; the rest is on the disk",
        more: "Examples: 8MiB, 256MiB, 1GB",
        ..PLAIN
    },
    Setting {
        key: "spill-directory",
        value_name: "DIRECTORY",
        heading: SOURCE,
        help: "Where the rest of open transactions is kept, in files without a name [default: the system's directory for temporary files]",
        more: "It takes about as much as the changes of all transactions that are open; it is given back at their end, and when waltap ends. \
               On many systems /tmp is memory: name a directory on a disk there.",
        ..PLAIN
    },
    Setting {
        key: "two-phase",
        shape: Shape::Switch,
        value_name: "BOOL",
        heading: SOURCE,
        default: Some("false"),
        help: "Whether transactions are sent at PREPARE TRANSACTION, and not at COMMIT PREPARED (PostgreSQL 15 and later)",
        more: "Readers then see changes that may be rolled back later, of which no event tells. A capture that has begun so stays so. While rows of \
               tables are read, a prepared transaction still waits for COMMIT PREPARED. Not with --delivery exactly-once.",
        ..PLAIN
    },
    Setting {
        key: "snapshot",
        value_name: "MODE",
        heading: SNAPSHOT,
        default: Some("initial"),
        choices: &[
            ("initial", "each table's rows are read once, then its changes are streamed"),
            ("never", "changes only, from the moment the slot is made"),
            ("only", "rows only: read every table once and end"),
        ],
        help: "What becomes of the rows that are there already",
        ..PLAIN
    },
    Setting {
        key: "snapshot-workers",
        value_name: "NUMBER",
        heading: SNAPSHOT,
        default: Some("2"),
        help: "How many connections read a snapshot at once, for each database",
        ..PLAIN
    },
    Setting {
        key: "sink",
        value_name: "SINK",
        heading: SINK,
        default: Some("kafka"),
        choices: &[
            ("kafka", "a Kafka cluster; progress is kept there, beside the data"),
            ("stdout", "standard output, a line a record, from a temporary slot that leaves nothing behind"),
        ],
        help: "Where events go",
        ..PLAIN
    },
    Setting {
        key: "brokers",
        shape: Shape::List,
        value_name: "HOST:PORT,...",
        heading: SINK,
        scope: scope::CAPTURE | scope::SLOTS | scope::TOPICS,
        help: "The Kafka brokers to begin with; the others are learned from them",
        more: "Example: --brokers localhost:9092",
        ..PLAIN
    },
    Setting {
        key: "kafka-property",
        shape: Shape::Properties,
        value_name: "NAME=VALUE",
        heading: SINK,
        secret: true,
        scope: scope::CAPTURE | scope::SLOTS | scope::TOPICS,
        help: "A property of librdkafka; may be repeated",
        more: "As variables: WALTAP_KAFKA_ and the property's name in capitals with _ for each dot, which is the place for a secret: \
               WALTAP_KAFKA_SASL_PASSWORD. Properties of the file, the variables and the flags are put together; the stronger wins \
               name by name.\n\
               Examples:\n  --kafka-property compression.type=zstd\n  --kafka-property security.protocol=SASL_SSL --kafka-property sasl.mechanism=SCRAM-SHA-512",
        ..PLAIN
    },
    Setting {
        key: "queue-bytes",
        value_name: "SIZE",
        heading: SINK,
        default: Some("32MiB"),
        help: "The most that may be handed to Kafka and not be confirmed, over all databases",
        more: "When it is reached, waltap stops reading from PostgreSQL until Kafka has caught up. Examples: 64MiB, 1GB",
        ..PLAIN
    },
    Setting {
        key: "delivery",
        value_name: "GUARANTEE",
        heading: SINK,
        default: Some("at-least-once"),
        choices: &[
            ("at-least-once", "every change is there; one that comes again after a crash carries the same position"),
            (
                "exactly-once",
                "every change is there once, for readers with isolation.level=read_committed; by Kafka transactions",
            ),
        ],
        help: "What readers of the topics may rely on, through any number of crashes",
        more: "A capture may be stopped and started again with the other one. What each costs: docs/delivery.md",
        ..PLAIN
    },
    Setting {
        key: "transaction-max-latency",
        value_name: "DURATION",
        heading: SINK,
        default: Some("250ms"),
        help: "How long a change waits at most before the commit of its Kafka transaction begins, with exactly-once",
        more: "An idle stream commits at once. A busy one gathers up to this, and to the end of a PostgreSQL transaction.",
        ..PLAIN
    },
    Setting {
        key: "transaction-max-bytes",
        value_name: "SIZE",
        heading: SINK,
        default: Some("256MiB"),
        help: "The size of a Kafka transaction at which a PostgreSQL transaction is parted over several, with exactly-once",
        more: "Below it, each PostgreSQL transaction is seen as a whole or not at all. Examples: 64MiB, 1GB",
        ..PLAIN
    },
    Setting {
        key: "topic",
        value_name: "TEMPLATE",
        heading: TOPICS,
        default: Some("{database}.{schema}.{table}"),
        help: "The topic of each table",
        more: "{database}, {schema} and {table} are filled in; characters that Kafka does not allow become _. Two tables that would share a \
               topic by chance are refused. Without {table} they are meant to share it: their keys then begin with _db, _schema and \
               _table, so that rows of two tables are not taken for one.\n\
               Examples: --topic 'cdc.{schema}.{table}', --topic 'cdc.{database}'",
        ..PLAIN
    },
    Setting {
        key: "schema-topic",
        value_name: "NAME",
        heading: TOPICS,
        help: "A topic in which each version of a table is told: its columns, their types, its key",
        more: "A record with the key {\"db\":…,\"schema\":…,\"table\":…} before the first event that looks so, and again after a restart. The \
               topic is made compacted, so that the last version of every table stays.\nExample: --schema-topic waltap.tables",
        ..PLAIN
    },
    Setting {
        key: "partitions",
        value_name: "NUMBER",
        heading: TOPICS,
        default: Some("1"),
        help: "Partitions of a topic that waltap makes",
        more: "Events of one key keep their order in any number of partitions; a truncate goes to all of them.",
        ..PLAIN
    },
    Setting {
        key: "replication-factor",
        value_name: "NUMBER",
        heading: TOPICS,
        help: "Replicas of a topic that waltap makes [default: as the broker is set up]",
        ..PLAIN
    },
    Setting {
        key: "key",
        shape: Shape::Pairs,
        value_name: "TABLE=COLUMN,...",
        heading: TOPICS,
        help: "The record key of a table, where it is not to be its replica identity; may be repeated",
        more: "The table may be a pattern. In the file: a mapping from table to columns. In the variable: parted by semicolons.\n\
               Example: --key 'public.events=tenant,id'",
        ..PLAIN
    },
    Setting {
        key: "outbox",
        shape: Shape::Pairs,
        value_name: "TABLE[=ROLE:COLUMN,...]",
        heading: TOPICS,
        help: "An outbox: a table whose new rows are messages, to the topic that each names; may be repeated",
        more: "Roles: key, payload, and header, which may be repeated. The record's key and value are what these columns hold, as it stands, a \
               bytea its bytes; the headers have the columns' names. Without them as Debezium's outbox: key:aggregateid, payload:payload, \
               header:id, header:type. Updates and deletes of rows are no messages. The table may be a pattern.\n\
               Example: --outbox public.outbox",
        ..PLAIN
    },
    Setting {
        key: "outbox-topic",
        value_name: "TEMPLATE",
        heading: TOPICS,
        default: Some("outbox.event.{aggregatetype}"),
        help: "The topic of an outbox's message, with what its columns hold in place of their names in braces",
        more: "Example: --outbox-topic '{service}.{type}'",
        ..PLAIN
    },
    Setting {
        key: "format",
        value_name: "FORMAT",
        heading: TOPICS,
        default: Some("native"),
        choices: &[
            ("native", "an envelope with before, after and source; values as people and log searches read them"),
            ("flat", "the row's columns at the top level, beside _op, _ts, _table and others; values as in native"),
            ("debezium", "what Debezium's PostgreSQL connector writes; see --debezium"),
        ],
        help: "How an event is written",
        ..PLAIN
    },
    Setting {
        key: "debezium",
        shape: Shape::Pairs,
        value_name: "NAME=VALUE",
        heading: TOPICS,
        help: "A property of Debezium's, for --format debezium; may be repeated",
        more: "By Debezium's name or the short one: topic.prefix (prefix), decimal.handling.mode (decimal): precise, double, string; \
               time.precision.mode (time): adaptive, adaptive_time_microseconds, connect, isostring, microseconds, nanoseconds; \
               binary.handling.mode (binary): bytes, base64, base64-url-safe, hex; interval.handling.mode (interval): numeric, string; \
               hstore.handling.mode (hstore): json, map; unavailable.value.placeholder (unavailable); tombstones.on.delete (tombstones); \
               skipped.operations (skip); include.unknown.datatypes (unknown); schemas.enable (schemas); \
               replace.null.with.default (nulls-to-defaults); provide.transaction.metadata (transactions); \
               topic.transaction (transaction-topic); heartbeat.interval.ms (heartbeat); topic.heartbeat.prefix (heartbeat-prefix); \
               version. The defaults are Debezium's, but that schemas are off, and that a null is a null. In the file: a mapping of \
               names to values. In the variable: parted by semicolons.\n\
               Example: --format debezium --debezium decimal=string --debezium skip=none",
        ..PLAIN
    },
    Setting {
        key: "headers",
        value_name: "SET",
        heading: TOPICS,
        default: Some("none"),
        choices: &[
            ("none", "no headers, but for those of --format debezium"),
            ("position", "waltap.op, .db, .schema, .table, .txid, .lsn, .commit_lsn, .seq and .ts_ms, as text"),
            ("cloudevents", "those of a CloudEvent in binary mode: ce_id, ce_source, ce_type, ce_time and others"),
        ],
        help: "Which headers each record has, for readers that choose without looking into values",
        more: "Tombstones have none, nor have the records of --schema-topic and --outbox.",
        ..PLAIN
    },
    Setting {
        key: "tombstones",
        shape: Shape::Switch,
        value_name: "BOOL",
        heading: TOPICS,
        default: Some("false"),
        help: "Whether a delete is followed by a record without a value, for compacted topics",
        more: "--format debezium does it unless it is told not to, as Debezium does",
        ..PLAIN
    },
    Setting {
        key: "http",
        value_name: "ADDRESS|off",
        heading: OPERATION,
        default: Some("127.0.0.1:8642"),
        scope: scope::CAPTURE | scope::STATUS,
        help: "The address of the status server: /healthz, /readyz, /metrics, /status",
        more: "It asks nobody for a password: keep it on this machine, or on a network that you trust. Port 0 takes a free one and logs it; \
               `off` serves nothing.\nExamples: 127.0.0.1:9000, 0.0.0.0:8642, [::1]:0, off",
        ..PLAIN
    },
    Setting {
        key: "log-format",
        value_name: "FORMAT",
        heading: OPERATION,
        default: Some("text"),
        choices: &[("text", "for people; coloured on a terminal"), ("json", "one JSON object a line")],
        scope: scope::ALL,
        help: "How log lines are written, to standard error",
        ..PLAIN
    },
    Setting {
        key: "log-level",
        value_name: "FILTER",
        heading: OPERATION,
        scope: scope::ALL,
        help: "What is logged: error, warn, info, debug, trace, or one for each part [default: info for capture, warn for the rest]",
        more: "Also WALTAP_LOG. Example: info,waltap_postgres=debug",
        ..PLAIN
    },
];

/// A variable that stands for a key under a shorter name than the rule gives.
pub(crate) const ALIASES: &[(&str, &str)] = &[("WALTAP_LOG", "log-level")];

/// The setting of a key.
pub(crate) fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_spelled_like_flags() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert!(setting.key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", setting.key);
            assert!(!SETTINGS[..index].iter().any(|other| other.key == setting.key), "{} is there twice", setting.key);
            assert!(!setting.help.is_empty() && !setting.heading.is_empty() && !setting.value_name.is_empty(), "{}", setting.key);
        }
        for (_, key) in ALIASES {
            assert!(setting(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_default_is_one_of_the_choices() {
        for setting in SETTINGS.iter().filter(|setting| !setting.choices.is_empty()) {
            let default = setting.default.unwrap();
            assert!(setting.choices.iter().any(|(choice, _)| *choice == default), "{}", setting.key);
        }
    }

    #[test]
    fn no_variable_looks_like_a_kafka_property() {
        for setting in SETTINGS.iter().filter(|setting| setting.shape != Shape::Properties) {
            assert!(!setting.variable().starts_with("WALTAP_KAFKA_"), "{}", setting.key);
        }
    }
}
