//! The records themselves, as they stand in the topic.

use serde::{Deserialize, Serialize};
use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::Table;

use crate::position::Position;

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
    /// The timeline in which `position` stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeline: Option<u32>,
    /// What the changes were numbered by that `position` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reads: Option<String>,
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
    /// Every row is confirmed.
    Done,
}

impl TableRecord {
    /// Of a table whose first row is about to be sent.
    pub(crate) fn reading(table: &Table, since: Lsn) -> Self {
        let (schema, name) = (table.schema.clone(), table.name.clone());
        TableRecord { schema, table: name, state: TableState::Reading, since, leaves: Vec::new(), left: None }
    }

    /// Of a table of which every row is confirmed. One that was done before, and had new leaves alone read, keeps its place: its changes from
    /// there on were sent.
    pub(crate) fn done(table: &Table, since: Lsn, before: Option<&TableRecord>) -> Self {
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
        let slot = SlotRecord {
            system_id: "7".to_owned(),
            slot: "s".to_owned(),
            cluster: None,
            acknowledged: Some(Lsn(0x1_0000_0010)),
            position: None,
            timeline: None,
            reads: None,
        };
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
