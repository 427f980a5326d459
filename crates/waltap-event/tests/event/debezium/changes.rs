//! What each change becomes.

use waltap_event::{Column, DataType, Error, Failure, Stamp, Table};
use waltap_pgoutput::Value::{Null, Unchanged};
use waltap_pgoutput::{LogicalMessage, Lsn};

use super::{STAMP, bench, built_in, column, options, shape};
use crate::changes::{full_form, key_form, text, tuple};
use crate::records::Record;

/// From `source` to the end, of the operation.
fn tail(operation: &str) -> String {
    format!(
        concat!(
            r#""source":{{"version":"3.7.0.Final","connector":"postgresql","name":"PostgreSQL_server","ts_ms":1732180000120,"#,
            r#""snapshot":"{}","db":"postgres","sequence":"[null,\"24023128\"]","ts_us":1732180000120123,"ts_ns":1732180000120123000,"#,
            r#""schema":"public","table":"customers","txId":556,"lsn":24023128,"xmin":null,"origin":null,"origin_lsn":null}},"#,
            r#""transaction":null,"op":"{}","ts_ms":1732180000123,"ts_us":1732180000123999,"ts_ns":1732180000123999000}}"#
        ),
        operation == "r",
        operation
    )
}

fn record(key: &str, before: &str, after: &str, operation: &str) -> Record {
    let value = format!(r#"{{"before":{before},"after":{after},{}"#, tail(operation));
    Record::One { key: Some(key.to_owned()), value: Some(value) }
}

fn with_header(record: Record, name: &str, header: &str) -> Record {
    let Record::One { key, value } = record else { panic!("{record:?}") };
    Record::WithHeaders { key, value, headers: vec![(name.to_owned(), header.to_owned())] }
}

fn tombstone(key: &str) -> Record {
    Record::One { key: Some(key.to_owned()), value: None }
}

/// The table of Debezium's manual, without its last name.
fn customers() -> Vec<Column> {
    let id = Column { identity: true, not_null: true, ..column("id", built_in(23)) };
    let name = Column { not_null: true, ..column("first_name", built_in(1043)) };
    vec![id, name, column("email", built_in(1043))]
}

#[test]
fn rows_of_a_snapshot_and_new_and_changed_ones() {
    let (table, mut encoder, mut records) = bench(&shape(customers(), &["id"]), options(&[]));
    let row = [text("1"), text("Anne"), Null];
    encoder.snapshot_row(&table, &STAMP, row.into_iter(), &mut records).unwrap();
    encoder.insert(&table, &STAMP, tuple(&row), &mut records).unwrap();
    encoder.update(&table, &STAMP, None, tuple(&[text("1"), text("Anne Marie"), Unchanged]), &mut records).unwrap();
    let old = full_form(&[text("1"), text("Anne"), text("a@x")]);
    encoder.update(&table, &STAMP, Some(old), tuple(&[text("1"), text("B"), Unchanged]), &mut records).unwrap();
    // The old key comes also when it has a large value that was not touched.
    encoder
        .update(&table, &STAMP, Some(key_form(&[text("1"), Null, Null])), tuple(&[text("1"), text("C"), Null]), &mut records)
        .unwrap();
    let key = r#"{"id":1}"#;
    let anne = r#"{"id":1,"first_name":"Anne","email":null}"#;
    let marie = r#"{"id":1,"first_name":"Anne Marie","email":"__debezium_unavailable_value"}"#;
    assert_eq!(
        records.0,
        [
            record(key, "null", anne, "r"),
            record(key, "null", anne, "c"),
            record(key, "null", marie, "u"),
            record(key, r#"{"id":1,"first_name":"Anne","email":"a@x"}"#, r#"{"id":1,"first_name":"B","email":"a@x"}"#, "u"),
            record(key, r#"{"id":1,"first_name":"","email":null}"#, r#"{"id":1,"first_name":"C","email":null}"#, "u"),
        ]
    );
}

#[test]
fn a_delete_has_all_columns_and_a_tombstone() {
    for tombstones in [true, false] {
        let set = options(&[("tombstones", &tombstones.to_string())]);
        let (table, mut encoder, mut records) = bench(&shape(customers(), &["id"]), set);
        encoder.delete(&table, &STAMP, key_form(&[text("1"), Null, Null]), &mut records).unwrap();
        encoder.delete(&table, &STAMP, full_form(&[text("2"), text("B"), text("b@x")]), &mut records).unwrap();
        let mut expected = vec![
            record(r#"{"id":1}"#, r#"{"id":1,"first_name":"","email":null}"#, "null", "d"),
            tombstone(r#"{"id":1}"#),
            record(r#"{"id":2}"#, r#"{"id":2,"first_name":"B","email":"b@x"}"#, "null", "d"),
            tombstone(r#"{"id":2}"#),
        ];
        expected.retain(|record| tombstones || !record.is_tombstone());
        assert_eq!(records.0, expected);
    }
}

#[test]
fn a_change_of_the_key_is_three_records_with_headers() {
    let (table, mut encoder, mut records) = bench(&shape(customers(), &["id"]), options(&[]));
    let new = tuple(&[text("2"), text("Anne"), Null]);
    encoder.update(&table, &STAMP, Some(key_form(&[text("1"), Null, Null])), new, &mut records).unwrap();
    let (old_key, new_key) = (r#"{"id":1}"#, r#"{"id":2}"#);
    let deletion = record(old_key, r#"{"id":1,"first_name":"","email":null}"#, "null", "d");
    let creation = record(new_key, "null", r#"{"id":2,"first_name":"Anne","email":null}"#, "c");
    assert_eq!(
        records.0,
        [
            with_header(deletion, "__debezium.newkey", new_key),
            with_header(tombstone(old_key), "__debezium.newkey", new_key),
            with_header(creation, "__debezium.oldkey", old_key)
        ]
    );
}

#[test]
fn operations_are_skipped() {
    for (skipped, expected) in [("t", "cud"), ("none", "cudt"), ("c,t", "ud"), ("u,t", "cd"), ("d,t", "cu"), ("c,u,d", "t")] {
        let set = options(&[("skip", skipped), ("tombstones", "false")]);
        let (table, mut encoder, mut records) = bench(&shape(customers(), &["id"]), set);
        let row = tuple(&[text("1"), text("A"), Null]);
        encoder.insert(&table, &STAMP, row, &mut records).unwrap();
        encoder.update(&table, &STAMP, None, row, &mut records).unwrap();
        encoder.delete(&table, &STAMP, key_form(&[text("1"), Null, Null]), &mut records).unwrap();
        encoder.truncate(&table, &STAMP, &mut records).unwrap();
        let operations: String = records.0.iter().map(|record| record.json()["op"].as_str().unwrap().to_owned()).collect();
        assert_eq!(operations, expected, "{skipped}");
        // A row that is too short is an error whether or not it would be sent.
        assert!(encoder.update(&table, &STAMP, None, tuple(&[text("1")]), &mut records).is_err());
    }
    // Of a change of the key, each part goes with its operation.
    for (skipped, expected) in [("t", "d-c"), ("u", "d-c"), ("c", "d-"), ("d", "c"), ("u,d", "c"), ("c,d", "")] {
        let (table, mut encoder, mut records) = bench(&shape(customers(), &["id"]), options(&[("skip", skipped)]));
        let new = tuple(&[text("2"), text("A"), Null]);
        encoder.update(&table, &STAMP, Some(key_form(&[text("1"), Null, Null])), new, &mut records).unwrap();
        let operation = |record: &Record| match record.is_tombstone() {
            true => "-".to_owned(),
            false => record.json()["op"].as_str().unwrap().to_owned(),
        };
        let operations: String = records.0.iter().map(operation).collect();
        assert_eq!(operations, expected, "{skipped}");
    }
}

#[test]
fn a_truncate_has_no_rows() {
    let (table, mut encoder, mut records) = bench(&shape(customers(), &["id"]), options(&[("skip", "none")]));
    encoder.truncate(&table, &STAMP, &mut records).unwrap();
    assert_eq!(records.0, [Record::All { value: format!(r#"{{"before":null,"after":null,{}"#, tail("t")) }]);
}

#[test]
fn the_sequence_names_where_the_last_transaction_ended() {
    let (table, mut encoder, mut records) = bench(&shape(customers(), &["id"]), options(&[]));
    encoder.transaction_ended(Lsn(24_023_119));
    encoder.insert(&table, &STAMP, tuple(&[text("1"), text("A"), Null]), &mut records).unwrap();
    assert_eq!(records.0[0].json()["source"]["sequence"], r#"["24023119","24023128"]"#);
}

#[test]
fn to_the_sequence_a_message_outside_of_transactions_is_a_transaction() {
    let (table, mut encoder, mut records) = bench(&shape(customers(), &["id"]), options(&[]));
    encoder.transaction_ended(Lsn(7));
    let message = LogicalMessage { transactional: false, lsn: Lsn(9), prefix: "foo", content: b"bar" };
    encoder.message(&Stamp { txid: None, lsn: Lsn(9), ..STAMP }, &message, &mut records).unwrap();
    encoder.insert(&table, &STAMP, tuple(&[text("1"), text("A"), Null]), &mut records).unwrap();
    assert_eq!(records.0[0].json()["source"]["sequence"], r#"["9","9"]"#);
    assert_eq!(records.0[1].json()["source"]["sequence"], r#"["9","24023128"]"#);
}

#[test]
fn names_of_columns_are_spelled_as_strings_are() {
    let id = Column { identity: true, ..column("i\u{1f}😀", built_in(23)) };
    let (table, mut encoder, mut records) = bench(&shape(vec![id], &["i\u{1f}😀"]), options(&[]));
    encoder.insert(&table, &STAMP, tuple(&[text("1")]), &mut records).unwrap();
    let Record::One { key: Some(key), value: Some(value) } = &records.0[0] else { panic!("{records:?}") };
    let row = r#"{"i\u001F\uD83D\uDE00":1}"#;
    assert_eq!(key, row);
    assert!(value.contains(&format!("\"after\":{row}")), "{value}");
}

#[test]
fn without_a_prefix_the_name_is_the_database() {
    let set = waltap_event::debezium::Options { topic_prefix: None, ..options(&[]) };
    let (table, mut encoder, mut records) = bench(&shape(customers(), &["id"]), set);
    encoder.insert(&table, &STAMP, tuple(&[text("1"), text("A"), Null]), &mut records).unwrap();
    assert_eq!(records.0[0].json()["source"]["name"], "postgres");
}

#[test]
fn messages_have_an_order_of_their_own() {
    for (mode, content) in [("bytes", "YmFy"), ("hex", "626172")] {
        let (_, mut encoder, mut records) = bench(&shape(customers(), &["id"]), options(&[("binary", mode)]));
        let message = LogicalMessage { transactional: true, lsn: Lsn(1), prefix: "foo", content: b"bar" };
        encoder.message(&STAMP, &message, &mut records).unwrap();
        let tail = tail("m");
        let source = &tail[..tail.find(",\"transaction\"").unwrap()];
        let source = source.replace(r#""schema":"public","table":"customers""#, r#""schema":"","table":"""#);
        let value = format!(
            r#"{{"op":"m","ts_ms":1732180000123,{source},"transaction":null,"message":{{"prefix":"foo","content":"{content}"}}}}"#
        );
        assert_eq!(records.0, [Record::One { key: Some(r#"{"prefix":"foo"}"#.to_owned()), value: Some(value) }]);
    }
}

#[test]
fn columns_of_unknown_types_are_neither_in_rows_nor_in_keys() {
    let columns = || {
        let odd = Column { identity: true, ..column("odd", DataType::default()) };
        vec![odd, Column { identity: true, ..column("id", built_in(23)) }]
    };
    let row = tuple(&[text("(1,2)"), text("7")]);
    for (key, expected) in [(&["odd", "id"][..], Some(r#"{"id":7}"#)), (&["odd"], None)] {
        let (table, mut encoder, mut records) = bench(&shape(columns(), key), options(&[]));
        encoder.insert(&table, &STAMP, row, &mut records).unwrap();
        assert_eq!(records.0[0].key(), expected);
        assert_eq!(records.0[0].json()["after"].to_string(), r#"{"id":7}"#);
    }
    let missing = Table::new(&shape(columns(), &["id", "no"]), &waltap_event::Format::Debezium(Box::default())).unwrap_err();
    assert_eq!(missing, Error::UnknownKeyColumn { column: "no".to_owned() });
}

#[test]
fn a_key_is_never_a_stand_in() {
    let (table, mut encoder, mut records) = bench(&shape(customers(), &["first_name"]), options(&[]));
    let refused = Err(Failure::Event(Error::KeyNotSent { column: "first_name".to_owned() }));
    assert_eq!(encoder.delete(&table, &STAMP, key_form(&[text("1"), Null, Null]), &mut records), refused);
    assert_eq!(encoder.insert(&table, &STAMP, tuple(&[text("1"), Unchanged, Null]), &mut records), refused);
    assert_eq!(records.0, []);
}

#[test]
fn a_deleted_rows_other_columns_are_the_zeros_of_their_types_where_they_cannot_be_null() {
    use waltap_event::{BaseType, ExtensionType};
    let numeric = DataType { modifier: (6 << 16 | 2) + 4, ..built_in(1700) };
    let extension = |extension| DataType::of(BaseType::Extension(extension));
    let bits = |modifier| DataType { modifier, ..built_in(1560) };
    let wkb = |row: &serde_json::Value| row["wkb"].as_str().unwrap().len();
    for (data_type, properties, expected) in [
        (built_in(23), &[][..], "0"),
        (built_in(16), &[], "false"),
        (built_in(701), &[], "0.0"),
        (built_in(25), &[], "\"\""),
        (built_in(2950), &[], "\"\""),
        (numeric.clone(), &[], "\"AA==\""),
        (numeric.clone(), &[("decimal", "string")], "\"0.00\""),
        (numeric, &[("decimal", "double")], "0.0"),
        (built_in(1700), &[], r#"{"scale":0,"value":"AA=="}"#),
        (built_in(1700), &[("decimal", "string")], "\"0\""),
        (built_in(790), &[], "\"AA==\""),
        (built_in(790), &[("decimal", "string")], "\"0.00\""),
        (built_in(1082), &[], "0"),
        (built_in(1083), &[], "0"),
        (built_in(1114), &[], "0"),
        (built_in(1184), &[], "\"1970-01-01T00:00:00Z\""),
        (built_in(1266), &[], "\"00:00:00Z\""),
        (built_in(1186), &[], "0"),
        (built_in(1186), &[("interval", "string")], "\"P0Y0M0DT0H0M0S\""),
        (bits(1), &[], "false"),
        (bits(3), &[], "\"\""),
        (extension(ExtensionType::Hstore), &[], "\"{}\""),
        (extension(ExtensionType::Hstore), &[("hstore", "map")], "{}"),
        (super::array(BaseType::BuiltIn(23)), &[], "[]"),
        (built_in(628), &[], r#"{"a":0.0,"b":1.0,"c":0.0}"#),
        (built_in(600), &[], r#"{"x":0.0,"y":0.0,"wkb":"AQEAAAAAAAAAAAAAAAAAAAAAAAAA","srid":null}"#),
        (extension(ExtensionType::Geometry), &[], r#"{"wkb":"AQcAAAAAAAAA","srid":null,"extensions":null}"#),
    ] {
        let columns = |not_null| {
            let id = Column { identity: true, ..column("id", built_in(23)) };
            vec![id, Column { not_null, ..column("v", data_type.clone()) }]
        };
        for (not_null, expected) in [(true, expected), (false, "null")] {
            let (table, mut encoder, mut records) = bench(&shape(columns(not_null), &["id"]), options(properties));
            encoder.delete(&table, &STAMP, key_form(&[text("1"), Null]), &mut records).unwrap();
            let expected = format!(r#""before":{{"id":1,"v":{expected}}},"after":null"#);
            assert!(
                records.0[0].tail_from("before").starts_with(&expected),
                "{} {data_type:?}",
                records.0[0].tail_from("before")
            );
        }
    }
    // Shapes must be valid: rings of four points and lines of two at least.
    for (oid, points, kind) in [(603, 5, "box"), (604, 4, "polygon"), (601, 2, "lseg"), (602, 2, "path")] {
        let columns = vec![Column { not_null: true, ..column("v", built_in(oid)) }, column("w", built_in(oid))];
        let (table, mut encoder, mut records) = bench(&shape(columns, &[]), options(&[]));
        encoder.delete(&table, &STAMP, key_form(&[Null, Null]), &mut records).unwrap();
        let row = &records.0[0].json()["before"]["v"];
        let head = if matches!(oid, 601 | 602) { 9 } else { 13 };
        assert_eq!(wkb(row), (head + 16 * points as usize).div_ceil(3) * 4);
        assert_eq!(row["extensions"].to_string(), format!(r#"{{"type":"{kind}"}}"#));
    }
}
