//! What must hold, and whether it does: the source is known in full, and so is every record.

use std::collections::{BTreeMap, BTreeSet};

use waltap_pgoutput::Lsn;

use super::kafka::log::Event;
use super::postgres::wal::{Change, Entry, SourceTable, Transaction, What};
use super::profile::Deliveries;
use super::world::State;
use super::{CAPTURE, DATABASE, SCHEMA};
use crate::progress::{SlotRecord, TableRecord, TableState};

/// An event that a change becomes.
struct Expected {
    topic: String,
    event: Event,
}

/// Looks at a status that PostgreSQL has just heard: everything before it may be forgotten now.
pub(super) fn status_heard(state: &mut State, flush: Lsn) {
    let recorded = slot_record(state).and_then(|record| record.acknowledged);
    if recorded.is_none_or(|recorded| recorded < flush) {
        state.find(format!("PostgreSQL may forget up to {flush}, and progress has {recorded:?}"));
    }
    if let Some(missing) = missing_before(state, flush) {
        state.find(format!("PostgreSQL may forget up to {flush}, and Kafka lacks {missing}"));
    }
}

/// What is not done yet, once everything is at rest.
pub(super) fn unsettled(state: &State) -> Option<String> {
    let end = state.postgres.wal.entries.last().map_or(Lsn::ZERO, Entry::end).max(state.postgres.wal.end());
    let slot = state.postgres.slots.values().find(|slot| !slot.temporary);
    let confirmed = slot.and_then(|slot| slot.confirmed).unwrap_or_default();
    let is_unread =
        |oid: u32| done_since(state, oid).is_none() || table_record(state, oid).is_some_and(|record| record.chunks.is_some());
    let unread = state.postgres.wal.tables.iter().find(|table| is_unread(table.oid));
    let is_behind = |oid: u32| table_record(state, oid).is_some_and(|record| record.paused.is_some());
    let behind = state.postgres.wal.tables.iter().find(|table| is_behind(table.oid));
    match unread.or(behind) {
        Some(table) if is_behind(table.oid) => Some(format!("{} is behind", table.name)),
        Some(table) => Some(format!("the rows of {} are not read", table.name)),
        None if confirmed < end => Some(format!("the slot stands at {confirmed}, the log at {end}")),
        None => None,
    }
}

/// Everything, at the end.
pub(super) fn check(state: &mut State) {
    let end = state.postgres.wal.end();
    let finding = missing_before(state, end)
        .map(|missing| format!("Kafka lacks {missing}"))
        .or_else(|| strangers(state))
        .or_else(|| disorder(state))
        .or_else(|| rows_out_of_place(state))
        .or_else(|| wrong_rows(state));
    if let Some(finding) = finding {
        state.find(finding);
    }
}

/// An event of before `lsn` that Kafka neither has nor has had as a row of a finished snapshot.
fn missing_before(state: &State, lsn: Lsn) -> Option<String> {
    let mut done: BTreeMap<u32, Option<Lsn>> = BTreeMap::new();
    let wal = &state.postgres.wal;
    for entry in wal.entries.iter().filter(|entry| entry.start() < lsn) {
        for (change, expected) in expected(state, entry) {
            let is_held = change.is_some_and(|change| match change.what {
                What::Message { .. } => false,
                _ => done
                    .entry(change.table)
                    .or_insert_with(|| done_since(state, change.table))
                    .is_some_and(|since| entry.start() < since),
            });
            let event = &expected.event;
            let partitions = state.kafka.topics.get(&expected.topic).copied().unwrap_or(0);
            let place = (event.commit_lsn, event.ordinal.unwrap_or_default(), event.op);
            if !is_held && !state.kafka.log.has(&expected.topic, partitions, place, event.op == 't') {
                return Some(format!("{event:?} of {}", expected.topic));
            }
        }
        // What the stream does not tell is in a snapshot, or will be.
        if let Entry::Committed(transaction) = entry {
            for change in transaction.changes.iter().filter(|change| change.table != 0 && !is_told(state, transaction, change)) {
                let since = *done.entry(change.table).or_insert_with(|| done_since(state, change.table));
                // Of one that was read in chunks no place tells what was read.
                if since.is_some_and(|since| since > Lsn::ZERO && transaction.commit_lsn >= since) {
                    return Some(format!("{change:?}, which was not published, in a snapshot as of {since:?}"));
                }
            }
        }
    }
    None
}

/// The events that the stream has of an entry of the log.
fn expected<'a>(state: &'a State, entry: &'a Entry) -> Vec<(Option<&'a Change>, Expected)> {
    let told = state.profile.messages;
    match entry {
        Entry::Message { start, end, content } if told && state.postgres.begins.is_some_and(|begins| *start >= begins) => {
            vec![(None, message('n', *end, 0, content))]
        }
        Entry::Message { .. } => Vec::new(),
        Entry::Committed(transaction) => expected_of(state, transaction),
    }
}

