//! Records with schemas, as JsonConverter writes them. Each was compared with a running Debezium 3.7.0.

use waltap_event::{BaseType, Column, DataType, Declared, ExtensionType, Mask, TableShape, Treatment};
use waltap_pgoutput::LogicalMessage;
use waltap_pgoutput::Value::Null;

use super::{STAMP, array, bench, built_in, column, options, shape};
use crate::changes::{key_form, text, tuple};
use crate::records::Record;

const SOURCE: &str = concat!(
    r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,"field":"connector"},"#,
    r#"{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":"ts_ms"},"#,
    r#"{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"#,
    r#""true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"},"#,
    r#"{"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},"#,
    r#"{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"},"#,
    r#"{"type":"string","optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},"#,
    r#"{"type":"int64","optional":true,"field":"txId"},{"type":"int64","optional":true,"field":"lsn"},"#,
    r#"{"type":"int64","optional":true,"field":"xmin"},{"type":"string","optional":true,"field":"origin"},"#,
    r#"{"type":"int64","optional":true,"field":"origin_lsn"}],"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"#,
    r#""field":"source"}"#
);

const BLOCK: &str = concat!(
    r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":"total_order"},"#,
    r#"{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"}"#
);

/// The whole of Debezium's `shop.public.fullid`, with other names.
fn customers() -> TableShape {
    let default = |expression: &str| Declared { default: Some(expression.to_owned()), ..Declared::default() };
    let id = Column { identity: true, not_null: true, ..column("id", built_in(23)) };
    let n = Column { declared: default("7"), ..column("n", built_in(23)) };
    let t = Column { not_null: true, declared: default("'q'::text"), ..column("t", built_in(25)) };
    shape(vec![id, n, t], &["id"])
}

const KEY: &str = concat!(
    r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"}],"optional":false,"#,
    r#""name":"PostgreSQL_server.public.customers.Key"},"payload":{"id":1}}"#
);

fn value_schema() -> String {
    let row = |field: &str| {
        format!(
            concat!(
                r#"{{"type":"struct","fields":[{{"type":"int32","optional":false,"field":"id"}},"#,
                r#"{{"type":"int32","optional":true,"default":7,"field":"n"}},{{"type":"string","optional":false,"default":"q","field":"t"}}],"#,
                r#""optional":true,"name":"PostgreSQL_server.public.customers.Value","field":"{}"}}"#
            ),
            field
        )
    };
    format!(
        concat!(
            r#"{{"type":"struct","fields":[{},{},{},{},{{"type":"string","optional":false,"field":"op"}},"#,
            r#"{{"type":"int64","optional":true,"field":"ts_ms"}},{{"type":"int64","optional":true,"field":"ts_us"}},"#,
            r#"{{"type":"int64","optional":true,"field":"ts_ns"}}],"optional":false,"name":"PostgreSQL_server.public.customers.Envelope","version":2}}"#
        ),
        row("before"),
        row("after"),
        SOURCE,
        BLOCK
    )
}

