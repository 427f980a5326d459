//! The schemas of records (`schemas.enable`): what stands before each payload, written once.

use super::options::Options;
use super::schema::{Field, Schema};

/// The schema of a row, of its key, and of the events around it: what stands before their payloads.
pub(super) struct TableSchemas {
    pub(super) key: Box<[u8]>,
    pub(super) value: Box<[u8]>,
}

impl TableSchemas {
    /// `topic` is the name of the topic that Debezium would write to.
    pub(super) fn new(topic: &str, key: Vec<Field>, columns: Vec<Field>) -> Self {
        let row = Schema::of_fields(columns).named(format!("{topic}.Value"), 0).optional();
        let fields = vec![
            row.clone().field("before"),
            row.field("after"),
            source(),
            transaction_block(),
            Schema::STRING.required().field("op"),
            Schema::INT64.optional().field("ts_ms"),
            Schema::INT64.optional().field("ts_us"),
            Schema::INT64.optional().field("ts_ns"),
        ];
        TableSchemas {
            key: before_payload(Schema::of_fields(key).named(format!("{topic}.Key"), 0)),
            value: before_payload(Schema::of_fields(fields).named(format!("{topic}.Envelope"), 2)),
        }
    }
}

/// The schemas of what is no table's.
#[derive(Clone, Debug)]
pub(super) struct Schemas {
    pub(super) message_key: Box<[u8]>,
    pub(super) message: Box<[u8]>,
    pub(super) transaction_key: Box<[u8]>,
    pub(super) transaction: Box<[u8]>,
    pub(super) heartbeat_key: Box<[u8]>,
    pub(super) heartbeat: Box<[u8]>,
}

impl Schemas {
    pub(super) fn new(options: &Options) -> Self {
        let content = match options.binary {
            super::BinaryHandling::Bytes => Schema::BYTES,
            _ => Schema::STRING,
        };
        let message = vec![Schema::STRING.optional().field("prefix"), content.optional().field("content")];
        let message = Schema::of_fields(message).named("io.debezium.connector.postgresql.Message", 1);
        let message_value = vec![
            Schema::STRING.required().field("op"),
            Schema::INT64.optional().field("ts_ms"),
            source(),
            transaction_block(),
            message.required().field("message"),
        ];
        let count = vec![Schema::STRING.required().field("data_collection"), Schema::INT64.required().field("event_count")];
        let count = Schema::of_fields(count).named("event.collection", 1);
        let transaction = vec![
            Schema::STRING.required().field("status"),
            Schema::STRING.required().field("id"),
            Schema::INT64.optional().field("event_count"),
            Schema::array(count.optional()).optional().field("data_collections"),
            Schema::INT64.required().field("ts_ms"),
        ];
        let one = |field: Field, name: &'static str| before_payload(Schema::of_fields(vec![field]).named(name, 1));
        Schemas {
            message_key: one(Schema::STRING.optional().field("prefix"), "io.debezium.connector.postgresql.MessageKey"),
            message: before_payload(Schema::of_fields(message_value).named("io.debezium.connector.postgresql.MessageValue", 1)),
            transaction_key: one(Schema::STRING.required().field("id"), "io.debezium.connector.common.TransactionMetadataKey"),
            transaction: before_payload(
                Schema::of_fields(transaction).named("io.debezium.connector.common.TransactionMetadataValue", 1),
            ),
            heartbeat_key: one(Schema::STRING.required().field("serverName"), "io.debezium.connector.common.ServerNameKey"),
            heartbeat: one(Schema::INT64.required().field("ts_ms"), "io.debezium.connector.common.Heartbeat"),
        }
    }
}

fn source() -> Field {
    let snapshot = Schema::STRING.named("io.debezium.data.Enum", 1).with_parameter(
        "allowed",
        "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental".to_owned(),
    );
    let string = |name: &'static str| Schema::STRING.required().field(name);
    let number = |name: &'static str| Schema::INT64.optional().field(name);
    let fields = vec![
        string("version"),
        string("connector"),
        string("name"),
        Schema::INT64.required().field("ts_ms"),
        snapshot.optional().with_default(Some(Box::from(&b"\"false\""[..]))).field("snapshot"),
        string("db"),
        Schema::STRING.optional().field("sequence"),
        number("ts_us"),
        number("ts_ns"),
        string("schema"),
        string("table"),
        number("txId"),
        number("lsn"),
        number("xmin"),
        Schema::STRING.optional().field("origin"),
        number("origin_lsn"),
    ];
    Schema::of_fields(fields).named("io.debezium.connector.postgresql.Source", 1).required().field("source")
}

fn transaction_block() -> Field {
    let fields = vec![
        Schema::STRING.required().field("id"),
        Schema::INT64.required().field("total_order"),
        Schema::INT64.required().field("data_collection_order"),
    ];
    Schema::of_fields(fields).named("event.block", 1).optional().field("transaction")
}

/// `{"schema":…,"payload":`
fn before_payload(schema: Schema) -> Box<[u8]> {
    let mut start = b"{\"schema\":".to_vec();
    schema.required().write(&mut start);
    start.extend_from_slice(b",\"payload\":");
    start.into()
}
