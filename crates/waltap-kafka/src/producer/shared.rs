//! What a producer's senders and its poll thread share: the account of what is in flight, and how the producer stands.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use waltap_error::{Code, Error};

use crate::reachability::BrokerState;

/// How long to wait before trying again when librdkafka's own bound was hit: its memory is given back a moment after the report.
const NATIVE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// What a producer has taken and not yet reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Records.
    pub records: u64,
    /// The bytes of their keys and values and of what is kept with them: what the queue's bound counts.
    pub bytes: u64,
}

/// What the senders and the poll thread share.
#[derive(Debug)]
pub(super) struct Shared {
    records: AtomicU64,
    bytes: AtomicU64,
    /// Woken whenever reports came in.
    reported: Notify,
    native_full: AtomicBool,
    /// Set when the producer was dropped: whoever observed it is told nothing more.
    muted: AtomicBool,
    /// Set when the poll thread has ended, or the producer was given up: nothing will be reported any more.
    ended: AtomicBool,
    /// Set when the producer was given up.
    given_up: AtomicBool,
    /// Set while a transaction is being committed, which waits for Kafka without a record in flight.
    committing: AtomicBool,
    /// Set when librdkafka has thrown records away, since the transaction that they were in has failed.
    purged: AtomicBool,
    brokers: watch::Sender<BrokerState>,
    /// At this size the queue takes nothing more.
    queue_bytes: u64,
    /// Down at this size there is space again: a quarter of the queue at once, so that senders go on in bursts.
    space_bytes: u64,
}

impl Shared {
    pub(super) fn new(queue_bytes: u64) -> Self {
        Shared {
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            reported: Notify::new(),
            native_full: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            committing: AtomicBool::new(false),
            purged: AtomicBool::new(false),
            brokers: watch::Sender::new(BrokerState::default()),
            queue_bytes,
            space_bytes: queue_bytes - queue_bytes / 4,
        }
    }

    /// Takes room for a record, unless the queue is full. The last one may stand out of it, so that a record of any size fits some time.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before >= self.queue_bytes {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.records.fetch_add(1, Ordering::Relaxed);
        true
    }

    pub(super) fn release(&self, records: u64, bytes: u64) {
        self.records.fetch_sub(records, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.reported.notify_waiters();
    }

    pub(super) fn in_flight(&self) -> InFlight {
        InFlight { records: self.records.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    pub(super) fn queue_bytes(&self) -> u64 {
        self.queue_bytes
    }

    pub(super) fn note_native_full(&self) {
        self.native_full.store(true, Ordering::Relaxed);
    }

    pub(super) async fn space(&self) {
        if self.native_full.swap(false, Ordering::Relaxed) {
            tokio::time::sleep(NATIVE_FULL_PAUSE).await;
        }
        self.wait_until(|in_flight| in_flight.bytes <= self.space_bytes).await;
    }

    pub(super) async fn at_most(&self, bytes: u64) {
        self.wait_until(|in_flight| in_flight.bytes <= bytes).await;
    }

    pub(super) async fn empty(&self) {
        self.wait_until(|in_flight| in_flight.records == 0).await;
    }

    /// Waits until the producer has ended.
    pub(super) async fn end(&self) {
        self.wait_until(|_| false).await;
    }

    async fn wait_until(&self, reached: impl Fn(InFlight) -> bool) {
        loop {
            // Registered before the look, so that a report in between is not missed.
            let mut reported = std::pin::pin!(self.reported.notified());
            reported.as_mut().enable();
            if reached(self.in_flight()) || self.has_ended() {
                return;
            }
            reported.await;
        }
    }

    pub(super) fn brokers(&self) -> watch::Receiver<BrokerState> {
        self.brokers.subscribe()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The error for what is asked of a producer that has ended.
    pub(super) fn ended_error(&self) -> Error {
        if self.given_up.load(Ordering::Relaxed) { given_up() } else { ended() }
    }

    pub(super) fn note_committing(&self, committing: bool) {
        self.committing.store(committing, Ordering::Relaxed);
    }

    pub(super) fn has_purged(&self) -> bool {
        self.purged.load(Ordering::Acquire)
    }

    pub(super) fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Relaxed)
    }

    pub(super) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub(super) fn note_end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.reported.notify_waiters();
    }

    /// Says whether it was given up before.
    pub(super) fn give_up(&self) -> bool {
        self.given_up.swap(true, Ordering::Relaxed)
    }

    pub(super) fn note_purged(&self) {
        self.purged.store(true, Ordering::Release);
    }

    /// Changes what is known of the brokers, and says whether it was changed, as `change` does.
    pub(super) fn change_brokers(&self, change: impl FnOnce(&mut BrokerState) -> bool) -> bool {
        self.brokers.send_if_modified(change)
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted.load(Ordering::Acquire)
    }

    pub(super) fn mute(&self) {
        self.muted.store(true, Ordering::Release);
    }
}

fn ended() -> Error {
    Error::transient(Code::PRODUCER_LOST, "the thread that hears of deliveries has ended")
}

/// The error of a producer that was given up.
pub(super) fn given_up() -> Error {
    Error::transient(
        Code::PRODUCER_LOST,
        "the Kafka client reaches no broker, though another one does: it is given up, and made anew",
    )
}
