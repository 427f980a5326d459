//! The records themselves, as they stand in the topic.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::Table;

use super::pause::PauseRecord;
use crate::clock::since_1970;
use crate::position::Position;

/// After so much streaming, what was begun anew counts as well: a loss after it is another one.
const STANDS_THE_TEST: Duration = Duration::from_secs(60 * 60);

/// What is known of a tap's slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotRecord {
    /// The server's own number (`IDENTIFY_SYSTEM`).
    pub(crate) system_id: String,
    /// The slot's name.
    pub(crate) slot: String,
    /// The id of the Kafka cluster that the events went to, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<String>,
    /// Up to where the server may have been told to forget. `None` while the slot is being made: then nothing was read from it.
    ///
    /// Written before the server is told, so a slot that is further was moved by somebody else.
    #[serde(with = "optional_lsn")]
    pub(crate) acknowledged: Option<Lsn>,
    /// How far the events are in Kafka: what the slot sends again before it is not sent on. Known after exactly-once delivery, which writes
    /// it in the Kafka transaction of these events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<Position>,
    /// Up to where everything is in Kafka but for what is withheld of tables that are paused, which keeps `acknowledged` back. Without exactly-once
    /// delivery it is what `position` is with it.
    #[serde(with = "optional_lsn", default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivered: Option<Lsn>,
    /// How far tables are in Kafka that are paused, or were and have not caught up, by OID; of those that are not named their own record says it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) behind: BTreeMap<u32, Position>,
    /// The timeline in which the places of this record stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeline: Option<u32>,
    /// What the changes were numbered by that `position` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reads: Option<String>,
    /// When everything was begun anew because the slot was lost, or when the last of its rows was still being read, in seconds since 1970;
    /// forgotten once that has stood the test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun_anew: Option<u64>,
    /// Which session has written it: each has a greater one than those before. See [`is_late`](super::is_late).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) generation: Option<u64>,
    /// Whether the slot is one of a standby. The standby itself keeps it, through its promotion too: so where it is there, the log is the one
    /// that was read, whatever its timeline is called by then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) on_standby: bool,
}

impl SlotRecord {
    /// Of a slot that is about to be made.
    pub(crate) fn intended(system_id: &str, slot: &str) -> Self {
        SlotRecord {
            system_id: system_id.to_owned(),
            slot: slot.to_owned(),
            cluster: None,
            acknowledged: None,
            position: None,
            delivered: None,
            behind: BTreeMap::new(),
            timeline: None,
            reads: None,
            begun_anew: None,
            generation: None,
            on_standby: false,
        }
    }

    /// Up to where something may have been sent: further than the slot may go, where a table is paused. `None` while the slot is being made.
    pub(crate) fn reached(&self) -> Option<Lsn> {
        self.acknowledged.map(|acknowledged| self.delivered.map_or(acknowledged, |delivered| delivered.max(acknowledged)))
    }

    /// Notes how far tables are that are behind, and what is in Kafka of the others meanwhile.
    pub(crate) fn note_behind(&mut self, behind: BTreeMap<u32, Position>, delivered: Option<Lsn>) {
        self.behind = behind;
        self.delivered = self.delivered.max(delivered);
        if self.delivered < self.acknowledged && self.behind.is_empty() {
            self.delivered = None;
        }
    }

    /// Notes since when the stream goes on with every row read; `None`: rows are still to be read.
    pub(crate) fn streams_since(&mut self, since: Option<Instant>) {
        self.begun_anew = match (self.begun_anew, since) {
            (Some(_), None) => Some(since_1970().as_secs()),
            (Some(_), Some(since)) if since.elapsed() >= STANDS_THE_TEST => None,
            (begun_anew, _) => begun_anew,
        };
    }
}

/// How far a table's snapshot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableRecord {
    /// For people who read the topic; the table is known by its OID.
    pub(crate) schema: String,
    /// As `schema`.
    pub(crate) table: String,
    pub(crate) state: TableState,
    /// The snapshot's LSN: changes that committed before it are in the snapshot.
    #[serde(with = "lsn")]
    pub(crate) since: Lsn,
    /// Of a partitioned table that is done, the leaves whose rows were read or came by the stream, by OID. One that is attached later may
    /// bring rows that nobody has seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaves: Vec<u32>,
    /// Set when the table is no longer captured, because it was dropped or the choice of tables has changed: where the log ended when that
    /// was noticed. Its changes up to here are still sent; chosen again later, it is read again.
    #[serde(with = "optional_lsn", default, skip_serializing_if = "Option::is_none")]
    pub(crate) left: Option<Lsn>,
    /// How far its rows are read in chunks, while they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chunks: Option<ChunkRecord>,
    /// Set while its changes are withheld, and until what was is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) paused: Option<PauseRecord>,
    /// What became of the last request to read them so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<ChunkAnswer>,
    /// Set while it is only marked to be read again with all others: when that was, in seconds since 1970. Where the slot record's `begun_anew`
    /// is before it, the beginning anew was cut off before there was a slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) marked_anew: Option<u64>,
}

/// How far a table is read in chunks by its key. What is behind `after` is still to be read, and what `again` names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkRecord {
    /// By this it was asked for.
    pub(crate) id: String,
    /// The columns of the key in its order; empty before it was looked at.
    #[serde(default)]
    pub(crate) key: Vec<String>,
    /// The versions of their collations, by which they are ordered.
    #[serde(default)]
    pub(crate) collations: Vec<Option<String>>,
    /// The last key that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Vec<String>>,
    /// The last key that there was at the beginning. What comes behind it comes by the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<Vec<String>>,
    /// Whether the rows up to `end` are all read.
    #[serde(default)]
    pub(crate) is_read: bool,
    /// Which rows are meant, as an SQL condition; all of them without one.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<String>,
    /// Keys that are to be read again, or for the first time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) again: Vec<Vec<String>>,
    /// How many rows were sent.
    pub(crate) rows: u64,
    /// When it began, in milliseconds since 1970.
    pub(crate) begun_at: u64,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkAnswer {
    /// The request's.
    pub(crate) id: String,
    /// How many rows were sent.
    pub(crate) rows: u64,
    /// When, in milliseconds since 1970.
    pub(crate) answered_at: u64,
    /// Why not all of them were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
}