fn expected_of<'a>(state: &'a State, transaction: &'a Transaction) -> Vec<(Option<&'a Change>, Expected)> {
    let wal = &state.postgres.wal;
    let told = transaction.changes.iter().filter(|change| is_told(state, transaction, change));
    let mut events = Vec::new();
    for (ordinal, change) in told.enumerate() {
        let ordinal = ordinal as u64;
        let commit_lsn = transaction.commit_lsn;
        let mut push = |op, row: Option<i64>, value: Option<&String>| {
            let event = Event { op, commit_lsn, ordinal: Some(ordinal), row, value: value.cloned() };
            let topic = wal.table(change.table).map(topic_of).unwrap_or_default();
            events.push((Some(change), Expected { topic, event }));
        };
        let full = wal.table(change.table).is_some_and(|table| table.full_identity);
        let old = "old".to_owned();
        let old = full.then_some(&old);
        match &change.what {
            What::Insert { row, value } => push('c', Some(*row), Some(value)),
            What::Update { row, value } => push('u', Some(*row), Some(value)),
            What::Move { from, row, value } => {
                push('d', Some(*from), old);
                push('c', Some(*row), Some(value));
            }
            What::Touch { row } => push('u', Some(*row), None),
            What::Carry { from, row } => {
                push('d', Some(*from), old);
                // Of the whole old row the value is known.
                push('c', Some(*row), old);
            }
            What::Delete { row } => push('d', Some(*row), old),
            What::Truncate => push('t', None, None),
            What::Message { content } => events.push((Some(change), message('m', commit_lsn, ordinal, content))),
        }
    }
    events
}

/// Whether the stream tells of a change.
fn is_told(state: &State, transaction: &Transaction, change: &Change) -> bool {
    let is_chosen = match change.what {
        What::Message { .. } => state.profile.messages,
        _ => state.postgres.wal.is_told(change),
    };
    is_chosen && state.postgres.begins.is_some_and(|begins| transaction.commit_lsn >= begins)
}

fn message(op: char, lsn: Lsn, ordinal: u64, content: &str) -> Expected {
    let event = Event { op, commit_lsn: lsn, ordinal: Some(ordinal), row: None, value: Some(content.to_owned()) };
    Expected { topic: format!("{DATABASE}.message"), event }
}

/// An event that nothing in the source stands for, or that says something else.
fn strangers(state: &State) -> Option<String> {
    let mut events: BTreeMap<(String, Lsn, u64, char), Event> = BTreeMap::new();
    for entry in &state.postgres.wal.entries {
        for (_, Expected { topic, event }) in expected(state, entry) {
            events.insert((topic, event.commit_lsn, event.ordinal.unwrap_or_default(), event.op), event);
        }
    }
    let mut snapshots: BTreeMap<(String, Lsn), BTreeMap<i64, String>> = BTreeMap::new();
    for record in &state.kafka.log.records {
        let Some(event) = &record.event else { continue };
        let Some(ordinal) = event.ordinal else {
            let mut rows_as_of = |lsn: Lsn| {
                let rows = snapshots.entry((record.topic.clone(), lsn)).or_insert_with(|| {
                    let table = state.postgres.wal.tables.iter().find(|table| topic_of(table) == record.topic);
                    table.map(|table| state.postgres.wal.rows_as_of(table.oid, lsn)).unwrap_or_default()
                });
                event.row.and_then(|row| rows.get(&row)).cloned()
            };
            if rows_as_of(event.commit_lsn) != event.value {
                return Some(format!("a row that no snapshot has: {record:?}"));
            }
            continue;
        };
        let known = events.get(&(record.topic.clone(), event.commit_lsn, ordinal, event.op));
        if known != Some(event) {
            return Some(format!("an event that is not in the log: {record:?} where it has {known:?}"));
        }
        let key = event.row.map(|row| format!("{{\"id\":{row}}}"));
        if !matches!(event.op, 'm' | 'n') && record.key != key {
            return Some(format!("a key that is not the row's: {record:?}"));
        }
    }
    None
}

