//! Delivery reports on their way from the sink to who waits for them: the tap's ledger, or the count of a table's snapshot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use waltap_error::{Error, Result};
use waltap_kafka::DeliveryObserver;
use waltap_ledger::GroupId;

use crate::dead_letters::Verdicts;
use crate::sabotage::{Sabotage, is_on};

/// What a record is accounted to. Travels through Kafka's client as a number and comes back with the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// A group of the tap's ledger.
    Stream(GroupId),
    /// A table of the snapshot that is being read.
    Snapshot(u32),
    /// Progress, in the Kafka transaction that it is about: nobody counts it.
    Progress,
}

impl Account {
    /// Set in the number of a snapshot's table. A ledger would need centuries to count this far.
    const SNAPSHOT_BIT: u64 = 1 << 63;

    pub(crate) fn to_opaque(self) -> u64 {
        match self {
            Account::Stream(group) => group.to_u64(),
            Account::Snapshot(table) => Self::SNAPSHOT_BIT | u64::from(table),
            // As a table that is never opened.
            Account::Progress => u64::MAX,
        }
    }
}

/// How far the rows of a table in a snapshot are.
#[derive(Debug, Default)]
pub(crate) struct TableCount {
    /// Chunks that are not read to their end.
    pub(crate) chunks_left: AtomicUsize,
    handed_over: AtomicU64,
    confirmed: AtomicU64,
    /// Whether the table is not any more what the snapshot was planned with.
    changed: AtomicBool,
}

impl TableCount {
    pub(crate) fn new(chunks: usize) -> Self {
        TableCount { chunks_left: AtomicUsize::new(chunks), ..TableCount::default() }
    }

    /// Notes a chunk that was read to its end, and how many of its rows were handed over.
    pub(crate) fn chunk_read(&self, rows: u64) {
        self.handed_over.fetch_add(rows, Ordering::SeqCst);
        self.chunks_left.fetch_sub(1, Ordering::SeqCst);
    }

    /// Notes that the table's rows cannot be read under this snapshot.
    pub(crate) fn set_changed(&self) {
        self.changed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst)
    }

    /// Whether nothing was sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.handed_over.load(Ordering::SeqCst) == 0
    }

    /// Whether every chunk was read, or given up.
    pub(crate) fn is_sent(&self) -> bool {
        self.chunks_left.load(Ordering::SeqCst) == 0
    }

    /// Whether that is so, and every row sent is confirmed.
    pub(crate) fn is_done(&self) -> bool {
        self.is_sent()
            && (self.confirmed.load(Ordering::SeqCst) == self.handed_over.load(Ordering::SeqCst)
                || is_on(Sabotage::DoneBeforeConfirmed))
    }
}

/// Both ends of the reports of one tap. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reports(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stream: Mutex<Vec<(u64, u64)>>,
    snapshot: Mutex<HashMap<u64, Arc<TableCount>>>,
    failure: Mutex<Option<Error>>,
    verdicts: OnceLock<Verdicts>,
    for_stream: Notify,
    for_snapshot: Notify,
}

impl Reports {
    /// Waits until something for the ledger came, or a failure. Cancel safe.
    pub(crate) async fn for_stream(&self) {
        self.0.for_stream.notified().await;
    }

    /// Waits until rows of a snapshot were confirmed, or a chunk was read, or something failed. Cancel safe.
    pub(crate) async fn for_snapshot(&self) {
        self.0.for_snapshot.notified().await;
    }

    /// Wakes who waits in [`Reports::for_snapshot`].
    pub(crate) fn wake_snapshot(&self) {
        self.0.for_snapshot.notify_one();
    }

    /// Moves what came for the ledger, as `(group, count)`, to the end of `into`. The first failure comes out as the error.
    pub(crate) fn take(&self, into: &mut Vec<(GroupId, u64)>) -> Result<()> {
        self.check()?;
        into.extend(lock(&self.0.stream).drain(..).map(|(group, count)| (GroupId::from_u64(group), count)));
        Ok(())
    }

    /// The first failure, if there was one.
    pub(crate) fn check(&self) -> Result<()> {
        match lock(&self.0.failure).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Counts the reports of a table's snapshot in `count` from now on.
    pub(crate) fn open_table(&self, table: u32, count: Arc<TableCount>) {
        lock(&self.0.snapshot).insert(Account::Snapshot(table).to_opaque(), count);
    }

    /// Tells what brokers refuse from now on.
    pub(crate) fn tell_verdicts(&self, verdicts: Verdicts) {
        // Only the first call counts, and there is one for each session.
        let _ = self.0.verdicts.set(verdicts);
    }

    /// Ends the counting for a table.
    pub(crate) fn close_table(&self, table: u32) {
        lock(&self.0.snapshot).remove(&Account::Snapshot(table).to_opaque());
    }

    /// For how many tables there is counting.
    #[cfg(test)]
    pub(crate) fn open_tables(&self) -> usize {
        lock(&self.0.snapshot).len()
    }
}

impl DeliveryObserver for Reports {
    fn confirmed(&mut self, runs: &[(u64, u64)]) {
        let (mut stream, mut snapshot) = (None, None);
        for &(opaque, count) in runs {
            if opaque & Account::SNAPSHOT_BIT == 0 {
                let stream = stream.get_or_insert_with(|| lock(&self.0.stream));
                stream.push((opaque, count));
            } else if let Some(table) = snapshot.get_or_insert_with(|| lock(&self.0.snapshot)).get(&opaque) {
                table.confirmed.fetch_add(count, Ordering::SeqCst);
            }
        }
        if stream.take().is_some() {
            self.0.for_stream.notify_one();
        }
        if snapshot.take().is_some() {
            self.0.for_snapshot.notify_one();
        }
    }

    fn refused(&mut self, topic: &str, bytes: u64, error: &Error) {
        if let Some(verdicts) = self.0.verdicts.get() {
            verdicts.note(topic, bytes, error);
        }
    }

    fn failed(&mut self, _opaque: u64, error: Error) {
        // The first failure tells the cause; those behind it follow from it.
        lock(&self.0.failure).get_or_insert(error);
        self.0.for_stream.notify_one();
        self.0.for_snapshot.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waltap_error::Code;

    #[test]
    fn reports_find_their_account() {
        let mut reports = Reports::default();
        let count = Arc::new(TableCount::new(1));
        reports.open_table(3, Arc::clone(&count));
        reports.confirmed(&[(5, 2), (Account::Snapshot(3).to_opaque(), 4), (6, 1)]);
        let mut taken = Vec::new();
        reports.take(&mut taken).unwrap();
        assert_eq!(taken, [(GroupId::from_u64(5), 2), (GroupId::from_u64(6), 1)]);
        assert!(!count.is_done(), "its chunk is still being read");
        count.chunk_read(5);
        assert!(!count.is_done(), "a row is not confirmed");
        reports.confirmed(&[(Account::Snapshot(3).to_opaque(), 1)]);
        assert!(count.is_done());
    }

    #[test]
    fn the_first_failure_is_told() {
        let mut reports = Reports::default();
        reports.failed(1, Error::data(Code::RECORD_TOO_LARGE, "first"));
        reports.failed(2, Error::transient(Code::PRODUCER_LOST, "second"));
        assert_eq!(reports.take(&mut Vec::new()).unwrap_err().code(), Code::RECORD_TOO_LARGE);
    }
}
