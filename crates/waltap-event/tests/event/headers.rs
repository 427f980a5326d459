//! Headers that every record has.

use waltap_event::{Encoder, Format, HeaderSet, Stamp, Table, TableShape, flat};
use waltap_pgoutput::Value::Null;
use waltap_pgoutput::{LogicalMessage, Lsn, PgTime};

use crate::changes::{STAMP, key_form, pairs, text, tuple};
use crate::records::{Record, Records};

const FORMAT: Format = Format::Flat(flat::Options { tombstones: true });

fn bench(shape: &TableShape, set: HeaderSet) -> (Table, Encoder, Records) {
    let encoder = Encoder::new("shop", &FORMAT).with_headers(set, "shop");
    (Table::new(shape, &FORMAT).unwrap(), encoder, Records::default())
}

fn headers(record: &Record) -> Vec<(&str, &str)> {
    match record {
        Record::WithHeaders { headers, .. } => headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
        _ => vec![],
    }
}

fn header<'a>(record: &'a Record, name: &str) -> &'a str {
    headers(record).into_iter().find(|(found, _)| *found == name).map_or("none", |(_, value)| value)
}

#[test]
fn the_position_is_told_as_text() {
    let (table, mut encoder, mut records) = bench(&pairs(&["a"], &["a"]), HeaderSet::Position);
    encoder.insert(&table, &STAMP, tuple(&[text("1"), Null]), &mut records).unwrap();
    let expected = [
        ("waltap.op", "c"),
        ("waltap.db", "shop"),
        ("waltap.schema", "public"),
        ("waltap.table", "orders"),
        ("waltap.txid", "742"),
        ("waltap.lsn", "0/16B3748"),
        ("waltap.commit_lsn", "0/16B3790"),
        ("waltap.seq", "3"),
        ("waltap.ts_ms", "1732180000120"),
    ];
    assert_eq!(headers(&records.0[0]), expected);
    let message = LogicalMessage { transactional: false, lsn: Lsn(1), prefix: "foo", content: b"bar" };
    encoder.message(&Stamp { txid: None, ..STAMP }, &message, &mut records).unwrap();
    let names: Vec<&str> = headers(&records.0[1]).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["waltap.op", "waltap.db", "waltap.lsn", "waltap.commit_lsn", "waltap.seq", "waltap.ts_ms"]);
}

#[test]
fn each_record_of_a_change_of_the_key_tells_what_it_is() {
    let (table, mut encoder, mut records) = bench(&pairs(&["a"], &["a"]), HeaderSet::CloudEvents);
    encoder.update(&table, &STAMP, Some(key_form(&[text("1"), Null])), tuple(&[text("2"), Null]), &mut records).unwrap();
    let ids: Vec<&str> = records.0.iter().map(|record| header(record, "ce_id")).collect();
    assert_eq!(ids, ["0/16B3790/3/d", "none", "0/16B3790/3/c"]);
    let types: Vec<&str> = records.0.iter().map(|record| header(record, "ce_type")).collect();
    assert_eq!(types, ["waltap.delete", "none", "waltap.create"]);
    assert!(records.0[1].is_tombstone());
}

#[test]
fn a_cloud_event_has_its_attributes() {
    let shape = TableShape { schema: "Odd schema/".into(), table: "t\u{e9}".into(), ..pairs(&["a"], &["a"]) };
    let (table, mut encoder, mut records) = bench(&shape, HeaderSet::CloudEvents);
    let stamp = Stamp::snapshot(Lsn(0x1_0000_00FF), PgTime::from_unix_micros(5_000), PgTime::from_unix_micros(7_999));
    encoder.snapshot_row(&table, &stamp, [text("1"), Null].into_iter(), &mut records).unwrap();
    let expected = [
        ("ce_specversion", "1.0"),
        ("ce_id", "1/FF/{\"a\":1}/r"),
        ("ce_source", "/shop/Odd%20schema%2F/t%C3%A9"),
        ("ce_type", "waltap.read"),
        ("ce_time", "1970-01-01T00:00:00.005000Z"),
        ("content-type", "application/json"),
    ];
    assert_eq!(headers(&records.0[0]), expected);
}

#[test]
fn equal_rows_without_a_key_have_ids_of_their_own() {
    let (table, mut encoder, mut records) = bench(&pairs(&[], &[]), HeaderSet::CloudEvents);
    let stamp = Stamp::snapshot(Lsn(255), PgTime::from_unix_micros(0), PgTime::from_unix_micros(0));
    for _ in 0..2 {
        encoder.snapshot_row(&table, &stamp, [text("1"), Null].into_iter(), &mut records).unwrap();
    }
    assert_ne!(header(&records.0[0], "ce_id"), header(&records.0[1], "ce_id"));
}
