//! Transaction metadata and signs of life.

use waltap_event::{Stamp, Table, TableShape};
use waltap_pgoutput::{LogicalMessage, Lsn, PgTime};

use super::{STAMP, bench, built_in, column, options, shape};
use crate::changes::{full_form, text, tuple};
use crate::records::{Record, Records};

fn at(lsn: u64) -> Stamp {
    Stamp { lsn: Lsn(lsn), ..STAMP }
}

fn customers() -> TableShape {
    shape(vec![column("id", built_in(23))], &["id"])
}

fn blocks(records: &Records) -> Vec<String> {
    let rows = records.0.iter().filter(|record| !record.is_tombstone());
    let text = |record: &Record| {
        let tail = record.tail_from("transaction").strip_prefix("\"transaction\":").unwrap();
        let end = tail.find(",\"op\":").or_else(|| tail.find(",\"message\":")).unwrap();
        tail[..end].to_owned()
    };
    rows.map(text).collect()
}

fn block(lsn: u64, total: u64, order: u64) -> String {
    format!(r#"{{"id":"556:{lsn}","total_order":{total},"data_collection_order":{order}}}"#)
}

fn one(key: &str, value: &str) -> Record {
    Record::One { key: Some(key.to_owned()), value: Some(value.to_owned()) }
}

#[test]
fn a_transaction_is_told_around_its_events_and_in_each() {
    let (table, mut encoder, mut records) = bench(&customers(), options(&[("provide.transaction.metadata", "true")]));
    encoder.transaction_begins(&at(10), &mut records).unwrap();
    encoder.transaction_commits(&at(20), &mut records).unwrap();
    assert_eq!(
        records.0,
        [
            one(
                r#"{"id":"556:10"}"#,
                r#"{"status":"BEGIN","id":"556:10","event_count":null,"data_collections":null,"ts_ms":1732180000120}"#
            ),
            one(
                r#"{"id":"556:20"}"#,
                r#"{"status":"END","id":"556:20","event_count":0,"data_collections":[],"ts_ms":1732180000120}"#
            ),
        ],
        "one without events"
    );

    encoder.transaction_begins(&at(30), &mut Records::default()).unwrap();
    let mut records = Records::default();
    encoder.insert(&table, &at(31), tuple(&[text("1")]), &mut records).unwrap();
    encoder.update(&table, &at(32), Some(full_form(&[text("1")])), tuple(&[text("2")]), &mut records).unwrap();
    // Truncates are skipped: not counted.
    encoder.truncate(&table, &at(33), &mut records).unwrap();
    let message = LogicalMessage { transactional: true, lsn: Lsn(34), prefix: "p", content: b"" };
    encoder.message(&at(34), &message, &mut records).unwrap();
    let outside = LogicalMessage { transactional: false, ..message };
    encoder.message(&Stamp { txid: None, ..at(35) }, &outside, &mut records).unwrap();
    encoder.insert(&table, &at(36), tuple(&[text("3")]), &mut records).unwrap();
    let expected = [block(31, 1, 1), block(32, 2, 2), block(32, 3, 3), block(34, 4, 1), "null".to_owned(), block(36, 5, 4)];
    assert_eq!(blocks(&records), expected);

    let mut records = Records::default();
    encoder.transaction_commits(&at(40), &mut records).unwrap();
    let end = records.0[0].json();
    assert_eq!(end["event_count"], 5);
    let counts: Vec<String> = end["data_collections"].as_array().unwrap().iter().map(|count| count.to_string()).collect();
    let counts_of = |name: &str, count: u64| format!(r#"{{"data_collection":"{name}","event_count":{count}}}"#);
    assert!(counts.contains(&counts_of("public.customers", 4)), "{counts:?}");
    assert!(counts.contains(&counts_of("message", 1)), "{counts:?}");
}

#[test]
fn the_parts_of_a_changed_key_that_are_left_out_are_not_counted() {
    let properties = [("provide.transaction.metadata", "true"), ("skipped.operations", "d")];
    let (table, mut encoder, mut records) = bench(&customers(), options(&properties));
    encoder.transaction_begins(&at(30), &mut Records::default()).unwrap();
    encoder.update(&table, &at(32), Some(full_form(&[text("1")])), tuple(&[text("2")]), &mut records).unwrap();
    encoder.insert(&table, &at(33), tuple(&[text("3")]), &mut records).unwrap();
    assert_eq!(blocks(&records), [block(32, 1, 1), block(33, 2, 2)]);
}

#[test]
fn tables_are_counted_in_the_order_of_a_java_map() {
    let set = options(&[("provide.transaction.metadata", "true")]);
    let (_, mut encoder, mut records) = bench(&customers(), set.clone());
    encoder.transaction_begins(&at(1), &mut records).unwrap();
    let format = waltap_event::Format::Debezium(Box::new(set));
    let names: Vec<String> = (0..13).map(|number| format!("k{number}")).collect();
    // In turn, so that each is found again.
    for name in names.iter().chain(&names) {
        let table = Table::new(&TableShape { schema: "s".into(), table: name.clone(), ..customers() }, &format).unwrap();
        encoder.insert(&table, &at(2), tuple(&[text("1")]), &mut records).unwrap();
    }
    records.0.clear();
    encoder.transaction_commits(&at(3), &mut records).unwrap();
    let end = records.0[0].json();
    let collections = end["data_collections"].as_array().unwrap();
    assert!(collections.iter().all(|collection| collection["event_count"] == 2), "{end}");
    let order: Vec<&str> = collections.iter().map(|collection| collection["data_collection"].as_str().unwrap()).collect();
    // What `new HashMap<>()` gave, filled in this order.
    let expected = JAVA_ORDER.map(|number| format!("s.k{number}"));
    assert_eq!(order, expected);
}

/// jshell> var m = new HashMap<String,Long>(); for (int i = 0; i < 13; i++) m.put("s.k" + i, 1L); m.keySet()
const JAVA_ORDER: [u8; 13] = [10, 5, 4, 7, 6, 1, 0, 3, 2, 12, 11, 9, 8];

#[test]
fn nothing_is_told_of_transactions_unless_it_is_asked_for() {
    let (table, mut encoder, mut records) = bench(&customers(), options(&[]));
    encoder.transaction_begins(&at(10), &mut records).unwrap();
    encoder.insert(&table, &at(11), tuple(&[text("1")]), &mut records).unwrap();
    encoder.transaction_commits(&at(20), &mut records).unwrap();
    assert_eq!(blocks(&records), ["null"]);
    assert_eq!(records.0.len(), 1);
}

#[test]
fn signs_of_life() {
    let (_, mut encoder, mut records) = bench(&customers(), options(&[("heartbeat.interval.ms", "500")]));
    encoder.heartbeat(PgTime(785_495_200_123_999), &mut records).unwrap();
    assert_eq!(records.0, [one(r#"{"serverName":"PostgreSQL_server"}"#, r#"{"ts_ms":1732180000123}"#)]);
    let (_, mut encoder, mut records) = bench(&customers(), options(&[]));
    encoder.heartbeat(PgTime(0), &mut records).unwrap();
    assert_eq!(records.0, []);
}
