//! An event of the `native` format, as a consumer reads it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Failure, Record, Result};

/// Columns of a row, each value as the JSON text that stood in the event.
pub type Columns = BTreeMap<String, Box<RawValue>>;

/// Where an event stands. The rows of a snapshot have no ordinal and come before the changes at their LSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The LSN of the transaction's commit, or of the snapshot.
    pub commit_lsn: u64,
    /// The change's number in its transaction.
    pub seq: Option<u64>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.commit_lsn >> 32, self.commit_lsn & 0xffff_ffff);
        match self.seq {
            Some(seq) => write!(f, "{high:X}/{low:X}#{seq}"),
            None => write!(f, "{high:X}/{low:X}#snapshot"),
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A row of a snapshot.
    Read,
    /// An insert, or the new place of a row whose key changed.
    Create,
    /// An update that left the key as it was.
    Update,
    /// A delete, or the old place of a row whose key changed.
    Delete,
    /// A truncate of the table.
    Truncate,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// The partition that it came in.
    pub partition: i32,
    /// The record's key; None for a table without one, and for a truncate.
    pub key: Option<String>,
    /// What happened.
    pub operation: Operation,
    /// Where it stands.
    pub position: Position,
    /// The old row, or its identity.
    pub before: Option<Columns>,
    /// The new row.
    pub after: Option<Columns>,
    /// Columns that an update did not touch and that are left out of `after`.
    pub unchanged: Vec<String>,
    /// When it was given to Kafka's client, in milliseconds since 1970.
    pub produced_at: i64,
}

#[derive(Deserialize)]
struct Envelope {
    op: String,
    source: Source,
    before: Option<Columns>,
    after: Option<Columns>,
    #[serde(default)]
    unchanged: Vec<String>,
}

#[derive(Deserialize)]
struct Source {
    commit_lsn: String,
    seq: Option<u64>,
    snapshot: bool,
}

impl Event {
    /// Reads a record. None: a tombstone, or a message, which belong to no row.
    pub fn read(record: &Record) -> Result<Option<Self>> {
        let Some(value) = &record.value else { return Ok(None) };
        Self::parse(record, value)
            .map_err(|failure| failure.while_doing(format!("{} [{}] {}: {value}", record.topic, record.partition, record.offset)))
    }

    fn parse(record: &Record, value: &str) -> Result<Option<Self>> {
        let envelope: Envelope = serde_json::from_str(value)?;
        let operation = match envelope.op.as_str() {
            "r" => Operation::Read,
            "c" => Operation::Create,
            "u" => Operation::Update,
            "d" => Operation::Delete,
            "t" => Operation::Truncate,
            "m" => return Ok(None),
            other => return Err(Failure::new(format!("unknown op {other:?}"))),
        };
        let source = envelope.source;
        crate::ensure!(
            source.snapshot == (operation == Operation::Read) && source.snapshot == source.seq.is_none(),
            "op, snapshot and seq contradict each other"
        );
        let position = Position { commit_lsn: parse_lsn(&source.commit_lsn)?, seq: source.seq };
        let key = record.key.clone().filter(|key| key != "null");
        let (before, after, unchanged) = (envelope.before, envelope.after, envelope.unchanged);
        let produced_at = record.timestamp;
        Ok(Some(Event { partition: record.partition, key, operation, position, before, after, unchanged, produced_at }))
    }

    /// All that a repeat must have in common with the first: not the time at which it was sent.
    pub fn content(&self) -> String {
        format!("{:?} {:?} {:?} {:?}", self.operation, self.before, self.after, self.unchanged)
    }
}

/// Reads `16/B374D848`.
pub fn parse_lsn(text: &str) -> Result<u64> {
    let (high, low) = text.split_once('/').ok_or_else(|| Failure::new(format!("not an LSN: {text}")))?;
    Ok(u64::from(u32::from_str_radix(high, 16)?) << 32 | u64::from(u32::from_str_radix(low, 16)?))
}

#[cfg(test)]
pub(crate) mod samples {
    //! Events for the tests of the oracle.

    use super::*;

    /// `operation key position after`, with the value as a consumer gets it.
    pub(crate) fn event(op: &str, key: Option<u32>, lsn: u64, seq: Option<u64>, after: &str) -> Event {
        event_with_key(op, key.map(|key| format!(r#"{{"id":{key}}}"#)).as_deref(), lsn, seq, after)
    }

    /// The same with a whole key.
    pub(crate) fn event_with_key(op: &str, key: Option<&str>, lsn: u64, seq: Option<u64>, after: &str) -> Event {
        let value = format!(
            r#"{{"op":"{op}","source":{{"commit_lsn":"0/{lsn:X}","seq":{},"snapshot":{}}},"before":null,"after":{after}}}"#,
            seq.map_or_else(|| "null".to_owned(), |seq| seq.to_string()),
            op == "r"
        );
        Event::read(&record(key, value)).unwrap().unwrap()
    }

    /// A record as it would come from Kafka.
    pub(super) fn record(key: Option<&str>, value: String) -> Record {
        Record { topic: "t".to_owned(), partition: 0, offset: 0, timestamp: 0, key: key.map(str::to_owned), value: Some(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_stands_before_the_changes_at_its_lsn() {
        let snapshot = samples::event("r", Some(1), 16, None, "{}").position;
        let change = samples::event("c", Some(1), 16, Some(0), "{}").position;
        let earlier = samples::event("c", Some(1), 15, Some(9), "{}").position;
        assert!(earlier < snapshot && snapshot < change);
        assert_eq!(change.to_string(), "0/10#0");
    }

    #[test]
    fn a_snapshot_row_with_an_ordinal_is_refused() {
        let value = r#"{"op":"r","source":{"commit_lsn":"0/1","seq":3,"snapshot":true},"before":null,"after":{}}"#;
        assert!(Event::read(&samples::record(None, value.to_owned())).is_err());
    }
}
