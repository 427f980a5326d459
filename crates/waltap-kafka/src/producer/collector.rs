//! Adds up delivery reports.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use waltap_error::{Code, Error, Kind};

use super::RECORD_OVERHEAD_BYTES;
use super::shared::{self, Shared};
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

/// Under this name librdkafka says, as a warning and in no other way, that a broker answers which is of another cluster than those before.
const OTHER_CLUSTER_FACILITY: &str = "CLUSTERID";

/// librdkafka's context of a producer: everything it has to say arrives here, on the poll thread.
pub(super) struct Collector {
    shared: Arc<Shared>,
    log: LogBridge,
    /// How often confirmations were handed over.
    confirmations: AtomicU64,
    /// Locked by the poll thread, and by a sender whose record is refused.
    reports: Mutex<Reports>,
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
        Collector { shared, log: LogBridge::default(), confirmations: AtomicU64::new(0), reports: Mutex::new(reports) }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.shared.records() == 0
    }

    /// How often confirmations were handed over so far.
    pub(super) fn confirmations(&self) -> u64 {
        self.confirmations.load(Ordering::Relaxed)
    }

    /// Whether a record or a commit waits for Kafka.
    pub(super) fn anything_waits(&self) -> bool {
        !self.is_idle() || self.is_committing()
    }

    pub(super) fn is_committing(&self) -> bool {
        self.shared.is_committing()
    }

    /// Whether it is to be looked how the producer stands with the brokers, unless something is confirmed soon.
    pub(super) fn is_in_doubt(&self) -> bool {
        !self.has_ended()
            && !self.is_dropped()
            && (self.anything_waits() || self.shared.brokers().borrow().unreachable_since.is_some())
    }

    /// Whether the producer was dropped: what it had is to be thrown away.
    pub(super) fn is_dropped(&self) -> bool {
        self.shared.is_muted()
    }

    /// Whether records wait and not one was confirmed for some seconds.
    pub(super) fn is_silent(&self) -> bool {
        self.shared.brokers().borrow().silent_since.is_some()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.shared.has_ended()
    }

    pub(super) fn ended_error(&self) -> Error {
        self.shared.ended_error()
    }

    pub(super) fn note_end(&self) {
        self.shared.note_end();
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
        if !self.shared.is_muted() {
            reports.observer.confirmed(&reports.runs);
        }
        self.confirmations.fetch_add(1, Ordering::Relaxed);
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
        if reports.records >= REPORTS_MAX || reports.runs.len() >= RUNS_MAX {
            self.hand_over(&mut reports);
            reports.last_report = Instant::now();
        }
    }

    /// Hands over what was gathered where nothing else is in flight. Not looked at with each report: senders count at the same place, on another
    /// processor. Says whether some are kept.
    pub(super) fn hand_over_the_last(&self) -> bool {
        let mut reports = self.lock();
        if reports.records == self.shared.records() {
            self.hand_over(&mut reports);
            reports.last_report = Instant::now();
        }
        reports.records > 0
    }

    fn failed(&self, opaque: u64, bytes: u64, topic: &str, error: &KafkaError) {
        let mut reports = self.lock();
        self.hand_over(&mut reports);
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        if matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) {
            self.shared.note_purged();
        }
        if !self.shared.is_muted() {
            let bytes = bytes - RECORD_OVERHEAD_BYTES;
            let error = classify::delivery_error(code, topic, Some(bytes as usize));
            reports.observer.refused(topic, bytes, &error);
            reports.observer.failed(opaque, error);
        }
        self.shared.release(1, bytes);
    }

    /// Passes on that a record was refused before it was sent.
    pub(super) fn note_refused(&self, topic: &str, bytes: u64, error: &Error) {
        if !self.shared.is_muted() {
            self.lock().observer.refused(topic, bytes, error);
        }
    }

    /// Changes what is known of the brokers where that is needed, and says whether it was.
    fn update(&self, needed: impl Fn(&BrokerState) -> bool, change: impl FnOnce(&mut BrokerState)) -> bool {
        self.shared.change_brokers(|state| {
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
        if !self.shared.is_muted() {
            self.lock().observer.failed(0, error);
        }
    }

    /// Notes that a broker is connected to, as was seen at some time from then on. All may be away again since.
    pub(super) fn note_connected(&self, from: Instant) {
        self.update(|state| state.unreachable_since.is_some_and(|since| since <= from), |state| state.unreachable_since = None);
    }

    /// Notes why brokers that answer confirm nothing, unless they do by now. A connection that is refused for good says more.
    pub(super) fn note_shortage(&self, error: Error) {
        let error = Arc::new(error);
        if self.update(|state| is_news(state, &error), |state| state.last_error = Some(Arc::clone(&error))) {
            tracing::warn!(code = %error.code(), remedy = error.remedy_text().unwrap_or_default(), "{}", error.message());
        }
    }

    /// Ends a producer that will never reach Kafka again: another one does.
    pub(super) fn give_up(&self) {
        if self.shared.give_up() {
            return;
        }
        if !self.shared.is_muted() {
            self.lock().observer.lost(shared::given_up());
        }
        self.note_end();
    }
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
        match result {
            Ok(message) => self.confirmed(opaque as u64, message_bytes(message)),
            Err((error, message)) => self.failed(opaque as u64, message_bytes(message), message.topic(), error),
        }
    }
}

impl ClientContext for Collector {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Its records would go on into a cluster in which those of before need not be.
        if facility == OTHER_CLUSTER_FACILITY && matches!(level, RDKafkaLogLevel::Warning) {
            self.note_other_cluster(message);
        }
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note_error(&error, reason);
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
