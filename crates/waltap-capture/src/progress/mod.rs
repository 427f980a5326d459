//! Progress: what must survive a crash and is not in the slot.
//!
//! Kept in a compacted Kafka topic, beside the data, as JSON records. For each tap there is one `slot` record (which slot, of which
//! server, and up to where waltap has told it to forget), one `table` record for each table whose snapshot was begun or done, and one
//! `topic` record for each topic that events go to. The
//! stdout sink keeps nothing: its slot goes with the session.

mod record;
mod store;

use std::collections::{BTreeMap, HashSet};

use waltap_error::Result;
use waltap_kafka::Entries;
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::{Leaf, Table};

pub(crate) use record::{SlotRecord, TableRecord, TableState, TopicRecord, json, lsn, parse};
pub(crate) use store::{Store, capture_prefix, forget, unescaped};

use crate::publications::Remembered;
use crate::sink::Sink;

/// The progress of one tap.
#[derive(Debug)]
pub(crate) struct Progress {
    store: Store,
    /// `None`: this capture never had a slot here.
    pub(crate) slot: Option<SlotRecord>,
    tables: BTreeMap<u32, TableRecord>,
    /// What was published when the publications were last looked at.
    pub(crate) publications: Remembered,
    /// The topics that events went to, by name, as they were when progress was read.
    pub(crate) topics: BTreeMap<String, TopicRecord>,
}

impl Progress {
    /// Reads what earlier runs left.
    pub(crate) async fn load(store: Store) -> Result<Self> {
        let records = store.load().await?;
        Self::from_records(store, &records)
    }

    /// As [`Progress::load`], without waiting for Kafka transactions that are open. Says whether none hides anything.
    pub(crate) async fn peek(store: Store) -> Result<(Self, bool)> {
        let (records, is_settled) = store.peek().await?;
        Ok((Self::from_records(store, &records)?, is_settled))
    }

    fn from_records(store: Store, records: &Entries) -> Result<Self> {
        let mut progress =
            Progress { store, slot: None, tables: BTreeMap::new(), publications: Remembered::default(), topics: BTreeMap::new() };
        for (key, value) in records {
            let key = String::from_utf8_lossy(key);
            let rest = key.strip_prefix(&progress.store.prefix).unwrap_or_default();
            if rest == "slot" {
                progress.slot = Some(parse(&key, value)?);
            } else if let Some(oid) = rest.strip_prefix("table/").and_then(|oid| oid.parse().ok()) {
                progress.tables.insert(oid, parse(&key, value)?);
            } else if let Some(name) = rest.strip_prefix("topic/") {
                progress.topics.insert(name.to_owned(), parse(&key, value)?);
            } else {
                progress.publications.read(rest, value)?;
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

    /// Whether a table of this name is known, be it one that has left.
    pub(crate) fn knows(&self, schema: &str, table: &str) -> bool {
        self.tables.values().any(|record| record.schema == schema && record.table == table)
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

    /// Marks tables that are done as being read, so that their rows are read again.
    pub(crate) async fn read_again(&mut self, oids: &[u32]) -> Result<()> {
        let again = |oid: &u32| {
            let record = self.table(*oid).filter(|_| self.is_done(*oid))?;
            Some((*oid, TableRecord { state: TableState::Reading, ..record.clone() }))
        };
        self.set_tables(oids.iter().filter_map(again).collect()).await
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
