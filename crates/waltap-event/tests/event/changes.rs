//! What each change of a row becomes.

use waltap_event::native::Options;
use waltap_event::{Column, Encoder, Error, Failure, Format, Header, Kind, RecordSink, Stamp, Table, TableShape};
use waltap_pgoutput::Value::{Null, Unchanged};
use waltap_pgoutput::{LogicalMessage, Lsn, OldRow, PgTime, Tuple, Value, encode};

use crate::records::{Record, Records};

pub(crate) const STAMP: Stamp = Stamp {
    txid: Some(742),
    lsn: Lsn(0x16B_3748),
    commit_lsn: Lsn(0x16B_3790),
    ordinal: Some(3),
    happened_at: PgTime(785_495_200_120_000),
    written_at: PgTime(785_495_200_123_999),
};

/// `id` is the identity and the key, `body` is large.
pub(crate) fn orders() -> TableShape {
    let column = |name: &str, kind, identity| Column { identity, ..Column::new(name, kind) };
    TableShape {
        database: "shop".into(),
        schema: "public".into(),
        table: "orders".into(),
        columns: vec![
            column("id", Kind::Integer, true),
            column("total", Kind::Text, false),
            column("paid_at", Kind::TimestampTz, false),
            column("tags", Kind::Array { element: Box::new(Kind::Text), delimiter: b',' }, false),
            column("doc", Kind::Json, false),
            column("body", Kind::Text, false),
        ],
        key: vec!["id".into()],
        key_tells_table: false,
    }
}

/// As [`orders`], of two columns.
pub(crate) fn pairs(key: &[&str], identity: &[&str]) -> TableShape {
    let columns = ["a", "b"].map(|name| Column { identity: identity.contains(&name), ..Column::new(name, Kind::Integer) });
    let key = key.iter().map(|name| (*name).to_owned()).collect();
    TableShape { columns: columns.into(), key, ..orders() }
}

pub(crate) fn text(text: &str) -> Value<'_> {
    Value::Text(text.as_bytes())
}

