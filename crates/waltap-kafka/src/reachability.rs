//! Whether the brokers can be reached, as a value that others watch.

use std::sync::Arc;
use std::time::Instant;

use waltap_error::Error;

/// What a producer knows of its brokers. A producer waits for ever and fails for none of it: this is for telling people.
#[derive(Clone, Debug, Default)]
pub struct BrokerState {
    /// Since when no broker can be reached.
    pub unreachable_since: Option<Instant>,
    /// Since when records wait and not one was confirmed, though a connection seems to be there: a broker that is paused, out of disk,
    /// or short of replicas. Set after some seconds.
    pub silent_since: Option<Instant>,
    /// What last went wrong with a connection; cleared when a record is confirmed. Its kind is [`waltap_error::Kind::Configuration`] when
    /// Kafka refuses the credentials.
    pub last_error: Option<Arc<Error>>,
}

impl BrokerState {
    /// Since when nothing reaches Kafka, for whichever reason.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.unreachable_since.or(self.silent_since)
    }
}
