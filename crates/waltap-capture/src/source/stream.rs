//! The stream of a slot, and what the server is told of it.

use std::time::Duration;

use waltap_error::{Error, Result};
use waltap_ledger::Durable;
use waltap_pgoutput::Lsn;
use waltap_postgres::replication::{Filled, ReplicationStream, StatusHandle, Waiting};

/// The frames of a slot as they come from the server.
pub(crate) enum Wire {
    Postgres(Box<ReplicationStream>),
    #[cfg(test)]
    Simulated(Box<crate::model::postgres::Wire>),
}

impl Wire {
    /// Waits for bytes and takes all that is there. Cancel safe.
    pub(crate) async fn fill(&mut self) -> Result<Filled> {
        match self {
            Wire::Postgres(stream) => stream.fill().await,
            #[cfg(test)]
            Wire::Simulated(wire) => wire.fill().await,
        }
    }

    /// What has come since there was no whole frame.
    pub(crate) fn waiting(&self) -> Option<Waiting> {
        match self {
            Wire::Postgres(stream) => stream.waiting(),
            #[cfg(test)]
            Wire::Simulated(wire) => wire.waiting(),
        }
    }

    /// Has the next [`Wire::fill`] fail with what one has failed with already.
    pub(crate) fn put_off(&mut self, error: Error) {
        match self {
            Wire::Postgres(stream) => stream.put_off(error),
            #[cfg(test)]
            Wire::Simulated(wire) => wire.put_off(error),
        }
    }

    /// Whether much comes.
    pub(crate) fn flows(&self) -> bool {
        match self {
            Wire::Postgres(stream) => stream.flows(),
            #[cfg(test)]
            Wire::Simulated(wire) => wire.flows(),
        }
    }

    /// The next whole frame; `None` when more bytes are needed.
    pub(crate) fn next_frame(&mut self) -> Result<Option<&[u8]>> {
        match self {
            Wire::Postgres(stream) => stream.next_frame(),
            #[cfg(test)]
            Wire::Simulated(wire) => wire.next_frame(),
        }
    }

    /// Sends a last status with the last durable place, and ends the session.
    pub(crate) async fn stop(self, deadline: Duration) -> Result<()> {
        match self {
            Wire::Postgres(stream) => stream.stop(deadline).await,
            #[cfg(test)]
            Wire::Simulated(wire) => wire.stop(deadline).await,
        }
    }
}

/// Tells the server what it may forget, and how far we are. Cheap to clone; every method returns at once.
#[derive(Clone, Debug)]
pub(crate) enum Status {
    Postgres(StatusHandle),
    #[cfg(test)]
    Simulated(crate::model::postgres::Status),
}

impl Status {
    /// Notes that every event before this place is durable in the sink. The server hears of it soon.
    pub(crate) fn confirm(&self, durable: Durable) {
        match self {
            Status::Postgres(handle) => handle.confirm(durable),
            #[cfg(test)]
            Status::Simulated(status) => status.confirm(durable),
        }
    }

    /// Notes how far the log was received. It never moves the slot.
    pub(crate) fn received(&self, lsn: Lsn) {
        match self {
            Status::Postgres(handle) => handle.received(lsn),
            #[cfg(test)]
            Status::Simulated(status) => status.received(lsn),
        }
    }
}
