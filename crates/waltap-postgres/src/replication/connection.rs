//! A session that takes replication commands.

use std::time::Duration;

use waltap_error::Result;
use waltap_pgoutput::Lsn;

use super::{ReplicationStream, StatusHandle};
use crate::connect::ServerVersion;
use crate::source::unbuilt;

/// Which server this is, as `IDENTIFY_SYSTEM` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The cluster's own number, made by `initdb`. The same for a primary and its standbys.
    pub system_id: String,
    /// The timeline: counts promotions.
    pub timeline: u32,
    /// Where the log ends, flushed.
    pub wal_flush: Lsn,
    /// The database of this session.
    pub database: Option<String>,
}

/// How a slot is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotOptions {
    /// Whether the slot goes with the session.
    pub temporary: bool,
    /// Whether a snapshot is exported. It is held until the next command on this session, or its end.
    pub export_snapshot: bool,
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

/// What to stream.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// The slot to read.
    pub slot: String,
    /// The publications to read; at least one.
    pub publications: Vec<String>,
    /// Where to start. The server starts at the slot's confirmed position when that is later.
    pub from: Lsn,
    /// Whether `pg_logical_emit_message` is sent too: PostgreSQL 14 and later; left out before.
    pub messages: bool,
    /// How often a standby status is sent at least. `None`: a third of the server's `wal_sender_timeout`, at most 10 s. Never longer than
    /// that, whatever is given.
    pub status_interval: Option<Duration>,
}

/// A session that takes replication commands.
pub struct ReplicationConnection {
    version: ServerVersion,
}

impl ReplicationConnection {
    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// Which server this is.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity> {
        Err(unbuilt())
    }

    /// Makes a logical slot for pgoutput.
    ///
    /// The server waits for every transaction that is open anywhere before it answers, so there is no time limit here.
    pub async fn create_slot(&mut self, _name: &str, _options: SlotOptions) -> Result<CreatedSlot> {
        Err(unbuilt())
    }

    /// Drops a slot. One that another session reads is not waited for.
    pub async fn drop_slot(&mut self, _name: &str) -> Result<()> {
        Err(unbuilt())
    }

    /// The value of a setting, as `SHOW` writes it.
    pub async fn show(&mut self, _setting: &str) -> Result<String> {
        Err(unbuilt())
    }

    /// Starts to stream. The session becomes the two halves of the stream; the status half runs in a task of its own from now on.
    pub async fn start(self, _options: StartOptions) -> Result<(ReplicationStream, StatusHandle)> {
        Err(unbuilt())
    }
}
