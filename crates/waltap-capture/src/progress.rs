//! Progress: what must survive a crash and is not in the slot.
//!
//! Kept in a compacted Kafka topic, beside the data, as JSON records. For each tap there is one `slot` record (which slot, of which
//! server, and up to where waltap has told it to forget) and one `table` record for each table whose snapshot was begun or done. The
//! stdout sink keeps nothing: its slot goes with the session.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use waltap_error::{Code, Error, Result};
use waltap_kafka::Entries;
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::{Leaf, Table};

use crate::kafka::ProgressTopic;
use crate::position::Position;
use crate::sink::{Account, NotTaken, Record, Sink};

/// What is known of a tap's slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotRecord {
    /// The server's own number (`IDENTIFY_SYSTEM`).
    pub(crate) system_id: String,
    /// The slot's name.
    pub(crate) slot: String,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TableState {
    /// Rows may have been sent, perhaps not all.
    Reading,
    /// Every row is confirmed.
    Done,
}

/// The progress of one tap.
#[derive(Debug)]
pub(crate) struct Progress {
    store: Store,
    /// `None`: this capture never had a slot here.
    pub(crate) slot: Option<SlotRecord>,
    tables: BTreeMap<u32, TableRecord>,
}

/// Where a tap's records are kept, and under which keys. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    topic: Option<Arc<ProgressTopic>>,
    prefix: String,
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

impl Store {
    pub(crate) fn new(topic: Option<Arc<ProgressTopic>>, capture: &str, database: &str) -> Self {
        Store { topic, prefix: prefix(capture, database) }
    }

    pub(crate) async fn write_slot(&self, record: &SlotRecord) -> Result<()> {
        self.write(vec![(self.slot_key(), Some(json(record)?))]).await
    }

    /// Sends a slot record with the events of the open Kafka transaction, to be committed with them.
    pub(crate) async fn send_slot(&self, sink: &Sink, record: &SlotRecord) -> Result<()> {
        self.send(sink, &[(self.slot_key(), json(record)?)]).await
    }

