//! A session for replication commands.

use waltap_error::Result;
use waltap_postgres::replication::{CreatedSlot, ReplicationConnection, SlotOptions, StartOptions, SystemIdentity};

use super::{Status, Wire};

/// A session that takes replication commands. A temporary slot, and an exported snapshot, go with it.
pub(crate) enum Replication {
    Postgres(ReplicationConnection),
    #[cfg(test)]
    Simulated(crate::model::postgres::Replication),
}

impl Replication {
    /// Which server this is, and on which timeline.
    pub(crate) async fn identify(&mut self) -> Result<SystemIdentity> {
        match self {
            Replication::Postgres(connection) => connection.identify_system().await,
            #[cfg(test)]
            Replication::Simulated(connection) => connection.identify().await,
        }
    }

    /// Makes a slot. The server waits for every transaction that is open anywhere before it answers.
    pub(crate) async fn create_slot(&mut self, name: &str, options: SlotOptions) -> Result<CreatedSlot> {
        match self {
            Replication::Postgres(connection) => connection.create_slot(name, options).await,
            #[cfg(test)]
            Replication::Simulated(connection) => connection.create_slot(name, options).await,
        }
    }

    /// Starts to stream.
    pub(crate) async fn start(self, options: StartOptions) -> Result<(Wire, Status)> {
        match self {
            Replication::Postgres(connection) => {
                let (stream, status) = connection.start(options).await?;
                Ok((Wire::Postgres(Box::new(stream)), Status::Postgres(status)))
            }
            #[cfg(test)]
            Replication::Simulated(connection) => {
                let (wire, status) = connection.start(options).await?;
                Ok((Wire::Simulated(Box::new(wire)), Status::Simulated(status)))
            }
        }
    }
}
