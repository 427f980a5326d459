//! A session for replication commands.

use waltap_error::Result;
use waltap_postgres::replication::{
    CreatedSlot, ReplicationConnection, SlotOptions, StartOptions, SystemIdentity, TimelineHistory,
};

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

    /// When the server was started, where the role may ask.
    pub(crate) async fn server_start(&mut self) -> Result<Option<String>> {
        match self {
            Replication::Postgres(connection) => connection.server_start().await,
            // There is no other.
            #[cfg(test)]
            Replication::Simulated(_) => Ok(None),
        }
    }

    /// Where the log of a timeline left the earlier ones.
    pub(crate) async fn timeline_history(&mut self, timeline: u32) -> Result<TimelineHistory> {
        match self {
            Replication::Postgres(connection) => connection.timeline_history(timeline).await,
            #[cfg(test)]
            Replication::Simulated(_) => Ok(TimelineHistory::default()),
        }
    }

    /// Has standbys keep a slot that is there.
    pub(crate) async fn keep_on_standbys(&mut self, name: &str) -> Result<()> {
        match self {
            Replication::Postgres(connection) => connection.keep_on_standbys(name).await,
            #[cfg(test)]
            Replication::Simulated(_) => std::unreachable!("no seed does so: {name}"),
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
