//! Slots, as the replication protocol makes and drops them.

use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;

use super::{ReplicationConnection, command};
use crate::server_error::Doing;

/// How a slot is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotOptions {
    /// Whether the slot goes with the session.
    pub temporary: bool,
    /// Whether a snapshot is exported. It is held until the next command on this session, or its end.
    pub export_snapshot: bool,
    /// Whether transactions are sent when they are prepared: PostgreSQL 15 and later; left out before.
    pub two_phase: bool,
    /// Whether standbys keep the slot too, so that it is there after a failover: PostgreSQL 17 and later; left out before.
    pub failover: bool,
}

/// A slot that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedSlot {
    /// The slot's name.
    pub name: String,
    /// Transactions that commit from here on are streamed; the exported snapshot holds those before.
    pub consistent_point: Lsn,
    /// For `SET TRANSACTION SNAPSHOT`, when one was exported.
    pub snapshot_name: Option<String>,
}

impl ReplicationConnection {
    /// Makes a logical slot for pgoutput.
    ///
    /// The server waits for every transaction that is open anywhere before it answers, so there is no time limit here.
    pub async fn create_slot(&mut self, name: &str, options: SlotOptions) -> Result<CreatedSlot> {
        let what = format!("creating the slot {name}");
        let command = command::create_slot(name, options, self.version());
        let rows = self.session.command(Doing::CreatingSlot, name, &what, &command).await?;
        let odd = || Error::configuration(Code::SERVER_REFUSED, format!("{what}: the server's answer is not understood"));
        let Some([Some(name), Some(point), snapshot, ..]) = rows.first().map(Vec::as_slice) else { return Err(odd()) };
        Ok(CreatedSlot {
            name: name.clone(),
            consistent_point: point.parse().map_err(|error| odd().source(error))?,
            snapshot_name: snapshot.clone(),
        })
    }

    /// Has standbys keep a slot that is there, so that it survives a failover: PostgreSQL 17 and later.
    pub async fn keep_on_standbys(&mut self, name: &str) -> Result<()> {
        let what = format!("altering the slot {name} so that standbys keep it");
        self.session.command(Doing::Statement, name, &what, &command::keep_on_standbys(name)).await?;
        Ok(())
    }

    /// Drops a slot. One that another session reads is not waited for.
    pub async fn drop_slot(&mut self, name: &str) -> Result<()> {
        let what = format!("dropping the slot {name}");
        self.session.command(Doing::DroppingSlot, name, &what, &command::drop_slot(name)).await?;
        Ok(())
    }
}
