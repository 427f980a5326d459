//! The records that Kafka has, and what they say.

use std::collections::BTreeSet;

use serde::Deserialize;
use waltap_pgoutput::Lsn;

/// A record in a partition.
#[derive(Clone, Debug)]
pub(in crate::model) struct Record {
    pub(in crate::model) topic: String,
    pub(in crate::model) partition: i32,
    pub(in crate::model) key: Option<String>,
    /// `None`: a tombstone.
    pub(in crate::model) event: Option<Event>,
}

/// What the value of a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Event {
    /// As its own letter; `n` for a message outside of transactions, which may stand at the place of one inside of the next.
    pub(in crate::model) op: char,
    pub(in crate::model) commit_lsn: Lsn,
    /// `None` for rows of a snapshot.
    pub(in crate::model) ordinal: Option<u64>,
    /// The row after it, or before a delete, or the content of a message.
    pub(in crate::model) row: Option<i64>,
    pub(in crate::model) value: Option<String>,
}

/// Names an event of the stream among all records.
pub(in crate::model) type Place = (String, i32, Lsn, u64, char);

/// All partitions of all topics: each in its own order, and all of them in that of their arrival.
#[derive(Debug, Default)]
pub(in crate::model) struct Log {
    pub(in crate::model) records: Vec<Record>,
    /// Places of events of the stream that are in.
    pub(in crate::model) places: BTreeSet<Place>,
}

impl Log {
    pub(in crate::model) fn append(&mut self, record: Record) {
        if let Some(event) = &record.event
            && let Some(ordinal) = event.ordinal
        {
            self.places.insert((record.topic.clone(), record.partition, event.commit_lsn, ordinal, event.op));
        }
        self.records.push(record);
    }

    /// Whether an event of the stream is in, in some partition or in so many.
    pub(in crate::model) fn has(&self, topic: &str, partitions: i32, place: (Lsn, u64, char), in_all: bool) -> bool {
        let (lsn, ordinal, op) = place;
        let mut count = 0;
        for partition in 0..partitions {
            count += i32::from(self.places.contains(&(topic.to_owned(), partition, lsn, ordinal, op)));
        }
        if in_all { count == partitions } else { count > 0 }
    }
}

#[derive(Deserialize)]
struct Envelope {
    op: char,
    source: Source,
    before: Option<Row>,
    after: Option<Row>,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Source {
    txid: Option<u32>,
    commit_lsn: String,
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Row {
    id: i64,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

/// Reads an event's value.
pub(in crate::model) fn read(value: &[u8]) -> Result<Event, String> {
    let text = || String::from_utf8_lossy(value).into_owned();
    let envelope: Envelope = serde_json::from_slice(value).map_err(|error| format!("{error}: {}", text()))?;
    let row = envelope.after.or(envelope.before);
    Ok(Event {
        op: if envelope.op == 'm' && envelope.source.txid.is_none() { 'n' } else { envelope.op },
        commit_lsn: envelope.source.commit_lsn.parse().map_err(|_| text())?,
        ordinal: envelope.source.seq,
        row: row.as_ref().map(|row| row.id),
        value: row.and_then(|row| row.value).or(envelope.message.map(|message| message.content)),
    })
}
