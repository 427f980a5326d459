//! Progress: what must survive a crash and is not in the slot.
//!
//! Kept in a compacted Kafka topic, beside the data, as JSON records. For each tap there is one `slot` record (which slot, of which
//! server, and up to where waltap has told it to forget), one `table` record for each table whose snapshot was begun or done, and one
//! `topic` record for each topic that events go to. The stdout sink keeps nothing: its slot goes with the session.

mod late;
mod pause;
mod record;
mod store;

use std::collections::{BTreeMap, HashSet};

use waltap_error::Result;
use waltap_kafka::Entries;
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::{Leaf, Table};

pub(crate) use late::is_late;
pub(crate) use pause::PauseRecord;
pub(crate) use record::{ChunkAnswer, ChunkRecord, SlotRecord, TableRecord, TableState, TopicRecord, json, lsn, parse};
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
        progress.put_back_pauses();
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

    /// Whether a table's rows are read in chunks, or to be.
    pub(crate) fn is_in_chunks(&self, oid: u32) -> bool {
        self.table(oid).is_some_and(|record| record.chunks.is_some() && record.left.is_none())
    }

    /// The tables whose rows are read in chunks, or to be.
    pub(crate) fn in_chunks(&self) -> impl Iterator<Item = (u32, &TableRecord)> {
        self.tables
            .iter()
            .filter(|(_, record)| record.chunks.is_some() && record.left.is_none())
            .map(|(oid, record)| (*oid, record))
    }

    /// Whether every row of a table was read, but for those of leaves that were attached later.
    pub(crate) fn is_done(&self, oid: u32) -> bool {
        self.table(oid).is_some_and(|record| record.state == TableState::Done && record.left.is_none())
    }

    /// Whether rows of tables are still to be read, or being read, under an exported snapshot.
    pub(crate) fn has_unread(&self) -> bool {
        self.tables.values().any(TableRecord::is_unread)
    }

    /// Whether everything was begun anew, and rows are still to be read of it. Tables that were marked since then do not count: that beginning
    /// was cut off, and is made up for.
    pub(crate) fn is_begun_anew_unread(&self) -> bool {
        let Some(begun) = self.slot.as_ref().and_then(|record| record.begun_anew) else { return false };
        self.tables.values().any(|record| record.is_unread() && record.marked_anew.is_none_or(|marked| marked <= begun))
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

    /// The topics that events went to and will go to again: not those of tables that are captured no more.
    pub(crate) fn kept_topics(&self) -> impl Iterator<Item = (&String, &TopicRecord)> {
        let is_captured = |(schema, name): &(String, String)| {
            self.tables.values().any(|record| record.left.is_none() && record.schema == *schema && record.table == *name)
        };
        self.topics.iter().filter(move |(_, topic)| topic.table.as_ref().is_none_or(is_captured))
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
        self.store.write_tables(&records).await?;
        self.tables.extend(records);
        Ok(())
    }

    /// Notes what Kafka holds of tables.
    pub(crate) fn note_tables(&mut self, records: Vec<(u32, TableRecord)>) {
        self.tables.extend(records);
    }

    /// Records tables, in the Kafka transaction of their rows: commits it.
    pub(crate) async fn commit_tables(&mut self, sink: &Sink, records: Vec<(u32, TableRecord)>) -> Result<()> {
        self.store.send_tables(sink, &records).await?;
        sink.commit().await?;
        self.tables.extend(records);
        Ok(())
    }

    /// Marks tables that are done as being read, so that their rows are read again.
    pub(crate) async fn read_again(&mut self, oids: &[u32]) -> Result<()> {
        let again = |oid: &u32| {
            let record = self.table(*oid).filter(|record| record.state != TableState::Reading && record.left.is_none())?;
            Some((*oid, TableRecord { state: TableState::Reading, chunks: None, ..record.clone() }))
        };
        self.set_tables(oids.iter().filter_map(again).collect()).await
    }

    /// Marks tables as being read whose snapshot stands behind the place at which the server's log went another way, and names them. Such a
    /// snapshot may hold what the server does not have; and by its place, changes would be taken for parts of it that are none.
    pub(crate) async fn read_again_behind(&mut self, fork: Lsn) -> Result<Vec<String>> {
        let captured = || self.tables.iter().filter(|(_, record)| record.left.is_none());
        // Of one that is read in chunks it is not known where its last one stands: it begins anew.
        let begun_anew = |(oid, record): (&u32, &TableRecord)| {
            let chunks = record.chunks.as_ref().filter(|_| record.since <= fork)?;
            let chunks = ChunkRecord {
                id: chunks.id.clone(),
                condition: chunks.condition.clone(),
                begun_at: chunks.begun_at,
                ..ChunkRecord::default()
            };
            Some((*oid, TableRecord { chunks: Some(chunks), ..record.clone() }))
        };
        let begun_anew: Vec<(u32, TableRecord)> = captured().filter_map(begun_anew).collect();
        let behind = captured().filter(|(_, record)| record.since > fork);
        let (oids, mut names): (Vec<u32>, Vec<String>) = behind.map(|(oid, record)| (*oid, record.display_name())).unzip();
        names.extend(begun_anew.iter().map(|(_, record)| record.display_name()));
        self.set_tables(begun_anew).await?;
        self.read_again(&oids).await?;
        Ok(names)
    }

    /// Marks every table that is captured as being read. What was withheld of one is lost with the slot, so none is paused any more.
    /// `now` is in seconds since 1970.
    pub(crate) async fn read_everything_again(&mut self, now: u64) -> Result<()> {
        let captured = self.tables.iter().filter(|(_, record)| record.left.is_none());
        let again = captured.map(|(oid, record)| {
            let marked_anew = Some(now);
            (*oid, TableRecord { state: TableState::Reading, chunks: None, paused: None, marked_anew, ..record.clone() })
        });
        self.set_tables(again.collect()).await
    }

    /// Forgets that tables were begun, of which nothing was sent.
    pub(crate) async fn unset_tables(&mut self, oids: &[u32]) -> Result<()> {
        self.store.write(oids.iter().map(|oid| (self.store.table_key(*oid), None)).collect()).await?;
        self.tables.retain(|oid, _| !oids.contains(oid));
        Ok(())
    }

    /// Notes which tables are captured now, when the server's log ends at `server`. Tables that are captured no more are marked, and
    /// forgotten once the slot (`confirmed`) is past their last change, so that the topic does not grow with every table that ever was. Names
    /// those whose pause ends with that: what was withheld of them is to be sent.
    pub(crate) async fn keep(&mut self, captured: impl Fn(u32) -> bool, server: Lsn, confirmed: Lsn) -> Result<Vec<String>> {
        let (mut written, mut resumed) = (Vec::new(), Vec::new());
        for (oid, record) in &mut self.tables {
            match record.left {
                Some(left) if left < confirmed && !captured(*oid) => written.push((*oid, None)),
                None if !captured(*oid) => {
                    record.left = Some(server);
                    if let Some(paused) = record.paused.as_mut().filter(|paused| !paused.resumed) {
                        paused.resumed = true;
                        resumed.push(record.display_name());
                    }
                    written.push((*oid, Some(json(record)?)));
                }
                _ => {}
            }
        }
        self.tables.retain(|oid, _| !written.iter().any(|(gone, value)| gone == oid && value.is_none()));
        self.store.write(written.into_iter().map(|(oid, value)| (self.store.table_key(oid), value)).collect()).await?;
        Ok(resumed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_snapshot_of_a_log_that_is_gone_is_taken_again() {
        let mut progress = Progress::load(Store::new(None, "waltap", "shop")).await.unwrap();
        let done = |since| TableRecord {
            schema: "public".to_owned(),
            table: format!("t{since}"),
            state: TableState::Done,
            since: Lsn(since),
            leaves: Vec::new(),
            left: None,
            chunks: None,
            paused: None,
            answer: None,
            marked_anew: None,
        };
        let halfway = TableRecord {
            chunks: Some(ChunkRecord { after: Some(vec!["7".to_owned()]), ..ChunkRecord::default() }),
            table: "halfway".to_owned(),
            ..done(99)
        };
        progress.set_tables(vec![(1, done(100)), (2, done(101)), (3, halfway)]).await.unwrap();
        assert_eq!(progress.read_again_behind(Lsn(100)).await.unwrap(), ["public.t101", "public.halfway"]);
        assert!(progress.is_done(1) && !progress.is_done(2) && progress.is_done(3));
        assert_eq!(progress.table(3).unwrap().chunks.as_ref().unwrap().after, None);
    }

    #[tokio::test]
    async fn a_mark_of_a_beginning_that_was_cut_off_is_not_taken_for_one_that_is_not_done() {
        let mut progress = Progress::load(Store::new(None, "waltap", "shop")).await.unwrap();
        let done: TableRecord = parse("k", br#"{"schema":"public","table":"t","state":"done","since":"0/10"}"#).unwrap();
        progress.set_tables(vec![(1, done.clone()), (2, done.clone())]).await.unwrap();
        let begun_anew = |at| Some(SlotRecord { begun_anew: at, ..SlotRecord::intended("7", "s") });
        progress.slot = begun_anew(Some(1_000));
        assert!(!progress.is_begun_anew_unread());
        // Marked, and cut off before there was a slot.
        progress.read_everything_again(2_000).await.unwrap();
        let marked = progress.table(1).unwrap().clone();
        assert_eq!(parse::<TableRecord>("k", &json(&marked).unwrap()).unwrap(), marked);
        assert!(progress.has_unread() && !progress.is_begun_anew_unread());
        // The slot was made, and nothing is read yet.
        progress.slot = begun_anew(Some(2_000));
        assert!(progress.is_begun_anew_unread());
        // One is done, and rows of the other were sent, before the slot record says anything newer.
        progress.slot = begun_anew(Some(1_000));
        progress.set_tables(vec![(1, done), (2, TableRecord { marked_anew: None, ..marked })]).await.unwrap();
        assert!(progress.is_begun_anew_unread());
        progress.slot = begun_anew(None);
        assert!(!progress.is_begun_anew_unread());
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
            chunks: None,
            paused: None,
            answer: None,
            marked_anew: None,
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
