//! What librdkafka tells a client that is not a producer of events: log lines, and errors of its connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use waltap_error::{Error, Kind};

use crate::attempts::{Attempts, Statistics};
use crate::classify;
use crate::log_bridge::{self, LogBridge};

/// Keeps the last error of a client's connections, so that a call that timed out can say why.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    log: LogBridge,
    last: Mutex<Option<(RDKafkaErrorCode, String)>>,
    all_down: AtomicBool,
    attempts: Mutex<Attempts>,
    given_up: AtomicBool,
}

impl Listener {
    /// The error for what was being done: what the connections last said, or else `code`.
    pub(crate) fn explain(&self, doing: &str, code: RDKafkaErrorCode) -> Error {
        match self.last.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some((cause, reason)) if !means_something(code) => classify::client_error(*cause, doing).source(reason.clone()),
            _ => classify::client_error(code, doing),
        }
    }

    /// Whether nothing listens at any of the brokers' addresses.
    pub(crate) fn is_refused(&self) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.all_down.load(Ordering::Relaxed) && last.as_ref().is_some_and(|(_, reason)| reason.contains("refused"))
    }

    /// Whether librdkafka has no broker and looks for none: nothing will ever come. Known only of clients with statistics.
    pub(crate) fn has_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// The error that no waiting will mend, if the connections had one: refused credentials, or a certificate that is not trusted.
    pub(crate) fn hopeless(&self, doing: &str) -> Option<Error> {
        let error = self.explain(doing, RDKafkaErrorCode::BrokerTransportFailure);
        (error.kind() == Kind::Configuration).then_some(error)
    }
}

/// Whether a code tells more than that nothing was heard.
fn means_something(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    !matches!(code, E::OperationTimedOut | E::RequestTimedOut | E::BrokerTransportFailure | E::AllBrokersDown | E::TimedOutQueue)
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Some causes are only ever logged: a listener with TLS that was spoken to in plain text hangs up, and that is all.
        if facility == "FAIL" {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.get_or_insert_with(|| {
                (RDKafkaErrorCode::BrokerTransportFailure, log_bridge::without_thread(message).to_owned())
            });
        }
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        // A reader looks for the coordinator of its group, though we are in none: what Kafka says of that is nothing to us.
        if code == RDKafkaErrorCode::GroupAuthorizationFailed {
            return;
        }
        if code == RDKafkaErrorCode::AllBrokersDown {
            self.all_down.store(true, Ordering::Relaxed);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down says less than why the last one is.
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let Some(statistics) = Statistics::read(statistics) else { return };
        if self.attempts.lock().unwrap_or_else(PoisonError::into_inner).have_ended(statistics) {
            self.given_up.store(true, Ordering::Relaxed);
        }
    }
}

impl ConsumerContext for Listener {}

impl ProducerContext for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, _opaque: ()) {}
}
