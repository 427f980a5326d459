//! Adds up delivery reports and keeps account of what is in flight.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::{Notify, watch};
use waltap_error::{Code, Error, Kind};

use super::{RECORD_OVERHEAD_BYTES, replicas};
use crate::attempts::{Attempts, Statistics};
use crate::classify;
use crate::delivery::DeliveryObserver;
use crate::log_bridge::{LogBridge, without_thread};
use crate::reachability::BrokerState;

/// How many runs are handed over at most in one call: bounds the memory of one batch, not its meaning.
const RUNS_MAX: usize = 512;

/// After how many reports a batch is handed over although more are coming.
const REPORTS_MAX: u64 = 4096;

/// After how long without any report, with records waiting, the brokers are called silent.
const SILENCE: Duration = Duration::from_secs(5);

/// How long to wait before trying again when librdkafka's own bound was hit: its memory is given back a moment after the report.
const NATIVE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// Under this name librdkafka says, as a warning and in no other way, that a broker answers which is of another cluster than those before.
const OTHER_CLUSTER_FACILITY: &str = "CLUSTERID";

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
    pub(super) fn reserve(&self, bytes: u64, poll_thread: &Thread) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before >= self.queue_bytes {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        if self.records.fetch_add(1, Ordering::Relaxed) == 0 {
            poll_thread.unpark();
        }
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

    pub(super) fn mute(&self) {
        self.muted.store(true, Ordering::Release);
    }
}

/// librdkafka's context of a producer: everything it has to say arrives here, on the poll thread.
pub(super) struct Collector {
    shared: Arc<Shared>,
    log: LogBridge,
    /// How often anything was said.
    heard: AtomicU64,
    /// Locked by the poll thread, and by a sender whose record is refused.
    reports: Mutex<Reports>,
    /// Topics of which the brokers are to be asked why they take nothing.
    question: Mutex<Option<HashSet<String>>>,
    /// Locked by the poll thread alone.
    attempts: Mutex<Attempts>,
}

struct Reports {
    observer: Box<dyn DeliveryObserver>,
    runs: Vec<(u64, u64)>,
    records: u64,
    bytes: u64,
    /// When something was reported last, or when nothing was in flight.
    last_report: Instant,
}

impl Collector {
    pub(super) fn new(observer: Box<dyn DeliveryObserver>, shared: Arc<Shared>) -> Self {
        let reports = Reports { observer, runs: Vec::with_capacity(RUNS_MAX), records: 0, bytes: 0, last_report: Instant::now() };
        Collector {
            shared,
            log: LogBridge::default(),
            heard: AtomicU64::new(0),
            reports: Mutex::new(reports),
            question: Mutex::default(),
            attempts: Mutex::default(),
        }
    }

    /// How often librdkafka has said anything so far.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    fn note_heard(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.shared.records.load(Ordering::Relaxed) == 0
    }

    pub(super) fn has_ended(&self) -> bool {
        self.shared.has_ended()
    }

    pub(super) fn ended_error(&self) -> Error {
        self.shared.ended_error()
    }

    pub(super) fn note_end(&self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.reported.notify_waiters();
    }

    /// Hands over what was gathered, and looks how long nothing came.
    pub(super) fn finish_round(&self) {
        let mut reports = self.lock();
        let now = Instant::now();
        if reports.records > 0 || self.is_idle() {
            self.hand_over(&mut reports);
            reports.last_report = now;
        } else if now.duration_since(reports.last_report) >= SILENCE {
            let since = reports.last_report;
            self.update(|state| state.silent_since.is_none(), |state| state.silent_since = Some(since));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, reports: &mut Reports) {
        if reports.records == 0 {
            return;
        }
        if !self.shared.muted.load(Ordering::Acquire) {
            reports.observer.confirmed(&reports.runs);
        }
        reports.runs.clear();
        let (records, bytes) = (std::mem::take(&mut reports.records), std::mem::take(&mut reports.bytes));
        // Released only now, so that whoever waits for an empty queue finds every report handed over.
        self.shared.release(records, bytes);
        self.update(
            |state| state.waiting_since().is_some() || state.last_error.is_some(),
            |state| *state = BrokerState::default(),
        );
    }

    fn confirmed(&self, opaque: u64, bytes: u64) {
        let mut reports = self.lock();
        match reports.runs.last_mut() {
            Some((last, count)) if *last == opaque => *count += 1,
            _ => reports.runs.push((opaque, 1)),
        }
        reports.records += 1;
        reports.bytes += bytes;
        let all = reports.records == self.shared.records.load(Ordering::Relaxed);
        if all || reports.records >= REPORTS_MAX || reports.runs.len() >= RUNS_MAX {
            self.hand_over(&mut reports);
            reports.last_report = Instant::now();
        }
    }

    fn failed(&self, opaque: u64, bytes: u64, topic: &str, error: &KafkaError) {
        let mut reports = self.lock();
        self.hand_over(&mut reports);
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        if matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) {
            self.shared.purged.store(true, Ordering::Release);
        }
        if !self.shared.muted.load(Ordering::Acquire) {
            let bytes = bytes - RECORD_OVERHEAD_BYTES;
            let error = classify::delivery_error(code, topic, Some(bytes as usize));
            reports.observer.refused(topic, bytes, &error);
            reports.observer.failed(opaque, error);
        }
        self.shared.release(1, bytes);
    }

    /// Passes on that a record was refused before it was sent.
    pub(super) fn note_refused(&self, topic: &str, bytes: u64, error: &Error) {
        if !self.shared.muted.load(Ordering::Acquire) {
            self.lock().observer.refused(topic, bytes, error);
        }
    }

    /// Changes what is known of the brokers where that is needed, and says whether it was.
    fn update(&self, needed: impl Fn(&BrokerState) -> bool, change: impl FnOnce(&mut BrokerState)) -> bool {
        self.shared.brokers.send_if_modified(|state| {
            let needed = needed(state);
            if needed {
                change(state);
            }
            needed
        })
    }
}

