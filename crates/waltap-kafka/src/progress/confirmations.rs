//! Turns delivery reports into the end of a write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use waltap_error::{Code, Error, Result};

use crate::delivery::DeliveryObserver;

/// The writes that wait for their records to be confirmed.
#[derive(Debug, Default)]
pub(super) struct Confirmations {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    records: u64,
    done: oneshot::Sender<Result<()>>,
}

/// One write that waits. Dropping it forgets it.
#[derive(Debug)]
pub(super) struct Waiting {
    id: u64,
    done: oneshot::Receiver<Result<()>>,
    table: Arc<Mutex<Table>>,
}

impl Confirmations {
    /// Opens a write of so many records.
    pub(super) fn expect(&self, records: u64) -> Waiting {
        let (sender, done) = oneshot::channel();
        let mut table = lock(&self.table);
        let id = table.next;
        table.next += 1;
        table.open.insert(id, Open { records, done: sender });
        Waiting { id, done, table: Arc::clone(&self.table) }
    }

    /// What the producer reports to.
    pub(super) fn observer(&self) -> impl DeliveryObserver + use<> {
        Observer { table: Arc::clone(&self.table) }
    }
}

impl Waiting {
    /// The opaque that its records carry.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Waits until all its records are confirmed, or one has failed.
    pub(super) async fn confirmed(mut self) -> Result<()> {
        let done = (&mut self.done).await;
        done.unwrap_or_else(|_| {
            Err(Error::transient(Code::PRODUCER_LOST, "the Kafka producer ended before it confirmed a record"))
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(&self.table).open.remove(&self.id);
    }
}

struct Observer {
    table: Arc<Mutex<Table>>,
}

impl DeliveryObserver for Observer {
    fn confirmed(&mut self, runs: &[(u64, u64)]) {
        let mut table = lock(&self.table);
        for (id, count) in runs {
            let Some(open) = table.open.get_mut(id) else { continue };
            open.records = open.records.saturating_sub(*count);
            if open.records == 0
                && let Some(open) = table.open.remove(id)
            {
                // Whoever waited may have given up.
                let _ = open.done.send(Ok(()));
            }
        }
    }

    fn failed(&mut self, id: u64, error: Error) {
        if let Some(open) = lock(&self.table).open.remove(&id) {
            let _ = open.done.send(Err(error));
        }
    }

    fn lost(&mut self, _error: Error) {
        // Each of them hears that the producer has ended.
        lock(&self.table).open.clear();
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_ends_with_its_last_confirmation_and_not_before() {
        let confirmations = Confirmations::default();
        let mut observer = confirmations.observer();
        let (first, second) = (confirmations.expect(3), confirmations.expect(1));
        observer.confirmed(&[(first.id(), 2), (second.id(), 1)]);
        second.confirmed().await.unwrap();
        assert_eq!(lock(&confirmations.table).open.len(), 1);
        observer.confirmed(&[(first.id(), 1)]);
        first.confirmed().await.unwrap();
    }

    #[tokio::test]
    async fn a_failure_ends_the_write_and_a_write_given_up_is_forgotten() {
        let confirmations = Confirmations::default();
        let mut observer = confirmations.observer();
        let failing = confirmations.expect(2);
        observer.failed(failing.id(), Error::data(Code::RECORD_TOO_LARGE, "too large"));
        observer.confirmed(&[(failing.id(), 1)]);
        assert_eq!(failing.confirmed().await.unwrap_err().code(), Code::RECORD_TOO_LARGE);
        drop(confirmations.expect(1));
        assert!(lock(&confirmations.table).open.is_empty());
    }
}