pub(crate) fn tuple(values: &[Value<'_>]) -> Tuple<'static> {
    encode::tuple(Box::leak(Box::default()), values)
}

pub(crate) fn key_form(values: &[Value<'_>]) -> OldRow<'static> {
    OldRow::Key(tuple(values))
}

pub(crate) fn full_form(values: &[Value<'_>]) -> OldRow<'static> {
    OldRow::Full(tuple(values))
}

fn record(key: &str, value: &str) -> Record {
    Record::One { key: Some(key.into()), value: Some(value.into()) }
}

struct Bench {
    table: Table,
    encoder: Encoder,
    records: Records,
}

impl Bench {
    fn new(shape: &TableShape) -> Self {
        Self::with(shape, Options::default())
    }

    fn with(shape: &TableShape, options: Options) -> Self {
        let format = Format::Native(options);
        Bench { table: Table::new(shape, &format).unwrap(), encoder: Encoder::new("shop", &format), records: Records::default() }
    }

    fn insert(&mut self, new: &[Value<'_>]) -> Result<(), Failure<std::convert::Infallible>> {
        self.encoder.insert(&self.table, &STAMP, tuple(new), &mut self.records)
    }

    fn update(&mut self, old: Option<OldRow<'_>>, new: &[Value<'_>]) -> Result<(), Failure<std::convert::Infallible>> {
        self.encoder.update(&self.table, &STAMP, old, tuple(new), &mut self.records)
    }

    fn delete(&mut self, old: OldRow<'_>) -> Result<(), Failure<std::convert::Infallible>> {
        self.encoder.delete(&self.table, &STAMP, old, &mut self.records)
    }

    /// Key and rows of each record: what follows the source.
    fn rows(&self) -> Vec<(&str, &str)> {
        self.records.0.iter().map(|record| (record.key().unwrap_or("none"), record.tail_from("before"))).collect()
    }

    fn operations(&self) -> Vec<String> {
        self.records.0.iter().map(|record| record.json()["op"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn an_update_is_the_envelope_of_the_design() {
    let mut bench = Bench::new(&orders());
    let new = [text("7"), text("12.50"), text("2024-11-21 09:06:40.123456+00"), text("{a,b}"), text("{\"k\": [1]}"), Unchanged];
    bench.update(None, &new).unwrap();
    let expected = concat!(
        r#"{"op":"u","ts_ms":1732180000123,"source":{"db":"shop","schema":"public","table":"orders","txid":742,"lsn":"0/16B3748","#,
        r#""commit_lsn":"0/16B3790","seq":3,"ts_ms":1732180000120,"snapshot":false},"before":null,"after":{"id":7,"total":"12.50","#,
        r#""paid_at":"2024-11-21T09:06:40.123456Z","tags":["a","b"],"doc":{"k":[1]}},"unchanged":["body"]}"#
    );
    assert_eq!(bench.records.0, [record(r#"{"id":7}"#, expected)]);
}

#[test]
fn a_snapshot_row_stands_at_the_snapshots_lsn() {
    let mut bench = Bench::new(&pairs(&["a"], &["a"]));
    let stamp = Stamp::snapshot(Lsn(0x1_0000_00FF), PgTime::from_unix_micros(5_000), PgTime::from_unix_micros(7_999));
    bench.encoder.snapshot_row(&bench.table, &stamp, [text("1"), Null].into_iter(), &mut bench.records).unwrap();
    let expected = concat!(
        r#"{"op":"r","ts_ms":7,"source":{"db":"shop","schema":"public","table":"orders","txid":null,"lsn":"1/FF","#,
        r#""commit_lsn":"1/FF","seq":null,"ts_ms":5,"snapshot":true},"before":null,"after":{"a":1,"b":null}}"#
    );
    assert_eq!(bench.records.0, [record(r#"{"a":1}"#, expected)]);
}

#[test]
fn under_full_the_old_row_is_before_and_lends_what_was_not_touched() {
    let mut bench = Bench::new(&pairs(&["a"], &["a", "b"]));
    bench.update(Some(full_form(&[text("1"), text("2")])), &[text("1"), Unchanged]).unwrap();
    bench.update(Some(full_form(&[text("1"), Null])), &[text("1"), text("3")]).unwrap();
    assert_eq!(
        bench.rows(),
        [
            (r#"{"a":1}"#, r#""before":{"a":1,"b":2},"after":{"a":1,"b":2}}"#),
            (r#"{"a":1}"#, r#""before":{"a":1,"b":null},"after":{"a":1,"b":3}}"#)
        ]
    );
    assert_eq!(bench.operations(), ["u", "u"]);
}

#[test]
fn a_change_of_the_key_is_a_delete_and_a_create_at_one_position() {
    let mut bench = Bench::new(&pairs(&["a"], &["a"]));
    bench.update(Some(key_form(&[text("1"), Null])), &[text("2"), Unchanged]).unwrap();
    bench.update(Some(full_form(&[text("1"), text("5")])), &[text("2"), Unchanged]).unwrap();
    assert_eq!(
        bench.rows(),
        [
            (r#"{"a":1}"#, r#""before":{"a":1},"after":null}"#),
            (r#"{"a":2}"#, r#""before":null,"after":{"a":2},"unchanged":["b"]}"#),
            (r#"{"a":1}"#, r#""before":{"a":1,"b":5},"after":null}"#),
            (r#"{"a":2}"#, r#""before":null,"after":{"a":2,"b":5}}"#),
        ]
    );
    assert_eq!(bench.operations(), ["d", "c", "d", "c"]);
    let sources: Vec<_> = bench.records.0.iter().map(|record| record.json()["source"].clone()).collect();
    assert!(sources.iter().all(|source| *source == sources[0]));
}

#[test]
fn an_old_key_that_is_the_same_is_no_change_of_the_key() {
    // The server sends the old key also when a large value in it was not touched.
    let mut bench = Bench::new(&pairs(&["a"], &["a"]));
    bench.update(Some(key_form(&[text("1"), Null])), &[Unchanged, text("2")]).unwrap();
    bench.update(Some(key_form(&[text("1"), Null])), &[text("1"), Unchanged]).unwrap();
    assert_eq!(
        bench.rows(),
        [
            (r#"{"a":1}"#, r#""before":null,"after":{"a":1,"b":2}}"#),
            (r#"{"a":1}"#, r#""before":null,"after":{"a":1},"unchanged":["b"]}"#)
        ]
    );
}

#[test]
fn a_key_that_was_not_sent_is_an_error() {
    let missing = |column: &str| Err(Failure::Event(Error::KeyNotSent { column: column.into() }));
    let mut bench = Bench::new(&pairs(&["a"], &["a"]));
    assert_eq!(bench.update(None, &[Unchanged, text("2")]), missing("a"));
    // The chosen key is not the identity, so a delete does not tell it.
    let mut bench = Bench::new(&pairs(&["b"], &["a"]));
    assert_eq!(bench.delete(key_form(&[text("1"), Null])), missing("b"));
    // Half of it is: neither record may be given away.
    let mut bench = Bench::new(&pairs(&["a", "b"], &["a"]));
    assert_eq!(bench.update(Some(key_form(&[text("1"), Null])), &[text("2"), text("2")]), missing("b"));
    assert_eq!(bench.records.0, []);
}

#[test]
fn keys_have_the_order_of_the_key_and_null_where_the_value_is_null() {
    let mut bench = Bench::new(&pairs(&["b", "a"], &["a", "b"]));
    bench.insert(&[text("1"), text("2")]).unwrap();
    bench.insert(&[Null, text("2")]).unwrap();
    assert_eq!(
        bench.records.0.iter().map(|record| record.key().unwrap()).collect::<Vec<_>>(),
        [r#"{"b":2,"a":1}"#, r#"{"b":2,"a":null}"#]
    );
    let mut bench = Bench::new(&pairs(&[], &[]));
    bench.insert(&[text("1"), text("2")]).unwrap();
    assert_eq!(bench.records.0[0].key(), None);
}

#[test]
fn a_deletes_before_is_the_identity_or_the_whole_row() {
    let mut bench = Bench::new(&pairs(&["a"], &["a"]));
    bench.delete(key_form(&[text("1"), Null])).unwrap();
    bench.delete(full_form(&[text("1"), text("2")])).unwrap();
    assert_eq!(
        bench.rows(),
        [(r#"{"a":1}"#, r#""before":{"a":1},"after":null}"#), (r#"{"a":1}"#, r#""before":{"a":1,"b":2},"after":null}"#)]
    );
}

#[test]
fn tombstones_follow_deletes_when_asked_for() {
    let tombstone = Record::One { key: Some(r#"{"a":1}"#.into()), value: None };
    let mut bench = Bench::with(&pairs(&["a"], &["a"]), Options { tombstones: true });
    bench.delete(key_form(&[text("1"), Null])).unwrap();
    assert_eq!(bench.records.0.len(), 2);
    assert_eq!(bench.records.0[1], tombstone);
    bench.update(Some(key_form(&[text("1"), Null])), &[text("2"), Null]).unwrap();
    assert_eq!(bench.records.0.len(), 5);
    assert_eq!(bench.records.0[3], tombstone);
    assert_eq!(bench.records.0[4].key(), Some(r#"{"a":2}"#));
    // Without a key there is nothing to forget.
    let mut bench = Bench::with(&pairs(&[], &["a", "b"]), Options { tombstones: true });
    bench.delete(full_form(&[text("1"), Null])).unwrap();
    assert_eq!(bench.records.0.len(), 1);
}

#[test]
fn a_truncate_goes_to_all_partitions() {
    let mut bench = Bench::new(&orders());
    bench.encoder.truncate(&bench.table, &STAMP, &mut bench.records).unwrap();
    let [Record::All { value }] = bench.records.0.as_slice() else { panic!("{:?}", bench.records) };
    assert!(
        value.starts_with(
            r#"{"op":"t","ts_ms":1732180000123,"source":{"db":"shop","schema":"public","table":"orders","txid":742"#
        ),
        "{value}"
    );
    assert_eq!(bench.records.0[0].tail_from("before"), r#""before":null,"after":null}"#);
}

#[test]
fn messages_are_text_where_they_can_be() {
    let mut bench = Bench::new(&orders());
    let stamp = Stamp { txid: None, ..STAMP };
    for content in [&b"say \"hi\""[..], b"\xff\x00"] {
        let message = LogicalMessage { transactional: false, lsn: Lsn(1), prefix: "a\"b", content };
        bench.encoder.message(&stamp, &message, &mut bench.records).unwrap();
    }
    let start =
        r#"{"op":"m","ts_ms":1732180000123,"source":{"db":"shop","schema":null,"table":null,"txid":null,"lsn":"0/16B3748","#;
    let end = r#""commit_lsn":"0/16B3790","seq":3,"ts_ms":1732180000120,"snapshot":false},"message":{"prefix":"a\"b","content":"#;
    let key = r#"{"prefix":"a\"b"}"#;
    assert_eq!(
        bench.records.0,
        [
            record(key, &format!("{start}{end}{}", r#""say \"hi\""}}"#)),
            record(key, &format!("{start}{end}{}", r#""/wA=","encoding":"base64"}}"#))
        ]
    );
}

#[test]
fn rows_of_another_width_are_refused() {
    let count = |found| Err(Failure::Event(Error::ColumnCount { expected: 2, found }));
    let mut bench = Bench::new(&pairs(&["a"], &["a"]));
    assert_eq!(bench.insert(&[text("1")]), count(1));
    assert_eq!(bench.insert(&[text("1"), Null, Null]), count(3));
    assert_eq!(bench.update(None, &[text("1")]), count(1));
    assert_eq!(bench.update(Some(key_form(&[text("1"), Null, Null])), &[text("1"), Null]), count(3));
    assert_eq!(bench.delete(key_form(&[])), count(0));
    let snapshot = bench.encoder.snapshot_row(&bench.table, &STAMP, [text("1"); 3].into_iter(), &mut bench.records);
    assert_eq!(snapshot, count(3));
    assert_eq!(bench.records.0, []);
}

#[test]
fn what_is_not_utf8_is_hexadecimal_and_named() {
    let mut bench = Bench::new(&pairs(&["a"], &["a", "b"]));
    bench.insert(&[Value::Text(b"caf\xe9"), text(r"\xe9")]).unwrap();
    bench.insert(&[text("a"), text("b")]).unwrap();
    bench.update(Some(full_form(&[text("a"), Value::Text(b"\xff\0")])), &[text("a"), text("b")]).unwrap();
    bench.delete(key_form(&[Value::Text(b"\x80"), Null])).unwrap();
    let key = r#"{"a":"\\x636166e9"}"#;
    assert_eq!(
        bench.rows(),
        [
            (key, r#""before":null,"after":{"a":"\\x636166e9","b":"\\xe9"},"hexadecimal":["a"]}"#),
            (r#"{"a":"a"}"#, r#""before":null,"after":{"a":"a","b":"b"}}"#),
            (r#"{"a":"a"}"#, r#""before":{"a":"a","b":"\\xff00"},"after":{"a":"a","b":"b"},"hexadecimal":["b"]}"#),
            (r#"{"a":"\\x80"}"#, r#""before":{"a":"\\x80","b":null},"after":null,"hexadecimal":["a"]}"#),
        ]
    );
}

#[test]
fn tables_without_columns_have_rows() {
    let mut bench = Bench::new(&TableShape { columns: vec![], key: vec![], ..orders() });
    bench.insert(&[]).unwrap();
    assert_eq!(bench.rows(), [("none", r#""before":null,"after":{}}"#)]);
}

#[test]
fn names_are_escaped() {
    let column = Column { identity: true, ..Column::new("a\"b\n\\é", Kind::Integer) };
    let shape = TableShape {
        database: "d\"".into(),
        schema: "s\\".into(),
        table: "t\u{1}".into(),
        key: vec![column.name.clone()],
        key_tells_table: false,
        columns: vec![column],
    };
    let mut bench = Bench::new(&shape);
    bench.update(Some(key_form(&[text("1")])), &[Unchanged]).unwrap();
    let json = bench.records.0[0].json();
    assert_eq!(json["source"]["db"], "d\"");
    assert_eq!(json["source"]["schema"], "s\\");
    assert_eq!(json["source"]["table"], "t\u{1}");
    assert_eq!(json["after"]["a\"b\n\\é"].to_string(), "1");
    assert_eq!(bench.records.0[0].key(), Some(r#"{"a\"b\n\\é":1}"#));
    bench.insert(&[Unchanged]).unwrap_err();
}

#[test]
fn a_key_column_must_be_there() {
    let shape = pairs(&["a", "c"], &["a"]);
    assert_eq!(Table::new(&shape, &Format::default()).unwrap_err(), Error::UnknownKeyColumn { column: "c".into() });
}

#[test]
fn a_refusal_of_the_sink_ends_the_event() {
    struct Full(usize);
    impl RecordSink for Full {
        type Error = &'static str;

        fn record(&mut self, _: Option<&[u8]>, _: Option<&[u8]>) -> Result<(), Self::Error> {
            self.0 = self.0.checked_sub(1).ok_or("full")?;
            Ok(())
        }

        fn record_with_headers(&mut self, _: Option<&[u8]>, _: Option<&[u8]>, _: &[Header<'_>]) -> Result<(), Self::Error> {
            Err("no header in this format")
        }

        fn record_to_all(&mut self, _: &[u8], _: &[Header<'_>]) -> Result<(), Self::Error> {
            Err("full")
        }
    }
    let mut bench = Bench::new(&pairs(&["a"], &["a"]));
    let (old, new) = (key_form(&[text("1"), Null]), tuple(&[text("2"), Null]));
    assert_eq!(bench.encoder.update(&bench.table, &STAMP, Some(old), new, &mut Full(1)), Err(Failure::Sink("full")));
    assert_eq!(bench.encoder.update(&bench.table, &STAMP, Some(old), new, &mut Full(2)), Ok(()));
    assert_eq!(bench.encoder.truncate(&bench.table, &STAMP, &mut Full(2)), Err(Failure::Sink("full")));
}

#[test]
fn large_buffers_are_given_back_and_the_next_row_is_right() {
    let mut bench = Bench::new(&orders());
    let large = "x".repeat(3 << 20);
    for body in [large.as_str(), "small"] {
        bench.insert(&[text("7"), Null, Null, Null, Null, text(body)]).unwrap();
    }
    assert_eq!(bench.records.0[0].json()["after"]["body"], large);
    assert_eq!(bench.records.0[1].json()["after"]["body"], "small");
}
