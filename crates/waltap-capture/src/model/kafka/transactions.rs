//! Kafka transactions: what a producer has sent is read when it is committed, or never.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use waltap_error::{Code, Error, Result};

use super::super::world::{State, World};
use super::Producer;
use super::producer::Item;

/// How long Kafka lets a transaction be open: what the options that the tap is given say too.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// What a transactional producer has in Kafka and has not committed.
pub(super) struct Transaction {
    id: String,
    items: Vec<Item>,
    /// When the first of them came.
    began: Option<Duration>,
}

impl Transaction {
    pub(super) fn new(id: String) -> Self {
        Transaction { id, items: Vec::new(), began: None }
    }

    pub(super) fn take(&mut self, item: Item, now: Duration) {
        self.began.get_or_insert(now);
        self.items.push(item);
    }

    fn is_over(&self, now: Duration) -> bool {
        self.began.is_some_and(|began| now > began + TRANSACTION_TIMEOUT)
    }
}

impl Producer {
    pub(crate) async fn commit(&self) -> Result<()> {
        if !self.is_transactional() {
            return Ok(());
        }
        self.reported(|queue| queue.records == 0).await;
        let (answer, answered) = oneshot::channel();
        tokio::spawn(commit(self.world.clone(), self.id, answer));
        answered.await.unwrap_or_else(|_| Err(lost()))
    }

    pub(crate) async fn abort(&self, patience: Duration) -> Result<()> {
        if !self.is_transactional() {
            return Ok(());
        }
        let aborting = async {
            self.world.round_trip().await;
            while !self.world.lock().kafka.up {
                self.world.kafka_moves().await;
            }
            let state = &mut *self.world.lock();
            let id = self.id;
            state.note(|| format!("producer {id} rolls back"));
            if let Some(queue) = state.kafka.producers.get_mut(&id) {
                queue.lost = true;
                queue.transaction = queue.transaction.take().map(|transaction| Transaction::new(transaction.id));
            }
        };
        timeout(patience, aborting).await.map_err(|_| lost())
    }
}

/// What the cluster does to commit. It goes on when nobody waits for its answer any more.
async fn commit(world: World, id: u64, answer: oneshot::Sender<Result<()>>) {
    world.round_trip().await;
    while !world.lock().kafka.up {
        world.kafka_moves().await;
    }
    let result = world.lock().commit(id);
    world.kafka_moved();
    // The answer takes a way too.
    world.round_trip().await;
    let _ = answer.send(result);
}

impl State {
    fn commit(&mut self, id: u64) -> Result<()> {
        let now = self.now();
        let (fails, answer_is_lost) = (self.fault(2), self.fault(2));
        let queue = self.kafka.producers.get_mut(&id).ok_or_else(lost)?;
        let transaction = queue.transaction.as_mut().ok_or_else(lost)?;
        if queue.lost || fails || transaction.is_over(now) {
            queue.lost = true;
            return Err(lost());
        }
        let items = std::mem::take(&mut transaction.items);
        transaction.began = None;
        queue.lost = answer_is_lost;
        self.note(|| format!("producer {id} commits {} records", items.len()));
        items.into_iter().for_each(|item| self.show(item));
        if answer_is_lost { Err(lost()) } else { Ok(()) }
    }

    /// Ends the producers of a transactional id, and rolls back what they have not committed.
    pub(super) fn fence(&mut self, transactional_id: &str) {
        let is_same = |transaction: &Option<Transaction>| transaction.as_ref().is_some_and(|known| known.id == transactional_id);
        let mut fenced = Vec::new();
        for (id, queue) in self.kafka.producers.iter_mut().filter(|(_, queue)| is_same(&queue.transaction)) {
            queue.lost = true;
            queue.transaction = Some(Transaction::new(String::new()));
            fenced.push(*id);
        }
        self.note(|| format!("fenced: {fenced:?}"));
    }

    /// Whether a transaction that is open has records of progress, which hide what comes behind them.
    pub(super) fn has_open_progress(&self) -> bool {
        let now = self.now();
        let transactions = self.kafka.producers.values().filter_map(|queue| queue.transaction.as_ref());
        transactions
            .filter(|transaction| !transaction.is_over(now))
            .any(|transaction| transaction.items.iter().any(|item| matches!(item, Item::Progress { .. })))
    }
}

fn lost() -> Error {
    Error::transient(Code::PRODUCER_LOST, "the simulated transaction is lost")
}