/// An event that comes for the first time behind one of a later place. A repeat is where it was before.
fn disorder(state: &State) -> Option<String> {
    let mut last: BTreeMap<(&str, i32), (Lsn, u64)> = BTreeMap::new();
    let mut seen: BTreeSet<(&str, i32, Lsn, u64, char)> = BTreeSet::new();
    let mut rows: BTreeSet<(&str, Lsn, Option<i64>)> = BTreeSet::new();
    let is_exactly_once = state.profile.deliveries == Deliveries::ExactlyOnce;
    let answered = |table: &&SourceTable| table_record(state, table.oid).is_some_and(|record| record.answer.is_some());
    let once = is_exactly_once && state.profile.repairs_percent == 0 && state.profile.unchanged_percent == 0;
    let in_chunks: Vec<String> = state.postgres.wal.tables.iter().filter(answered).filter(|_| once).map(topic_of).collect();
    let mut rows_in_chunks: BTreeSet<(&str, Option<i64>)> = BTreeSet::new();
    for record in &state.kafka.log.records {
        let Some(event) = &record.event else { continue };
        let Some(ordinal) = event.ordinal else {
            if !rows.insert((&record.topic, event.commit_lsn, event.row)) && is_exactly_once {
                return Some(format!("{record:?} is there twice"));
            }
            if in_chunks.contains(&record.topic) && !rows_in_chunks.insert((&record.topic, event.row)) {
                return Some(format!("{record:?} is read twice in chunks"));
            }
            continue;
        };
        if !seen.insert((&record.topic, record.partition, event.commit_lsn, ordinal, event.op)) {
            if is_exactly_once {
                return Some(format!("{record:?} is there twice"));
            }
            continue;
        }
        let place = (event.commit_lsn, ordinal);
        let last = last.entry((&record.topic, record.partition)).or_default();
        if place < *last {
            return Some(format!("{record:?} comes after {last:?}"));
        }
        *last = place;
    }
    None
}

/// Rows of a snapshot behind changes that came after it; or changes that a finished snapshot held behind its rows.
fn rows_out_of_place(state: &State) -> Option<String> {
    for table in &state.postgres.wal.tables {
        let topic = topic_of(table);
        let Some(since) = done_since(state, table.oid) else { continue };
        let mut latest: BTreeMap<(i32, Option<i64>), Lsn> = BTreeMap::new();
        // A row of a chunk may come behind changes of other rows.
        let is_in_chunks = state.profile.chunks || state.profile.repairs_percent > 0;
        let mut read: BTreeSet<i32> = BTreeSet::new();
        for record in state.kafka.log.records.iter().filter(|record| record.topic == topic) {
            let Some(event) = &record.event else { continue };
            let latest = latest.entry((record.partition, event.row.filter(|_| is_in_chunks))).or_default();
            if event.ordinal.is_some() {
                if event.commit_lsn < since && read.contains(&record.partition) {
                    return Some(format!("a change that the snapshot of {since} held comes after it: {record:?}"));
                }
                *latest = event.commit_lsn.max(*latest);
                continue;
            }
            if *latest >= event.commit_lsn {
                return Some(format!("a row of a snapshot comes after the change at {latest}: {record:?}"));
            }
            if event.commit_lsn == since {
                read.insert(record.partition);
            }
        }
    }
    None
}

/// A table that a reader builds from the topic, and that is not the source's.
fn wrong_rows(state: &State) -> Option<String> {
    for table in &state.postgres.wal.tables {
        let topic = topic_of(table);
        let mut rows: BTreeMap<i64, (i32, Option<&String>)> = BTreeMap::new();
        let mut told: BTreeSet<&String> = BTreeSet::new();
        for record in state.kafka.log.records.iter().filter(|record| record.topic == topic) {
            let Some(event) = &record.event else { continue };
            told.extend(&event.value);
            match (event.op, event.row) {
                ('t', _) => rows.retain(|_, (partition, _)| *partition != record.partition),
                ('d', Some(row)) => drop(rows.remove(&row)),
                // What is left out is as it was.
                ('u', Some(row)) if event.value.is_none() => drop(rows.entry(row).or_insert((record.partition, None))),
                (_, Some(row)) => drop(rows.insert(row, (record.partition, event.value.as_ref()))),
                (_, None) => {}
            }
        }
        let rows_built = rows;
        let rows = state.postgres.wal.rows.iter().filter(|((oid, _), _)| *oid == table.oid);
        let source: BTreeMap<i64, &String> = rows.map(|((_, row), value)| (*row, value)).collect();
        // A value that came under another key is known to who keeps it.
        let known = rows_built.into_iter().filter_map(|(row, (_, value))| {
            let kept = || source.get(&row).copied().filter(|value| told.contains(value));
            Some((row, value.or_else(kept)?))
        });
        let built: BTreeMap<i64, &String> = known.collect();
        if built != source {
            return Some(format!("{} is {built:?} by its topic, and {source:?} in the source", table.name));
        }
    }
    None
}

/// From where on a table's changes come by the stream, once its rows are done.
fn done_since(state: &State, oid: u32) -> Option<Lsn> {
    table_record(state, oid).filter(|record| record.state == TableState::Done).map(|record| record.since)
}

fn table_record(state: &State, oid: u32) -> Option<TableRecord> {
    let record = state.kafka.progress.get(format!("{CAPTURE}/{DATABASE}/table/{oid}").as_bytes())?;
    serde_json::from_slice(record).ok()
}

fn slot_record(state: &State) -> Option<SlotRecord> {
    let record = state.kafka.progress.get(format!("{CAPTURE}/{DATABASE}/slot").as_bytes())?;
    serde_json::from_slice(record).ok()
}

fn topic_of(table: &SourceTable) -> String {
    format!("{DATABASE}.{SCHEMA}.{}", table.name)
}
