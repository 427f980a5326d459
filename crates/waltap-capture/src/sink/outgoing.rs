//! From an encoder, which cannot wait, to a sink, which may be full.

use std::collections::VecDeque;

use waltap_error::{Error, Result};
use waltap_event::{Header, RecordSink, Stamp};
use waltap_pgoutput::Lsn;

use super::{Account, NotTaken, Record, Sink, Topic};
use crate::dead_letters::{Refused, Writer};

/// What a header has on the wire beside its name and its value: two lengths of five bytes at most.
const HEADER_OVERHEAD_BYTES: usize = 10;

/// Records that found the sink full. Not more than those of one event: whoever writes events empties it before the next.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    records: VecDeque<OwnedRecord>,
}

#[derive(Debug)]
struct OwnedRecord {
    topic: String,
    partition: Option<i32>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<OwnedHeader>,
    is_plain: bool,
    account: Account,
}

#[derive(Debug)]
struct OwnedHeader {
    name: String,
    value: Vec<u8>,
    is_json: bool,
}

impl OwnedHeader {
    fn borrow(&self) -> Header<'_> {
        Header { name: &self.name, value: &self.value, is_json: self.is_json }
    }
}

impl OwnedRecord {
    fn borrow<'a>(&'a self, headers: &'a [Header<'a>]) -> Record<'a> {
        Record {
            topic: &self.topic,
            partition: self.partition,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers,
            is_plain: self.is_plain,
            account: self.account,
        }
    }
}

impl Staged {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Hands over what is staged, waiting for room as long as it takes. When cancelled, what was not handed over stays.
    pub(crate) async fn hand_over(&mut self, sink: &Sink) -> Result<()> {
        while let Some(record) = self.records.front() {
            let headers: Vec<Header<'_>> = record.headers.iter().map(OwnedHeader::borrow).collect();
            match sink.offer(record.borrow(&headers)) {
                Ok(()) => drop(self.records.pop_front()),
                Err(NotTaken::Full) => sink.space().await?,
                Err(NotTaken::Refused(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Takes the records of one event for a topic, and counts them.
pub(crate) struct Outgoing<'a> {
    sink: &'a Sink,
    topic: &'a Topic,
    account: Account,
    staged: &'a mut Staged,
    is_plain: bool,
    is_silent: bool,
    /// Where the event stands.
    stamp: Option<&'a Stamp>,
    /// Of `records`, those that are pieces of a dead letter behind its first.
    more_pieces: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(sink: &'a Sink, topic: &'a Topic, account: Account, staged: &'a mut Staged) -> Self {
        Outgoing {
            sink,
            topic,
            account,
            staged,
            is_plain: false,
            is_silent: false,
            stamp: None,
            more_pieces: 0,
            records: 0,
            bytes: 0,
        }
    }

    /// Says where the event stands, by which a dead letter is known.
    pub(crate) fn at(mut self, stamp: &'a Stamp) -> Self {
        self.stamp = Some(stamp);
        self
    }

    /// For records whose keys and values need not be JSON.
    pub(crate) fn plain(&mut self) -> &mut Self {
        self.is_plain = true;
        self
    }

    /// For an event that is in Kafka already: it is written, so that what is counted over a transaction goes on, and not sent.
    pub(crate) fn silent(mut self, is_silent: bool) -> Self {
        self.is_silent = is_silent;
        self
    }

    fn take(&mut self, partition: Option<i32>, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> Result<()> {
        if self.is_silent {
            return Ok(());
        }
        let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        if bytes.saturating_add(header_bytes(headers)) > self.topic.bytes_max
            && let Some(writer) = &self.topic.dead_letters
        {
            return self.divert(writer, partition, key, value, headers);
        }
        let topic = &self.topic.name;
        self.place(Record { topic, partition, key, value, headers, is_plain: self.is_plain, account: self.account })
    }

    /// Writes a record that the topic does not take to the topic of dead letters.
    #[cold]
    fn divert(
        &mut self,
        writer: &Writer,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<()> {
        let refused = Refused {
            topic: &self.topic.name,
            partition,
            key,
            value,
            headers,
            commit_lsn: self.stamp.map_or(Lsn::ZERO, |stamp| stamp.commit_lsn),
            seq: self.stamp.and_then(|stamp| stamp.ordinal),
            record: self.records - self.more_pieces,
            bytes_max: self.topic.bytes_max,
        };
        let account = self.account;
        let pieces = writer.write(&refused, |piece| {
            self.place(Record {
                topic: &writer.topic,
                partition: Some(piece.partition),
                key: Some(piece.key),
                value: Some(piece.value),
                headers: piece.headers,
                is_plain: true,
                account,
            })
        })?;
        self.more_pieces += pieces - 1;
        Ok(())
    }

    /// Counts a record, and hands it over or stages it.
    fn place(&mut self, record: Record<'_>) -> Result<()> {
        self.records += 1;
        self.bytes += (record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)) as u64;
        // Behind a staged record everything is staged, or the order would be lost.
        if self.staged.is_empty() {
            match self.sink.offer(record) {
                Ok(()) => return Ok(()),
                Err(NotTaken::Refused(error)) => return Err(error),
                Err(NotTaken::Full) => {}
            }
        }
        self.staged.records.push_back(OwnedRecord {
            topic: record.topic.to_owned(),
            partition: record.partition,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.iter().map(own).collect(),
            is_plain: record.is_plain,
            account: record.account,
        });
        Ok(())
    }
}

impl RecordSink for Outgoing<'_> {
    type Error = Error;

    fn record(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        self.take(partition_of(self.topic, key), key, value, &[])
    }

    fn record_with_headers(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> Result<()> {
        self.take(partition_of(self.topic, key), key, value, headers)
    }

    fn record_to_all(&mut self, value: &[u8], headers: &[Header<'_>]) -> Result<()> {
        (0..self.topic.partitions).try_for_each(|partition| self.take(Some(partition), None, Some(value), headers))
    }
}

fn header_bytes(headers: &[Header<'_>]) -> usize {
    headers.iter().map(|header| header.name.len() + header.value.len() + HEADER_OVERHEAD_BYTES).sum()
}

fn own(header: &Header<'_>) -> OwnedHeader {
    OwnedHeader { name: header.name.to_owned(), value: header.value.to_vec(), is_json: header.is_json }
}

/// Kafka would spread records without a key over all partitions: their order would be lost, and a repeat could not be told. A key would go to
/// another partition once the topic has more of them, and what comes behind could be read before what came first.
fn partition_of(topic: &Topic, key: Option<&[u8]>) -> Option<i32> {
    match key {
        None => Some(0),
        Some(key) if topic.places_keys => Some(waltap_kafka::key_partition(key, topic.partitions)),
        Some(_) => None,
    }
}
