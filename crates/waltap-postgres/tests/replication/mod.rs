//! Slots and their streams, over the replication protocol.
//!
//! Where time matters the runtime has several threads: `psql` blocks the test's own, and the status task must go on meanwhile.

mod commands;
mod endings;
mod liveness;
mod reading;
mod status;

use waltap_ledger::{Durable, Ledger};
use waltap_pgoutput::{Lsn, Message, ReplicationMessage, Value};
use waltap_postgres::{Filled, ReplicationConnection, ReplicationStream, SlotOptions, Source, StartOptions, StatusHandle};

use crate::fixture::{Cluster, PATIENCE};

/// The slot of these tests.
const SLOT: &str = "tap";

/// Makes a published table `t (id int primary key, note text)` and a slot behind both; gives back where the slot begins.
async fn server(cluster: &Cluster) -> Lsn {
    cluster.psql("postgres", "CREATE TABLE t (id int PRIMARY KEY, note text)");
    cluster.psql("postgres", "CREATE PUBLICATION p FOR TABLE t");
    connect(&cluster.source("")).await.create_slot(SLOT, SlotOptions::default()).await.expect("a slot").consistent_point
}

async fn connect(source: &Source) -> ReplicationConnection {
    source.replication("postgres").await.expect("a replication session")
}

fn options(from: Lsn) -> StartOptions {
    StartOptions {
        slot: SLOT.to_owned(),
        publications: vec!["p".to_owned()],
        from,
        messages: false,
        streaming: false,
        two_phase: false,
        status_interval: None,
    }
}

async fn start(source: &Source, from: Lsn) -> (ReplicationStream, StatusHandle) {
    connect(source).await.start(options(from)).await.expect("a stream")
}

/// A durable place, as a ledger gives it when nothing is in flight.
fn durable(lsn: Lsn) -> Durable {
    Ledger::new(lsn).durable()
}

/// What was read of a stream.
#[derive(Default)]
struct Read {
    /// The first column of each inserted row, and the length of the second.
    rows: Vec<(String, usize)>,
    /// The end of the last commit.
    commit_end: Lsn,
    /// The content of logical messages.
    messages: Vec<Vec<u8>>,
    keepalives: usize,
    /// The end of the log in the last keepalive.
    wal_end: Lsn,
}

impl Read {
    fn take(&mut self, frame: &[u8]) {
        match ReplicationMessage::decode(frame).expect("a replication message") {
            ReplicationMessage::Keepalive { end, .. } => {
                self.keepalives += 1;
                self.wal_end = end;
            }
            ReplicationMessage::XLogData { data, .. } => match Message::decode(data).expect("a pgoutput message") {
                Message::Insert(insert) => {
                    let columns: Vec<Value<'_>> = insert.new.iter().collect();
                    let [Value::Text(id), note] = columns[..] else { panic!("not a row of t: {columns:?}") };
                    let length = if let Value::Text(note) = note { note.len() } else { 0 };
                    self.rows.push((String::from_utf8(id.to_vec()).expect("text"), length));
                }
                Message::Commit(commit) => self.commit_end = commit.end_lsn,
                Message::LogicalMessage(message) => self.messages.push(message.content.to_vec()),
                _ => {}
            },
        }
    }

    /// Takes all frames that are there.
    fn drain(&mut self, stream: &mut ReplicationStream) -> waltap_error::Result<()> {
        while let Some(frame) = stream.next_frame()? {
            self.take(frame);
        }
        Ok(())
    }

    /// Reads until `enough`, or fails the test.
    async fn until(&mut self, stream: &mut ReplicationStream, enough: impl Fn(&Read) -> bool) {
        let reading = async {
            while !enough(self) {
                assert_eq!(stream.fill().await.expect("bytes"), Filled::Data);
                self.drain(stream).expect("frames");
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the stream brings what is waited for");
    }

    /// Reads until the stream fails, and gives back how, or `None` when the server ended it.
    async fn read_until_it_ends(&mut self, stream: &mut ReplicationStream) -> Option<waltap_error::Error> {
        let reading = async {
            loop {
                match stream.fill().await {
                    Ok(Filled::Data) => {}
                    Ok(Filled::Ended) => return None,
                    Err(error) => return Some(error),
                }
                if let Err(error) = self.drain(stream) {
                    return Some(error);
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the stream ends")
    }
}

fn confirmed_flush(cluster: &Cluster) -> Lsn {
    let query = format!("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
    cluster.psql("postgres", &query).parse().expect("an LSN")
}

fn insert(cluster: &Cluster, from: u32, to: u32) {
    cluster.psql("postgres", &format!("INSERT INTO t SELECT i, repeat('x', 50) FROM generate_series({from}, {to}) i"));
}
