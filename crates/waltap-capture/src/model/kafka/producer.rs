//! The simulated side of [`crate::sink::Sink`]: a producer with a bounded queue, and what becomes of the records in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;
use waltap_error::{Code, Error, Result};
use waltap_kafka::{DeliveryObserver, PROGRESS_TOPIC_DEFAULT};

use super::super::world::{State, World};
use super::log::{self, Record};
use super::transactions::Transaction;
use crate::sink::{NotTaken, Reports};

/// What is counted for a record beside its key and its value.
const OVERHEAD_BYTES: u64 = 256;

pub(crate) struct Producer {
    pub(super) world: World,
    pub(super) id: u64,
    is_transactional: bool,
    space: Arc<Notify>,
}

/// A producer's records between their acceptance and their reports.
pub(super) struct Queue {
    reports: Reports,
    /// By topic and partition, in the order in which they were taken.
    waiting: BTreeMap<(String, i32), VecDeque<Waiting>>,
    /// In Kafka, and not yet reported.
    arrived: VecDeque<Waiting>,
    pub(super) records: u64,
    bytes: u64,
    /// What it commits as one, if it does.
    pub(super) transaction: Option<Transaction>,
    /// It has failed, and takes no more.
    pub(super) lost: bool,
    /// Nobody holds it any more: nothing is reported.
    pub(super) dropped: bool,
    work: Arc<Notify>,
    pub(super) space: Arc<Notify>,
}

struct Waiting {
    opaque: u64,
    bytes: u64,
    item: Item,
}

/// What a producer is given.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Record(Record),
    /// A record of progress.
    Progress {
        key: Vec<u8>,
        value: Option<Vec<u8>>,
    },
}

impl Producer {
    pub(super) fn start(world: World, transactional_id: Option<String>, reports: Reports) -> Self {
        let is_transactional = transactional_id.is_some();
        let (work, space) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let id = {
            let state = &mut *world.lock();
            state.settle_predecessors();
            let id = state.kafka.next_producer;
            state.kafka.next_producer += 1;
            let queue = Queue {
                reports,
                waiting: BTreeMap::new(),
                arrived: VecDeque::new(),
                records: 0,
                bytes: 0,
                transaction: transactional_id.map(Transaction::new),
                lost: false,
                dropped: false,
                work: Arc::clone(&work),
                space: Arc::clone(&space),
            };
            state.kafka.producers.insert(id, queue);
            id
        };
        tokio::spawn(deliver(world.clone(), id, work));
        Producer { world, id, is_transactional, space }
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.is_transactional
    }

    pub(crate) fn offer(&self, record: crate::sink::Record<'_>) -> Result<(), NotTaken> {
        let state = &mut *self.world.lock();
        let bytes = (record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)) as u64 + OVERHEAD_BYTES;
        let (bound, is_known) = (state.profile.queue_bytes, state.kafka.topics.contains_key(record.topic));
        let partition = record.partition.unwrap_or_else(|| state.kafka.partition(record.topic, record.key.unwrap_or_default()));
        let item = match record.topic {
            PROGRESS_TOPIC_DEFAULT => {
                Item::Progress { key: record.key.unwrap_or_default().to_vec(), value: record.value.map(<[u8]>::to_vec) }
            }
            topic => {
                if !is_known {
                    state.find(format!("a record for the topic {topic}, which was not made"));
                }
                let event = record.value.map(log::read).transpose().unwrap_or_else(|what| {
                    state.find(format!("a record that cannot be read: {what}"));
                    None
                });
                let key = record.key.map(|key| String::from_utf8_lossy(key).into_owned());
                Item::Record(Record { topic: topic.to_owned(), partition, key, event })
            }
        };
        let Some(queue) = state.kafka.producers.get_mut(&self.id) else { return Ok(()) };
        if queue.lost {
            return Err(NotTaken::Refused(Error::transient(Code::PRODUCER_LOST, "the simulated producer is lost")));
        }
        if queue.bytes >= bound {
            return Err(NotTaken::Full);
        }
        queue.bytes += bytes;
        queue.records += 1;
        let waiting = Waiting { opaque: record.account.to_opaque(), bytes, item };
        queue.waiting.entry((record.topic.to_owned(), partition)).or_default().push_back(waiting);
        queue.work.notify_one();
        Ok(())
    }

    pub(crate) async fn space(&self) {
        let bound = self.world.lock().profile.queue_bytes;
        self.reported(|queue| queue.bytes <= bound - bound / 4).await;
    }

    pub(crate) async fn at_most(&self, bytes: u64) {
        self.reported(|queue| queue.bytes <= bytes).await;
    }

    /// Waits until a look at the queue says so, or the producer is lost.
    pub(super) async fn reported(&self, enough: impl Fn(&Queue) -> bool) {
        loop {
            let mut reported = std::pin::pin!(self.space.notified());
            reported.as_mut().enable();
            if self.world.lock().kafka.producers.get(&self.id).is_none_or(|queue| enough(queue) || queue.lost) {
                return;
            }
            reported.await;
        }
    }

    pub(crate) fn in_flight_bytes(&self) -> u64 {
        self.world.lock().kafka.producers.get(&self.id).map_or(0, |queue| queue.bytes)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Some(queue) = self.world.lock().kafka.producers.get_mut(&self.id) {
            queue.dropped = true;
            queue.work.notify_one();
        }
    }
}