    async fn send(&self, sink: &Sink, entries: &[(String, Vec<u8>)]) -> Result<()> {
        let Some(topic) = &self.topic else { return Ok(()) };
        for (key, value) in entries {
            let record = Record {
                topic: topic.name(),
                partition: Some(waltap_kafka::ProgressTopic::PARTITION),
                key: Some(key.as_bytes()),
                value: Some(value),
                headers: &[],
                is_plain: false,
                account: Account::Progress,
            };
            while let Err(not_taken) = sink.offer(record) {
                match not_taken {
                    NotTaken::Full => sink.space().await?,
                    NotTaken::Refused(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn slot_key(&self) -> String {
        format!("{}slot", self.prefix)
    }

    fn table_key(&self, oid: u32) -> String {
        format!("{}table/{oid}", self.prefix)
    }

    async fn write(&self, records: Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
        match &self.topic {
            Some(topic) if !records.is_empty() => {
                let entries: Vec<(&[u8], Option<&[u8]>)> =
                    records.iter().map(|(key, value)| (key.as_bytes(), value.as_deref())).collect();
                topic.write(&entries).await
            }
            _ => Ok(()),
        }
    }
}

/// Deletes every record of a capture in the databases that are meant, and says how many there were.
pub(crate) async fn forget(topic: &waltap_kafka::ProgressTopic, capture: &str, is_meant: impl Fn(&str) -> bool) -> Result<usize> {
    let prefix = capture_prefix(capture);
    let records = topic.load(prefix.as_bytes()).await?;
    let meant = |key: &&Vec<u8>| {
        let database = String::from_utf8_lossy(&key[prefix.len()..]);
        is_meant(&unescaped(database.split('/').next().unwrap_or_default()))
    };
    let entries: Vec<(&[u8], Option<&[u8]>)> = records.keys().filter(meant).map(|key| (key.as_slice(), None)).collect();
    topic.write(&entries).await?;
    Ok(entries.len())
}

/// The start of every key of a capture's records.
fn capture_prefix(capture: &str) -> String {
    format!("{capture}/")
}

/// The start of every key of a tap's records. A database's name may hold a slash, a capture's may not.
fn prefix(capture: &str, database: &str) -> String {
    format!("{}{}/", capture_prefix(capture), database.replace('%', "%25").replace('/', "%2F"))
}

/// A database's name as it was before it became part of a key.
fn unescaped(text: &str) -> String {
    text.replace("%2F", "/").replace("%25", "%")
}

fn json(record: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(record)
        .map_err(|error| Error::configuration(Code::INTERNAL, "writing a progress record as JSON").source(error))
}

fn parse<'a, T: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T> {
    serde_json::from_slice(value).map_err(|error| {
        Error::configuration(
            Code::PROGRESS,
            format!("the progress record {key} is not one that this version of waltap understands"),
        )
        .remedy("use the version that wrote it; or start anew: `waltap slots drop --name NAME --source ... --brokers ...`, then capture again")
        .source(error)
    })
}

impl Progress {
    /// Reads what earlier runs left.
    pub(crate) async fn load(store: Store) -> Result<Self> {
        let records = match &store.topic {
            Some(topic) => topic.load(store.prefix.as_bytes()).await?,
            None => Entries::new(),
        };
        Self::from_records(store, &records)
    }

    /// As [`Progress::load`], without waiting for Kafka transactions that are open. Says whether none hides anything.
    pub(crate) async fn peek(store: Store) -> Result<(Self, bool)> {
        let (records, is_settled) = match &store.topic {
            Some(topic) => topic.peek(store.prefix.as_bytes()).await?,
            None => (Entries::new(), true),
        };
        Ok((Self::from_records(store, &records)?, is_settled))
    }

    fn from_records(store: Store, records: &Entries) -> Result<Self> {
        let mut progress = Progress { store, slot: None, tables: BTreeMap::new() };
        for (key, value) in records {
            let key = String::from_utf8_lossy(key);
            let rest = key.strip_prefix(&progress.store.prefix).unwrap_or_default();
            if rest == "slot" {
                progress.slot = Some(parse(&key, value)?);
            } else if let Some(oid) = rest.strip_prefix("table/").and_then(|oid| oid.parse().ok()) {
                progress.tables.insert(oid, parse(&key, value)?);
            }
        }
        Ok(progress)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What is known of a table's snapshot; `None` when it was not begun.
    pub(crate) fn table(&self, oid: u32) -> Option<&TableRecord> {
        self.tables.get(&oid)
    }

    /// The newest snapshot that a table was read under; zero when there is none.
    pub(crate) fn newest_snapshot(&self) -> Lsn {
        self.tables.values().map(|record| record.since).max().unwrap_or_default()
    }

    /// Whether every row of a table was read, but for those of leaves that were attached later.
    pub(crate) fn is_done(&self, oid: u32) -> bool {
        self.table(oid).is_some_and(|record| record.state == TableState::Done && record.left.is_none())
    }

    /// The leaves of a table that is done whose rows nobody has read yet.
    pub(crate) fn new_leaves<'t>(&self, table: &'t Table) -> impl Iterator<Item = &'t Leaf> {
        let known = self.table(table.oid).map(|record| record.leaves.as_slice()).unwrap_or_default();
        let known: HashSet<u32> = known.iter().copied().collect();
        table.leaves.iter().filter(move |leaf| !known.contains(&leaf.oid))
    }

    /// Whether another table of this name is known, of which changes may still be on their way.
    pub(crate) fn has_predecessor(&self, oid: u32, schema: &str, table: &str) -> bool {
        self.tables.iter().any(|(other, record)| *other != oid && record.schema == schema && record.table == table)
    }

    /// Records the slot. With Kafka transactions in one of them: who was fenced cannot do it any more.
    pub(crate) async fn set_slot(&mut self, sink: &Sink, record: SlotRecord) -> Result<()> {
        match sink.is_transactional() {
            true => {
                self.store.send_slot(sink, &record).await?;
                sink.commit().await?;
            }
            false => self.store.write_slot(&record).await?,
        }
        self.slot = Some(record);
        Ok(())
    }

    /// Records tables, all of them or none. Returns when Kafka has confirmed.
    pub(crate) async fn set_tables(&mut self, records: Vec<(u32, TableRecord)>) -> Result<()> {
        let mut written = Vec::with_capacity(records.len());
        for (oid, record) in &records {
            written.push((self.store.table_key(*oid), Some(json(record)?)));
        }
        self.store.write(written).await?;
        self.tables.extend(records);
        Ok(())
    }

    /// Records tables, in the Kafka transaction of their rows: commits it.
    pub(crate) async fn commit_tables(&mut self, sink: &Sink, records: Vec<(u32, TableRecord)>) -> Result<()> {
        let mut entries = Vec::with_capacity(records.len());
        for (oid, record) in &records {
            entries.push((self.store.table_key(*oid), json(record)?));
        }
        self.store.send(sink, &entries).await?;
        sink.commit().await?;
        self.tables.extend(records);
        Ok(())
    }

    /// Forgets that tables were begun, of which nothing was sent.
    pub(crate) async fn unset_tables(&mut self, oids: &[u32]) -> Result<()> {
        self.store.write(oids.iter().map(|oid| (self.store.table_key(*oid), None)).collect()).await?;
        self.tables.retain(|oid, _| !oids.contains(oid));
        Ok(())
    }

    /// Notes which tables are captured now, when the server's log ends at `server`. Tables that are captured no more are marked, and forgotten
    /// once the slot (`confirmed`) is past their last change, so that the topic does not grow with every table that ever was.
    pub(crate) async fn keep(&mut self, captured: impl Fn(u32) -> bool, server: Lsn, confirmed: Lsn) -> Result<()> {
        let mut written = Vec::new();
        for (oid, record) in &mut self.tables {
            match record.left {
                Some(left) if left < confirmed && !captured(*oid) => written.push((*oid, None)),
                None if !captured(*oid) => {
                    record.left = Some(server);
                    written.push((*oid, Some(json(record)?)));
                }
                _ => {}
            }
        }
        self.tables.retain(|oid, _| !written.iter().any(|(gone, value)| gone == oid && value.is_none()));
        self.store.write(written.into_iter().map(|(oid, value)| (self.store.table_key(oid), value)).collect()).await
    }
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
        let creating = SlotRecord { acknowledged: None, ..slot };
        assert_eq!(parse::<SlotRecord>("k", &json(&creating).unwrap()).unwrap(), creating);
        assert_eq!(parse::<SlotRecord>("k", b"{}").unwrap_err().code(), Code::PROGRESS);
    }

    #[tokio::test]
    async fn a_table_that_left_is_kept_until_the_slot_is_past_it() {
        let mut progress = Progress::load(Store::new(None, "waltap", "shop")).await.unwrap();
        let record = TableRecord {
            schema: "public".to_owned(),
            table: "orders".to_owned(),
            state: TableState::Done,
            since: Lsn(10),
            leaves: Vec::new(),
            left: None,
        };
        progress.set_tables(vec![(5, record)]).await.unwrap();
        progress.keep(|_| false, Lsn(100), Lsn(50)).await.unwrap();
        assert_eq!(progress.table(5).unwrap().left, Some(Lsn(100)));
        progress.keep(|_| false, Lsn(200), Lsn(100)).await.unwrap();
        assert_eq!(progress.table(5).unwrap().left, Some(Lsn(100)));
        progress.keep(|_| false, Lsn(200), Lsn(101)).await.unwrap();
        assert!(progress.table(5).is_none());
    }

    #[test]
    fn databases_do_not_share_keys() {
        assert_eq!(prefix("waltap", "a/b"), "waltap/a%2Fb/");
        assert_ne!(prefix("waltap", "a/b"), prefix("waltap", "a%2Fb"));
        for database in ["shop", "a/b", "a%2Fb", "%25"] {
            let prefix = prefix("waltap", database);
            assert_eq!(unescaped(prefix.strip_prefix("waltap/").unwrap().strip_suffix('/').unwrap()), database);
        }
    }
}