fn parts(record: &Record) -> (Option<&str>, &str) {
    match record {
        Record::One { key, value: Some(value) } => (key.as_deref(), value),
        Record::All { value } => (None, value),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_and_values_have_their_schemas() {
    let (table, mut encoder, mut records) = bench(&customers(), options(&[("schemas.enable", "true"), ("skip", "none")]));
    encoder.insert(&table, &STAMP, tuple(&[text("1"), Null, text("x")]), &mut records).unwrap();
    encoder.delete(&table, &STAMP, key_form(&[text("1"), Null, Null]), &mut records).unwrap();
    encoder.truncate(&table, &STAMP, &mut records).unwrap();
    let start = format!(r#"{{"schema":{},"payload":"#, value_schema());
    for (record, key, payload) in [
        (&records.0[0], Some(KEY), r#"{"before":null,"after":{"id":1,"n":null,"t":"x"},"#),
        // A column that a delete does not tell has its default, where it cannot be null.
        (&records.0[1], Some(KEY), r#"{"before":{"id":1,"n":null,"t":"q"},"after":null,"#),
        (&records.0[3], None, r#"{"before":null,"after":null,"#),
    ] {
        let (found, value) = parts(record);
        assert_eq!(found, key);
        assert!(value.starts_with(&format!("{start}{payload}")), "{value}");
        record.json();
    }
    assert!(records.0[2].is_tombstone());
    assert_eq!(records.0[2].key(), Some(KEY));
}

#[test]
fn headers_have_the_whole_key() {
    let (table, mut encoder, mut records) = bench(&customers(), options(&[("schemas.enable", "true")]));
    let old = key_form(&[text("1"), Null, Null]);
    encoder.update(&table, &STAMP, Some(old), tuple(&[text("2"), Null, text("x")]), &mut records).unwrap();
    let headers: Vec<String> = records
        .0
        .iter()
        .map(|record| match record {
            Record::WithHeaders { headers, .. } => headers.iter().map(|(name, value)| format!("{name} {value}")).collect(),
            other => panic!("{other:?}"),
        })
        .collect();
    let new_key = KEY.replace(r#"{"id":1}"#, r#"{"id":2}"#);
    let new = format!("__debezium.newkey {new_key}");
    assert_eq!(headers, [new.clone(), new, format!("__debezium.oldkey {KEY}")]);
}

#[test]
fn schemas_are_of_what_is_written() {
    let shape = customers();
    let [id, n, t] = shape.columns.try_into().unwrap();
    let columns = vec![id, Column { treatment: Treatment::Omit, ..n }, t.masked(Mask::Constant("***".into()))];
    let shape = TableShape { columns, key_tells_table: true, key: shape.key, ..customers() };
    let (table, mut encoder, mut records) = bench(&shape, options(&[("schemas.enable", "true")]));
    encoder.insert(&table, &STAMP, tuple(&[text("1"), text("2"), text("secret")]), &mut records).unwrap();
    let (key, value) = parts(&records.0[0]);
    let row = concat!(
        r#"{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":false,"field":"t"}],"#,
        r#""optional":true,"name":"PostgreSQL_server.public.customers.Value","field":"after"}"#
    );
    assert!(value.contains(row) && value.contains(r#""after":{"id":1,"t":"***"}"#), "{value}");
    let own = |name: &str| format!(r#"{{"type":"string","optional":false,"field":"{name}"}},"#);
    let fields = ["_db", "_schema", "_table"].map(own).concat();
    let expected = KEY
        .replace(r#""fields":["#, &format!(r#""fields":[{fields}"#))
        .replace(r#"{"id":1}"#, r#"{"_db":"postgres","_schema":"public","_table":"customers","id":1}"#);
    assert_eq!(key, Some(&*expected));
}

#[test]
fn nulls_become_defaults_when_told_to() {
    let after = |properties: &[(&str, &str)]| {
        let (table, mut encoder, mut records) = bench(&customers(), options(properties));
        encoder.insert(&table, &STAMP, tuple(&[text("1"), Null, text("x")]), &mut records).unwrap();
        let json = records.0[0].json();
        format!("{} {}", json["after"]["n"], json["source"]["snapshot"])
    };
    assert_eq!(after(&[]), r#"null "false""#);
    assert_eq!(after(&[("replace.null.with.default", "true")]), r#"7 "false""#);
    assert_eq!(after(&[("replace.null.with.default", "false")]), "null null");
}

#[test]
fn messages_transactions_and_signs_of_life_have_theirs() {
    let properties = [("schemas", "true"), ("transactions", "true"), ("heartbeat", "1")];
    let (_, mut encoder, mut records) = bench(&customers(), options(&properties));
    encoder.transaction_begins(&STAMP, &mut records).unwrap();
    encoder
        .message(&STAMP, &LogicalMessage { transactional: true, lsn: STAMP.lsn, prefix: "p", content: b"bar" }, &mut records)
        .unwrap();
    encoder.heartbeat(STAMP.written_at, &mut records).unwrap();
    let of = |name: &str, version: &str, field: &str| {
        format!(r#"{{"schema":{{"type":"struct","fields":[{field}],"optional":false,"name":"{name}"{version}}},"payload":"#)
    };
    let v1 = r#","version":1"#;
    let keys: Vec<&str> = records.0.iter().map(|record| record.key().unwrap()).collect();
    let id = r#"{"type":"string","optional":false,"field":"id"}"#;
    let prefix = r#"{"type":"string","optional":true,"field":"prefix"}"#;
    let server = r#"{"type":"string","optional":false,"field":"serverName"}"#;
    assert_eq!(
        keys,
        [
            of("io.debezium.connector.common.TransactionMetadataKey", v1, id) + r#"{"id":"556:24023128"}}"#,
            of("io.debezium.connector.postgresql.MessageKey", v1, prefix) + r#"{"prefix":"p"}}"#,
            of("io.debezium.connector.common.ServerNameKey", v1, server) + r#"{"serverName":"PostgreSQL_server"}}"#,
        ]
    );
    let content = r#"{"type":"bytes","optional":true,"field":"content"}"#;
    let message = format!(
        concat!(
            r#"{{"type":"string","optional":false,"field":"op"}},{{"type":"int64","optional":true,"field":"ts_ms"}},{},{},"#,
            r#"{{"type":"struct","fields":[{},{}],"optional":false,"name":"io.debezium.connector.postgresql.Message","version":1,"field":"message"}}"#
        ),
        SOURCE, BLOCK, prefix, content
    );
    let (_, value) = parts(&records.0[1]);
    assert!(value.starts_with(&(of("io.debezium.connector.postgresql.MessageValue", v1, &message) + r#"{"op":"m","#)), "{value}");
    let (_, value) = parts(&records.0[2]);
    let ts_ms = r#"{"type":"int64","optional":false,"field":"ts_ms"}"#;
    assert_eq!(value, of("io.debezium.connector.common.Heartbeat", v1, ts_ms) + r#"{"ts_ms":1732180000123}}"#);
    for record in &records.0 {
        record.json();
    }
}

/// The schema of a column `v` that may be null.
fn schema_of(data_type: DataType, labels: &[&str], properties: &[(&str, &str)]) -> String {
    let declared = Declared { default: None, labels: labels.iter().map(|label| (*label).to_owned()).collect() };
    let mut options = options(properties);
    options.schemas = true;
    let shape = shape(vec![Column { declared, ..column("v", data_type) }], &[]);
    let (table, mut encoder, mut records) = bench(&shape, options);
    encoder.snapshot_row(&table, &STAMP, [Null].into_iter(), &mut records).unwrap();
    let (_, value) = parts(&records.0[0]);
    let start = r#"{"schema":{"type":"struct","fields":[{"type":"struct","fields":["#;
    let rest = value.strip_prefix(start).unwrap();
    rest[..rest.find(r#"],"optional":true,"name":"PostgreSQL_server.public.customers.Value""#).unwrap()].to_owned()
}

#[test]
fn types_that_have_no_value_in_the_comparison_with_debezium() {
    // As its classes build them (PostGIS and pgvector are not in reach of that comparison).
    let extension = |extension| DataType::of(BaseType::Extension(extension));
    for (data_type, expected) in [
        (
            extension(ExtensionType::Vector),
            r#"{"type":"array","items":{"type":"double","optional":false},"optional":true,"name":"io.debezium.data.DoubleVector","version":1,"field":"v"}"#,
        ),
        (
            extension(ExtensionType::HalfVector),
            r#"{"type":"array","items":{"type":"float","optional":false},"optional":true,"name":"io.debezium.data.FloatVector","version":1,"field":"v"}"#,
        ),
        (
            extension(ExtensionType::SparseVector),
            concat!(
                r#"{"type":"struct","fields":[{"type":"int16","optional":false,"field":"dimensions"},"#,
                r#"{"type":"map","keys":{"type":"int16","optional":false},"values":{"type":"double","optional":false},"optional":false,"field":"vector"}],"#,
                r#""optional":true,"name":"io.debezium.data.SparseDoubleVector","version":1,"doc":"Sparse double vector","field":"v"}"#
            ),
        ),
        (
            extension(ExtensionType::Geography),
            concat!(
                r#"{"type":"struct","fields":[{"type":"bytes","optional":false,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"}],"#,
                r#""optional":true,"name":"io.debezium.data.geometry.Geography","version":1,"doc":"Geography","field":"v"}"#
            ),
        ),
    ] {
        assert_eq!(schema_of(data_type, &[], &[]), expected);
    }
}

#[test]
fn enums_name_their_labels_and_arrays_their_elements() {
    let allowed = r#""name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"sad,a \"b\",ü"}"#;
    let labels = ["sad", "a \"b\"", "ü"];
    assert_eq!(
        schema_of(DataType::of(BaseType::Enum), &labels, &[]),
        format!(r#"{{"type":"string","optional":true,{allowed},"field":"v"}}"#)
    );
    assert_eq!(
        schema_of(array(BaseType::Enum), &labels, &[]),
        format!(r#"{{"type":"array","items":{{"type":"string","optional":false,{allowed}}},"optional":true,"field":"v"}}"#)
    );
    assert_eq!(
        schema_of(array(BaseType::BuiltIn(23)), &[], &[]),
        r#"{"type":"array","items":{"type":"int32","optional":true},"optional":true,"field":"v"}"#
    );
    assert_eq!(schema_of(DataType::of(BaseType::Other), &[], &[]), "");
    let bytes = r#"{"type":"bytes","optional":true,"field":"v"}"#;
    assert_eq!(schema_of(DataType::of(BaseType::Other), &[], &[("unknown", "true")]), bytes);
}