/// What is known of a topic that events go to. Written before the first of them, so one that is missing later was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopicRecord {
    /// How many partitions the keys are spread over.
    pub(crate) partitions: i32,
    /// Schema and name of the table whose events alone are in it; the topic is forgotten with the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TableState {
    /// Rows may have been sent, perhaps not all.
    Reading,
    /// Its rows are read in chunks for the first time, while its changes are sent.
    Chunks,
    /// Every row is confirmed.
    Done,
}

impl TableRecord {
    /// `schema.table`, for people.
    pub(crate) fn display_name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// Whether rows of it are still to be read, or being read, under an exported snapshot.
    pub(crate) fn is_unread(&self) -> bool {
        self.state == TableState::Reading && self.left.is_none()
    }

    /// Of a table whose first row is about to be sent.
    pub(crate) fn reading(table: &Table, since: Lsn, before: Option<&TableRecord>) -> Self {
        let answer = before.and_then(|record| record.answer.clone());
        let (schema, name) = (table.schema.clone(), table.name.clone());
        TableRecord {
            schema,
            table: name,
            state: TableState::Reading,
            since,
            leaves: Vec::new(),
            left: None,
            chunks: None,
            paused: before.and_then(|record| record.paused),
            answer,
            marked_anew: None,
        }
    }

    /// Of a table of which every row is confirmed. One that was done before, and had new leaves alone read, keeps its place: its changes
    /// from there on were sent.
    pub(crate) fn done(table: &Table, since: Lsn, before: Option<&TableRecord>) -> Self {
        let answer = before.and_then(|record| record.answer.clone());
        let paused = before.and_then(|record| record.paused);
        let before = before.filter(|record| record.state == TableState::Done && record.left.is_none());
        let since = before.map_or(since, |record| record.since);
        let mut leaves = before.map(|record| record.leaves.clone()).unwrap_or_default();
        leaves.extend(table.leaves.iter().map(|leaf| leaf.oid));
        TableRecord {
            schema: table.schema.clone(),
            table: table.name.clone(),
            state: TableState::Done,
            since,
            leaves,
            left: None,
            chunks: before.and_then(|record| record.chunks.clone()),
            paused,
            answer,
            marked_anew: None,
        }
    }

    /// Of a new table that is to be read in chunks. Every change of it is sent, from the first on.
    pub(crate) fn in_chunks(table: &Table, chunks: ChunkRecord) -> Self {
        let leaves = table.leaves.iter().map(|leaf| leaf.oid).collect();
        TableRecord {
            schema: table.schema.clone(),
            table: table.name.clone(),
            state: TableState::Chunks,
            since: Lsn::ZERO,
            leaves,
            left: None,
            chunks: Some(chunks),
            paused: None,
            answer: None,
            marked_anew: None,
        }
    }
}

pub(crate) fn json(record: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(record)
        .map_err(|error| Error::configuration(Code::INTERNAL, "writing a progress record as JSON").source(error))
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T> {
    serde_json::from_slice(value).map_err(|error| {
        Error::configuration(
            Code::PROGRESS,
            format!("the progress record {key} is not one that this version of waltap understands"),
        )
        .remedy("use the version that wrote it; or start anew: `waltap slots drop --name NAME --source ... --brokers ...`, then capture again")
        .source(error)
    })
}

/// LSNs in records are written as PostgreSQL writes them, so that a person can read the topic.
pub(crate) mod lsn {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use waltap_pgoutput::Lsn;

    pub(crate) fn serialize<S: Serializer>(lsn: &Lsn, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(lsn)
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Lsn, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

mod optional_lsn {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use waltap_pgoutput::Lsn;

    pub(super) fn serialize<S: Serializer>(lsn: &Option<Lsn>, serializer: S) -> Result<S::Ok, S::Error> {
        match lsn {
            Some(lsn) => serializer.collect_str(lsn),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<Lsn>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back() {
        let slot = SlotRecord { acknowledged: Some(Lsn(0x1_0000_0010)), ..SlotRecord::intended("7", "s") };
        let text = json(&slot).unwrap();
        assert_eq!(std::str::from_utf8(&text).unwrap(), r#"{"system_id":"7","slot":"s","acknowledged":"1/10"}"#);
        assert_eq!(parse::<SlotRecord>("k", &text).unwrap(), slot);
        let split = Position { commit_lsn: Lsn(0x20), ordinal: Some(3) };
        let placed = SlotRecord { position: Some(split), ..slot.clone() };
        let text = json(&placed).unwrap();
        assert!(std::str::from_utf8(&text).unwrap().ends_with(r#","position":{"commit_lsn":"0/20","ordinal":3}}"#));
        assert_eq!(parse::<SlotRecord>("k", &text).unwrap(), placed);
        let mirrored = SlotRecord { cluster: Some("c".to_owned()), ..slot.clone() };
        assert_eq!(parse::<SlotRecord>("k", &json(&mirrored).unwrap()).unwrap(), mirrored);
        let creating = SlotRecord { acknowledged: None, ..slot };
        assert_eq!(parse::<SlotRecord>("k", &json(&creating).unwrap()).unwrap(), creating);
        assert_eq!(parse::<SlotRecord>("k", b"{}").unwrap_err().code(), Code::PROGRESS);
    }
}
