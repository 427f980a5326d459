//! Topics and what a record looks like.

use super::{PLAIN, Setting, Shape};

const HEADING: &str = "Topics and records";

pub(super) const TOPICS: &[Setting] = &[
    Setting {
        key: "topic",
        value_name: "TEMPLATE",
        heading: HEADING,
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
        heading: HEADING,
        help: "A topic in which each version of a table is told: its columns, their types, its key",
        more: "A record with the key {\"db\":…,\"schema\":…,\"table\":…} before the first event that looks so, and again after a restart. The \
               topic is made compacted, so that the last version of every table stays.\nExample: --schema-topic waltap.tables",
        ..PLAIN
    },
    Setting {
        key: "partitions",
        value_name: "NUMBER",
        heading: HEADING,
        default: Some("1"),
        help: "Partitions of a topic that waltap makes",
        more: "Events of one key keep their order in any number of partitions; a truncate goes to all of them.",
        ..PLAIN
    },
    Setting {
        key: "replication-factor",
        value_name: "NUMBER",
        heading: HEADING,
        help: "Replicas of a topic that waltap makes [default: as the broker is set up]",
        ..PLAIN
    },
    Setting {
        key: "key",
        shape: Shape::Pairs,
        value_name: "TABLE=COLUMN,...",
        heading: HEADING,
        help: "The record key of a table, where it is not to be its replica identity; may be repeated",
        more: "The table may be a pattern. In the file: a mapping from table to columns. In the variable: parted by semicolons.\n\
               Example: --key 'public.events=tenant,id'",
        ..PLAIN
    },
    Setting {
        key: "outbox",
        shape: Shape::Pairs,
        value_name: "TABLE[=ROLE:COLUMN,...]",
        heading: HEADING,
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
        heading: HEADING,
        default: Some("outbox.event.{aggregatetype}"),
        help: "The topic of an outbox's message, with what its columns hold in place of their names in braces",
        more: "Example: --outbox-topic '{service}.{type}'",
        ..PLAIN
    },
    Setting {
        key: "format",
        value_name: "FORMAT",
        heading: HEADING,
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
        heading: HEADING,
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
        heading: HEADING,
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
        heading: HEADING,
        default: Some("false"),
        help: "Whether a delete is followed by a record without a value, for compacted topics",
        more: "--format debezium does it unless it is told not to, as Debezium does",
        ..PLAIN
    },
];
