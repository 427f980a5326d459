//! What an encoder keeps from one event for the next changes nothing in any record.

use proptest::prelude::*;
use waltap_event::{Encoder, Format, Stamp, Table, TableShape, flat, native};
use waltap_pgoutput::{LogicalMessage, Lsn, OldRow, PgTime, Value, encode};

use crate::changes::{STAMP, pairs, text};
use crate::debezium;
use crate::records::Records;

#[derive(Clone, Copy, Debug)]
enum Event {
    SnapshotRow,
    Insert,
    Update,
    ChangeOfKey,
    Delete,
    Truncate,
    Message,
}

const EVENTS: [Event; 7] =
    [Event::SnapshotRow, Event::Insert, Event::Update, Event::ChangeOfKey, Event::Delete, Event::Truncate, Event::Message];

/// What an event depends on.
#[derive(Clone, Copy, Debug)]
struct Moment {
    event: Event,
    stamp: Stamp,
    of_other_table: bool,
    /// Where the last transaction ended.
    last_commit: Option<Lsn>,
}

/// Of what an event depends on, one thing.
#[derive(Clone, Copy, Debug)]
enum Change {
    Event(Event),
    Txid(Option<u32>),
    Lsn(Lsn),
    CommitLsn(Lsn),
    Ordinal(Option<u64>),
    HappenedAt(PgTime),
    WrittenAt(PgTime),
    OtherTable(bool),
    TransactionEnded(Lsn),
}

fn change() -> impl Strategy<Value = Change> {
    // Few of each, so that what was there before often comes back; the same for fields that could be taken for each other.
    let lsn = || prop::sample::select(vec![Lsn(0), Lsn(0xA), STAMP.commit_lsn, Lsn(u64::MAX)]);
    // Two are of the same millisecond, and one is of the day before.
    let time = || prop::sample::select(vec![PgTime(-1), PgTime(0), PgTime(1), STAMP.happened_at]);
    prop_oneof![
        3 => prop::sample::select(EVENTS.to_vec()).prop_map(Change::Event),
        1 => prop::sample::select(vec![None, Some(0), STAMP.txid, Some(u32::MAX)]).prop_map(Change::Txid),
        1 => lsn().prop_map(Change::Lsn),
        1 => lsn().prop_map(Change::CommitLsn),
        1 => prop::sample::select(vec![None, Some(0), STAMP.ordinal, Some(u64::MAX)]).prop_map(Change::Ordinal),
        1 => time().prop_map(Change::HappenedAt),
        1 => time().prop_map(Change::WrittenAt),
        1 => any::<bool>().prop_map(Change::OtherTable),
        1 => lsn().prop_map(Change::TransactionEnded),
    ]
}

/// What changes before each event: half the time nothing, or one thing alone.
fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    prop::collection::vec(prop::collection::vec(change(), 0..4), 1..40)
}

impl Moment {
    fn change(&mut self, change: Change) {
        match change {
            Change::Event(event) => self.event = event,
            Change::Txid(txid) => self.stamp.txid = txid,
            Change::Lsn(lsn) => self.stamp.lsn = lsn,
            Change::CommitLsn(lsn) => self.stamp.commit_lsn = lsn,
            Change::Ordinal(ordinal) => self.stamp.ordinal = ordinal,
            Change::HappenedAt(time) => self.stamp.happened_at = time,
            Change::WrittenAt(time) => self.stamp.written_at = time,
            Change::OtherTable(is_other) => self.of_other_table = is_other,
            Change::TransactionEnded(end) => self.last_commit = Some(end),
        }
    }

    /// The records of its event.
    fn records(&self, encoder: &mut Encoder, tables: &[Table; 2]) -> Records {
        let Moment { event, stamp, of_other_table, .. } = self;
        let table = &tables[usize::from(*of_other_table)];
        let (row, other_row) = ([text("1"), text("x")], [text("2"), text("x")]);
        let (mut old, mut new) = (Vec::new(), Vec::new());
        let old = OldRow::Key(encode::tuple(&mut old, &[text("1"), Value::Null]));
        let mut records = Records::default();
        match event {
            Event::SnapshotRow => encoder.snapshot_row(table, stamp, row.into_iter(), &mut records),
            Event::Insert => encoder.insert(table, stamp, encode::tuple(&mut new, &row), &mut records),
            Event::Update => encoder.update(table, stamp, None, encode::tuple(&mut new, &row), &mut records),
            Event::ChangeOfKey => encoder.update(table, stamp, Some(old), encode::tuple(&mut new, &other_row), &mut records),
            Event::Delete => encoder.delete(table, stamp, old, &mut records),
            Event::Truncate => encoder.truncate(table, stamp, &mut records),
            Event::Message => {
                let transactional = stamp.txid.is_some();
                let message = LogicalMessage { transactional, lsn: stamp.lsn, prefix: "p", content: b"c" };
                encoder.message(stamp, &message, &mut records)
            }
        }
        .unwrap();
        records
    }
}

fn shape(table: &str) -> TableShape {
    let mut shape = TableShape { table: table.into(), ..pairs(&["a"], &["a"]) };
    for column in &mut shape.columns {
        column.data_type = debezium::built_in(25);
    }
    shape
}

/// Writes events with one encoder, and each with one of its own too, which knows no more of those before than where the last transaction
/// ended. From the event with the number `chunks_from` on the encoder is one of chunks.
fn compare(format: &Format, changes: Vec<Vec<Change>>, chunks_from: usize) -> Result<(), TestCaseError> {
    let tables = ["orders", "t"].map(|name| Table::new(&shape(name), format).unwrap());
    let mut used = Encoder::new("shop", format);
    let mut moment = Moment { event: Event::SnapshotRow, stamp: STAMP, of_other_table: false, last_commit: None };
    for (number, changes) in changes.into_iter().enumerate() {
        for change in changes {
            moment.change(change);
            if let Change::TransactionEnded(end) = change {
                used.transaction_ended(end);
            }
        }
        let mut fresh = Encoder::new("shop", format);
        if let Some(end) = moment.last_commit {
            fresh.transaction_ended(end);
        }
        if number == chunks_from {
            used = used.of_chunks();
        }
        if number >= chunks_from {
            fresh = fresh.of_chunks();
        }
        let expected = moment.records(&mut fresh, &tables).0;
        prop_assert!(!expected.is_empty());
        prop_assert_eq!(moment.records(&mut used, &tables).0, expected, "event {}: {:?}", number, moment);
        if matches!(moment.event, Event::Message) && moment.stamp.txid.is_none() {
            // To Debezium a message outside of transactions is one.
            moment.last_commit = Some(moment.stamp.lsn);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn native_events_are_written_as_by_a_new_encoder(changes in changes(), chunks_from in 0..50_usize) {
        compare(&Format::Native(native::Options { tombstones: true }), changes, chunks_from)?;
    }

    #[test]
    fn flat_events_are_written_as_by_a_new_encoder(changes in changes(), chunks_from in 0..50_usize) {
        compare(&Format::Flat(flat::Options { tombstones: true }), changes, chunks_from)?;
    }

    #[test]
    fn debezium_events_are_written_as_by_a_new_encoder(changes in changes(), chunks_from in 0..50_usize) {
        compare(&Format::Debezium(Box::new(debezium::options(&[("skip", "none")]))), changes, chunks_from)?;
    }
}