impl Collector {
    fn note_error(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let all_down = code == RDKafkaErrorCode::AllBrokersDown;
        let known = Arc::new(classify::client_error(code, "reaching the Kafka brokers").source(reason.to_owned()));
        self.update(
            |_| true,
            |state| {
                if all_down {
                    state.unreachable_since.get_or_insert_with(Instant::now);
                }
                // That all are down says less than why the last one is.
                if !all_down || state.last_error.is_none() {
                    state.last_error = Some(known);
                }
            },
        );
    }

    fn note_other_cluster(&self, message: &str) {
        let error = Error::transient(Code::OTHER_CLUSTER, "the brokers answer as another Kafka cluster than before")
            .source(without_thread(message).to_owned());
        if !self.shared.muted.load(Ordering::Acquire) {
            self.lock().observer.failed(0, error);
        }
    }

    /// Takes what the brokers are to be asked.
    pub(super) fn take_question(&self) -> Option<HashSet<String>> {
        self.question.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes why brokers that answer confirm nothing, unless they do by now. A connection that is refused for good says more.
    pub(super) fn note_shortage(&self, error: Error) {
        let error = Arc::new(error);
        if self.update(|state| is_news(state, &error), |state| state.last_error = Some(Arc::clone(&error))) {
            tracing::warn!(code = %error.code(), remedy = error.remedy_text().unwrap_or_default(), "{}", error.message());
        }
    }

    fn note_statistics(&self, raw: &[u8]) {
        let Some(statistics) = Statistics::read(raw) else { return };
        if statistics.is_connected() {
            self.update(|state| state.unreachable_since.is_some(), |state| state.unreachable_since = None);
            if self.shared.brokers.borrow().silent_since.is_some() {
                let topics = replicas::written_topics(raw);
                *self.question.lock().unwrap_or_else(PoisonError::into_inner) = Some(topics);
            }
        }
        let anything_waits = !self.is_idle() || self.shared.committing.load(Ordering::Relaxed);
        if self.attempts.lock().unwrap_or_else(PoisonError::into_inner).have_ended(statistics, anything_waits) {
            self.give_up();
        }
    }

    /// Ends a producer that will never reach Kafka again: another one does.
    fn give_up(&self) {
        if self.shared.given_up.swap(true, Ordering::Relaxed) {
            return;
        }
        if !self.shared.muted.load(Ordering::Acquire) {
            self.lock().observer.lost(given_up());
        }
        self.note_end();
    }
}

fn ended() -> Error {
    Error::transient(Code::PRODUCER_LOST, "the thread that hears of deliveries has ended")
}

fn given_up() -> Error {
    Error::transient(
        Code::PRODUCER_LOST,
        "the Kafka client has lost every broker and looks for none: it is given up, and made anew",
    )
}

/// Whether a word on too few replicas is to be taken for what is wrong.
fn is_news(state: &BrokerState, shortage: &Error) -> bool {
    let says_more = |known: &Arc<Error>| known.kind() == Kind::Configuration || known.message() == shortage.message();
    state.silent_since.is_some() && !state.last_error.as_ref().is_some_and(says_more)
}

fn message_bytes(message: &BorrowedMessage<'_>) -> u64 {
    (message.key_len() + message.payload_len()) as u64 + RECORD_OVERHEAD_BYTES
}

impl ProducerContext for Collector {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        self.note_heard();
        match result {
            Ok(message) => self.confirmed(opaque as u64, message_bytes(message)),
            Err((error, message)) => self.failed(opaque as u64, message_bytes(message), message.topic(), error),
        }
    }
}

impl ClientContext for Collector {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note_heard();
        // Its records would go on into a cluster in which those of before need not be.
        if facility == OTHER_CLUSTER_FACILITY && matches!(level, RDKafkaLogLevel::Warning) {
            self.note_other_cluster(message);
        }
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note_heard();
        self.note_error(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.note_heard();
        self.note_statistics(statistics);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_replicas_never_hide_that_a_connection_is_refused() {
        let shortage = Error::transient(Code::BROKERS, "too few replicas");
        let known = |error: Error| {
            let last_error = Some(Arc::new(error));
            BrokerState { silent_since: Some(Instant::now()), last_error, ..BrokerState::default() }
        };
        assert!(is_news(&known(Error::transient(Code::BROKERS, "a connection was lost")), &shortage));
        assert!(!is_news(&known(Error::configuration(Code::BROKERS, "the password is wrong")), &shortage));
        assert!(!is_news(&known(Error::transient(Code::BROKERS, "too few replicas")), &shortage), "it is said already");
        assert!(is_news(&BrokerState { silent_since: Some(Instant::now()), ..BrokerState::default() }, &shortage));
        assert!(!is_news(&BrokerState::default(), &shortage), "records are confirmed");
    }
}
