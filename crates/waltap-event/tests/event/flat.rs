//! The format `flat`.

use proptest::prelude::*;
use serde_json::Value as Json;
use waltap_event::{BaseType, Column, DataType, Encoder, Error, Failure, Format, Kind, Table, TableShape, flat, native};
use waltap_pgoutput::Value::{Null, Unchanged};
use waltap_pgoutput::{LogicalMessage, Lsn, OldRow, Value, encode};

use crate::changes::{STAMP, full_form, key_form, orders, pairs, text, tuple};
use crate::records::{Record, Records};

const FLAT: Format = Format::Flat(flat::Options { tombstones: false });

/// What stands before the columns of a `c` in the table `orders`.
const HEAD: &str = concat!(
    r#"{"_op":"c","_ts":"2024-11-21T09:06:40.120000Z","_db":"shop","_schema":"public","_table":"orders","_txid":742,"#,
    r#""_lsn":"0/16B3748","_commit_lsn":"0/16B3790","_seq":3"#
);

fn bench(shape: &TableShape, format: &Format) -> (Table, Encoder, Records) {
    (Table::new(shape, format).unwrap(), Encoder::new("shop", format), Records::default())
}

fn head(operation: &str) -> String {
    HEAD.replace(r#""_op":"c""#, &format!(r#""_op":"{operation}""#))
}

fn record(key: &str, value: String) -> Record {
    Record::One { key: Some(key.into()), value: Some(value) }
}

#[test]
fn the_columns_stand_beside_our_fields() {
    let (table, mut encoder, mut records) = bench(&orders(), &FLAT);
    let new = [text("7"), text("12.50"), text("2024-11-21 09:06:40.123456+00"), text("{a,b}"), text("{\"k\": [1]}"), Unchanged];
    encoder.update(&table, &STAMP, None, tuple(&new), &mut records).unwrap();
    let row = r#","id":7,"total":"12.50","paid_at":"2024-11-21T09:06:40.123456Z","tags":["a","b"],"doc":{"k":[1]},"_unchanged":["body"]}"#;
    assert_eq!(records.0, [record(r#"{"id":7}"#, head("u") + row)]);
}

#[test]
fn a_delete_is_the_identity_or_the_whole_row() {
    let (table, mut encoder, mut records) = bench(&pairs(&["a"], &["a"]), &FLAT);
    encoder.delete(&table, &STAMP, key_form(&[text("1"), Null]), &mut records).unwrap();
    encoder.delete(&table, &STAMP, full_form(&[text("1"), text("2")]), &mut records).unwrap();
    let key = r#"{"a":1}"#;
    assert_eq!(records.0, [record(key, head("d") + r#","a":1}"#), record(key, head("d") + r#","a":1,"b":2}"#)]);
}

#[test]
fn a_change_of_the_key_is_a_delete_and_a_create_with_a_tombstone_between_when_asked_for() {
    for tombstones in [false, true] {
        let (table, mut encoder, mut records) = bench(&pairs(&["a"], &["a"]), &Format::Flat(flat::Options { tombstones }));
        encoder.update(&table, &STAMP, Some(key_form(&[text("1"), Null])), tuple(&[text("2"), Unchanged]), &mut records).unwrap();
        let mut expected = vec![
            record(r#"{"a":1}"#, head("d") + r#","a":1}"#),
            record(r#"{"a":2}"#, head("c") + r#","a":2,"_unchanged":["b"]}"#),
        ];
        if tombstones {
            expected.insert(1, Record::One { key: Some(r#"{"a":1}"#.into()), value: None });
        }
        assert_eq!(records.0, expected);
    }
}

#[test]
fn a_truncate_has_no_columns_and_goes_to_all_partitions() {
    let (table, mut encoder, mut records) = bench(&orders(), &FLAT);
    encoder.truncate(&table, &STAMP, &mut records).unwrap();
    assert_eq!(records.0, [Record::All { value: head("t") + "}" }]);
}

#[test]
fn columns_with_our_names_give_way_in_the_row_alone() {
    let column = |name: &str| Column { identity: true, ..Column::new(name, Kind::Integer) };
    let shape = TableShape { columns: vec![column("_op"), column("__op"), column("_seq")], key: vec!["_op".into()], ..orders() };
    let (table, mut encoder, mut records) = bench(&shape, &FLAT);
    encoder.insert(&table, &STAMP, tuple(&[text("1"), text("2"), Unchanged]), &mut records).unwrap();
    assert_eq!(records.0, [record(r#"{"_op":1}"#, head("c") + r#","__op":1,"___op":2,"_unchanged":["__seq"]}"#)]);
}

#[test]
fn in_a_shared_topic_the_key_tells_the_table() {
    let data_type = DataType::of(BaseType::BuiltIn(23));
    let column = |name: &str| Column { identity: true, data_type: data_type.clone(), ..Column::new(name, Kind::Integer) };
    let columns = vec![column("_table"), column("id")];
    let shape = TableShape { columns, key: vec!["id".into(), "_table".into()], key_tells_table: true, ..orders() };
    let key = r#"{"_db":"shop","_schema":"public","_table":"orders","id":2,"__table":1}"#;
    for format in [FLAT, Format::Native(native::Options::default()), Format::Debezium(Box::default())] {
        let (table, mut encoder, mut records) = bench(&shape, &format);
        encoder.insert(&table, &STAMP, tuple(&[text("1"), text("2")]), &mut records).unwrap();
        assert_eq!(records.0[0].key(), Some(key));
    }
    let shape = TableShape { key: vec![], ..shape };
    let (table, mut encoder, mut records) = bench(&shape, &FLAT);
    encoder.insert(&table, &STAMP, tuple(&[text("1"), text("2")]), &mut records).unwrap();
    assert_eq!(records.0[0].key(), None);
}

#[test]
fn messages_have_prefix_and_content_for_columns() {
    let (_, mut encoder, mut records) = bench(&orders(), &FLAT);
    for content in [&b"bar"[..], b"\xff"] {
        let message = LogicalMessage { transactional: true, lsn: Lsn(1), prefix: "foo", content };
        encoder.message(&STAMP, &message, &mut records).unwrap();
    }
    let head = head("m").replace(r#""_schema":"public","_table":"orders""#, r#""_schema":null,"_table":null"#);
    let key = r#"{"prefix":"foo"}"#;
    assert_eq!(
        records.0,
        [
            record(key, format!(r#"{head},"prefix":"foo","content":"bar"}}"#)),
            record(key, format!(r#"{head},"prefix":"foo","content":"/w==","encoding":"base64"}}"#))
        ]
    );
}

#[test]
fn a_table_of_another_format_is_refused() {
    let table = Table::new(&orders(), &FLAT).unwrap();
    let mut encoder = Encoder::new("shop", &Format::default());
    let mut records = Records::default();
    assert_eq!(encoder.truncate(&table, &STAMP, &mut records), Err(Failure::Event(Error::OtherFormat)));
    assert_eq!(records.0, []);
}

/// The names of our fields, without the underscore.
const OWN_NAMES: [&str; 10] = ["op", "ts", "db", "schema", "table", "txid", "lsn", "commit_lsn", "seq", "unchanged"];

proptest! {
    #[test]
    fn the_row_is_that_of_native(
        columns in prop::collection::btree_map("_{0,2}(id|op|seq|commit_lsn|unchanged|[a-z]{1,3})", prop::option::of(prop::option::of(".*")), 1..6)
    ) {
        let names: Vec<&String> = columns.keys().collect();
        let texts: Vec<Value<'_>> = columns
            .values()
            .map(|value| value.as_ref().map_or(Unchanged, |text| text.as_ref().map_or(Null, |text| Value::Text(text.as_bytes()))))
            .collect();
        let shape = TableShape {
            columns: names.iter().map(|name| Column::new(*name, Kind::Text)).collect(),
            key: vec![],
            ..orders()
        };
        let mut buffer = Vec::new();
        let row = encode::tuple(&mut buffer, &texts);
        let [flat, native] = [FLAT, Format::Native(native::Options::default())].map(|format| {
            let (table, mut encoder, mut records) = bench(&shape, &format);
            encoder.update(&table, &STAMP, None::<OldRow<'_>>, row, &mut records).unwrap();
            records.0[0].json()
        });
        // Our nine fields, and the tenth where something is unchanged.
        let unchanged = texts.iter().filter(|value| **value == Unchanged).count();
        prop_assert_eq!(flat.as_object().unwrap().len(), 9 + texts.len() - unchanged + usize::from(unchanged > 0));
        for name in names {
            let is_ours = OWN_NAMES.contains(&name.trim_start_matches('_')) && name.starts_with('_');
            let written = if is_ours { format!("_{name}") } else { name.clone() };
            prop_assert_eq!(flat.get(&written), native["after"].get(name));
        }
        prop_assert_eq!(flat["_unchanged"].as_array().map_or(0, Vec::len), unchanged);
        prop_assert_eq!(&flat["_op"], &Json::from("u"));
        prop_assert_eq!(&flat["_commit_lsn"], &native["source"]["commit_lsn"]);
        prop_assert_eq!(&flat["_seq"], &native["source"]["seq"]);
    }
}