impl State {
    /// What producers of before still had under way has arrived by the time that another one begins, or never does: of each partition what
    /// was sent first.
    fn settle_predecessors(&mut self) {
        let ids = self.kafka.producers.iter().filter(|(_, queue)| queue.dropped && queue.transaction.is_none());
        let ids: Vec<u64> = ids.map(|(id, _)| *id).collect();
        for id in ids {
            let Some(queue) = self.kafka.producers.remove(&id) else { continue };
            for (_, waiting) in queue.waiting {
                let arriving = match (queue.lost, self.random.below(3)) {
                    (true, _) | (_, 0) => 0,
                    (_, 1) => waiting.len() as u64,
                    _ => self.random.below(waiting.len() as u64 + 1),
                };
                if arriving < waiting.len() as u64 {
                    self.note(|| format!("the rest of producer {id} never arrives"));
                }
                for late in waiting.into_iter().take(arriving as usize) {
                    self.arrive(id, late.item);
                }
            }
        }
    }

    /// An item is in Kafka; to be read, unless it belongs to a transaction.
    fn arrive(&mut self, producer: u64, item: Item) {
        self.note(|| match &item {
            Item::Record(record) => format!("producer {producer}: arrived {record:?}"),
            Item::Progress { key, value } => {
                let value = value.as_deref().map_or("nothing".into(), String::from_utf8_lossy);
                format!("producer {producer}: arrived progress {} = {value}", String::from_utf8_lossy(key))
            }
        });
        let now = self.now();
        match self.kafka.producers.get_mut(&producer).and_then(|queue| queue.transaction.as_mut()) {
            Some(transaction) => transaction.take(item, now),
            None => self.show(item),
        }
    }

    /// An item is there to be read.
    pub(super) fn show(&mut self, item: Item) {
        match item {
            Item::Record(record) => self.kafka.log.append(record),
            Item::Progress { key, value } => self.set_progress(key, value),
        }
    }

    /// Fails a producer: what waits in it is lost.
    pub(in crate::model) fn lose_producer(&mut self) {
        let Some((id, queue)) =
            self.kafka.producers.iter_mut().find(|(_, queue)| !queue.dropped && !queue.lost && queue.records > 0)
        else {
            return;
        };
        queue.lost = true;
        let id = *id;
        let opaque = queue.waiting.values().flatten().next().map_or(0, |waiting| waiting.opaque);
        let mut reports = queue.reports.clone();
        let space = Arc::clone(&queue.space);
        self.note(|| format!("producer {id} is lost"));
        reports.failed(opaque, Error::transient(Code::PRODUCER_LOST, "the simulated producer is lost"));
        space.notify_waiters();
    }
}

/// Brings the records of a producer into Kafka, and reports on them.
async fn deliver(world: World, id: u64, work: Arc<Notify>) {
    loop {
        let (idle, over) = {
            let state = world.lock();
            match state.kafka.producers.get(&id) {
                Some(queue) => (queue.records == 0 || queue.lost, queue.dropped),
                None => return,
            }
        };
        if over {
            return;
        }
        if idle {
            work.notified().await;
            continue;
        }
        let longest = world.lock().profile.delivery_millis;
        world.pause_between(0, longest).await;
        while !world.lock().kafka.up {
            world.kafka_moves().await;
        }
        let report = {
            let mut guard = world.lock();
            let state = &mut *guard;
            take_in(state, id);
            take_report(state, id)
        };
        if let Some((mut reports, runs, space)) = report {
            reports.confirmed(&runs);
            space.notify_waiters();
        }
    }
}

/// Some records of one partition arrive, or of all.
fn take_in(state: &mut State, id: u64) {
    let Some(queue) = state.kafka.producers.get_mut(&id).filter(|queue| !queue.dropped && !queue.lost) else { return };
    let partitions: Vec<(String, i32)> = queue.waiting.keys().cloned().collect();
    let all = state.random.percent(30);
    let chosen = state.random.index(partitions.len());
    let mut arriving = Vec::new();
    for (index, partition) in partitions.iter().enumerate().filter(|(index, _)| all || *index == chosen) {
        let Some(waiting) = queue.waiting.get_mut(partition) else { continue };
        let count = if state.random.percent(60) { waiting.len() as u64 } else { state.random.below(waiting.len() as u64 + 1) };
        arriving.extend(waiting.drain(..count as usize));
        if waiting.is_empty() {
            queue.waiting.remove(&partitions[index]);
        }
    }
    for arrived in arriving {
        state.arrive(id, arrived.item.clone());
        if let Some(queue) = state.kafka.producers.get_mut(&id) {
            queue.arrived.push_back(arrived);
        }
    }
}

type Report = (Reports, Vec<(u64, u64)>, Arc<Notify>);

/// What is reported now, if anything: reports come in batches.
fn take_report(state: &mut State, id: u64) -> Option<Report> {
    let reports_now = state.random.percent(60);
    let queue = state.kafka.producers.get_mut(&id).filter(|queue| reports_now && !queue.dropped && !queue.lost)?;
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for arrived in queue.arrived.drain(..) {
        queue.bytes -= arrived.bytes;
        queue.records -= 1;
        match runs.last_mut() {
            Some((opaque, count)) if *opaque == arrived.opaque => *count += 1,
            _ => runs.push((arrived.opaque, 1)),
        }
    }
    let (reports, space) = (queue.reports.clone(), Arc::clone(&queue.space));
    (!runs.is_empty()).then_some((reports, runs, space))
}
