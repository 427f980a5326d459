//! The standby status: what tells the server how far it may forget, and that we are alive.

use std::time::Duration;

use waltap_ledger::Durable;
use waltap_pgoutput::Lsn;

/// Tells the status task what to report. Cheap to clone; every method returns at once.
#[derive(Clone, Debug)]
pub struct StatusHandle {
    interval: Duration,
}

impl StatusHandle {
    /// Notes that every event before this place is durable in the sink. Only a ledger can make one, and nothing else can move the slot.
    /// The server hears of it soon (at most every 100 ms).
    pub fn confirm(&self, _durable: Durable) {}

    /// Notes how far the log was received. It never moves the slot.
    pub fn received(&self, _lsn: Lsn) {}

    /// Sends a status at once. The stream does it by itself when a keepalive asks for it.
    pub fn reply_now(&self) {}

    /// How often a status is sent at least.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}
