//! Where records are kept, and under which keys.

use std::sync::Arc;

use waltap_error::Result;
use waltap_kafka::Entries;

use super::record::{SlotRecord, TableRecord, TopicRecord, json};
use crate::kafka::ProgressTopic;
use crate::sink::{Account, NotTaken, Record, Sink};

/// Where a tap's records are kept, and under which keys. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    topic: Option<Arc<ProgressTopic>>,
    /// The start of every key.
    pub(super) prefix: String,
}

impl Store {
    pub(crate) fn new(topic: Option<Arc<ProgressTopic>>, capture: &str, database: &str) -> Self {
        Store { topic, prefix: prefix(capture, database) }
    }

    /// A key of the tap; `rest` goes behind what all of them begin with.
    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Reads every record, and waits for Kafka transactions that are open.
    pub(super) async fn load(&self) -> Result<Entries> {
        match &self.topic {
            Some(topic) => topic.load(self.prefix.as_bytes()).await,
            None => Ok(Entries::new()),
        }
    }

    /// As [`Store::load`], without waiting. Says whether no open transaction hides anything.
    pub(super) async fn peek(&self) -> Result<(Entries, bool)> {
        match &self.topic {
            Some(topic) => topic.peek(self.prefix.as_bytes()).await,
            None => Ok((Entries::new(), true)),
        }
    }

    pub(crate) async fn write_slot(&self, record: &SlotRecord) -> Result<()> {
        self.write(vec![(self.slot_key(), Some(json(record)?))]).await
    }

    /// Sends a slot record with the events of the open Kafka transaction, to be committed with them.
    pub(crate) async fn send_slot(&self, sink: &Sink, record: &SlotRecord) -> Result<()> {
        self.send(sink, &[(self.slot_key(), json(record)?)]).await
    }

    /// Sends records of tables with the events of the open Kafka transaction.
    pub(crate) async fn send_tables(&self, sink: &Sink, records: &[(u32, TableRecord)]) -> Result<()> {
        let mut entries = Vec::with_capacity(records.len());
        for (oid, record) in records {
            entries.push((self.table_key(*oid), json(record)?));
        }
        self.send(sink, &entries).await
    }

    pub(super) async fn send(&self, sink: &Sink, entries: &[(String, Vec<u8>)]) -> Result<()> {
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

    /// Writes or deletes records; each key goes behind what all keys of the tap begin with.
    pub(crate) async fn write_under(&self, records: Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
        self.write(records.into_iter().map(|(key, value)| (format!("{}{key}", self.prefix), value)).collect()).await
    }

    /// Writes records of tables.
    pub(crate) async fn write_tables(&self, records: &[(u32, TableRecord)]) -> Result<()> {
        let mut written = Vec::with_capacity(records.len());
        for (oid, record) in records {
            written.push((self.table_key(*oid), Some(json(record)?)));
        }
        self.write(written).await
    }

    pub(crate) async fn write_topics(&self, records: &[(String, TopicRecord)]) -> Result<()> {
        let mut written = Vec::with_capacity(records.len());
        for (name, record) in records {
            written.push((self.topic_key(name), Some(json(record)?)));
        }
        self.write(written).await
    }

    pub(crate) async fn forget_topics(&self, names: &[String]) -> Result<()> {
        self.write(names.iter().map(|name| (self.topic_key(name), None)).collect()).await
    }

    /// No topic's name has a slash.
    fn topic_key(&self, name: &str) -> String {
        format!("{}topic/{name}", self.prefix)
    }

    fn slot_key(&self) -> String {
        format!("{}slot", self.prefix)
    }

    pub(super) fn table_key(&self, oid: u32) -> String {
        format!("{}table/{oid}", self.prefix)
    }

    pub(super) async fn write(&self, records: Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
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
pub(crate) fn capture_prefix(capture: &str) -> String {
    format!("{capture}/")
}

/// The start of every key of a tap's records. A database's name may hold a slash, a capture's may not.
fn prefix(capture: &str, database: &str) -> String {
    format!("{}{}/", capture_prefix(capture), database.replace('%', "%25").replace('/', "%2F"))
}

/// A database's name as it was before it became part of a key.
pub(crate) fn unescaped(text: &str) -> String {
    text.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

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
