//! A PostgreSQL server with one database, as far as a tap can tell.

mod connection;
mod copy;
mod gathering;
mod key_reader;
mod replication;
mod server;
mod slot;
mod sql;
mod stream;
pub(in crate::model) mod wal;
mod walsender;

use std::collections::BTreeMap;
use std::time::Duration;

use waltap_pgoutput::Lsn;

pub(crate) use copy::{SnapshotRows, SnapshotSession};
pub(crate) use key_reader::KeyReader;
pub(crate) use replication::Replication;
pub(crate) use server::Server;
pub(crate) use sql::Sql;
pub(crate) use stream::{Status, Wire};

use super::profile::Profile;
use super::random::Random;
use slot::Slot;
use wal::Wal;

/// The server's number.
pub(super) const SYSTEM_ID: &str = "7000000000000000001";

pub(super) struct Postgres {
    pub(super) wal: Wal,
    pub(super) slots: BTreeMap<String, Slot>,
    pub(super) sessions: BTreeMap<u64, Session>,
    /// Advisory locks, by the slots that they stand for.
    claims: BTreeMap<String, u64>,
    /// Exported snapshots: who holds them, and where they stand.
    snapshots: BTreeMap<String, (u64, Lsn)>,
    next_session: u64,
    next_snapshot: u64,
    /// Whether it takes connections.
    pub(super) up: bool,
    /// It is shutting down in good order: streams end by themselves.
    pub(super) leaving: bool,
    tells_empty_transactions: bool,
    streams_after: Option<usize>,
    /// Transactions that are logged and not visible yet, and until when.
    late: Vec<(u32, Duration)>,
    /// Where the slot was made: messages from before are nobody's.
    pub(super) begins: Option<Lsn>,
}

/// A session, as the server knows it: it may take a while to notice that the other side is gone.
#[derive(Debug)]
pub(super) struct Session {
    /// Whether bytes still pass.
    pub(super) connected: bool,
    /// When the server notices.
    ends: Option<Duration>,
    /// The snapshot that it reads under.
    reads: Option<Lsn>,
    /// Tables that it keeps others from altering.
    locks: Vec<u32>,
}

impl Postgres {
    pub(super) fn new(random: &mut Random, profile: &Profile) -> Self {
        Postgres {
            wal: Wal::new(random, profile),
            slots: BTreeMap::new(),
            sessions: BTreeMap::new(),
            claims: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            next_session: 1,
            next_snapshot: 1,
            up: true,
            leaving: false,
            tells_empty_transactions: profile.tells_empty_transactions,
            streams_after: profile.streams_after,
            late: Vec::new(),
            begins: None,
        }
    }

    /// Lets go of what belongs to sessions that have ended by now.
    pub(super) fn reap(&mut self, now: Duration) {
        let over: Vec<u64> =
            self.sessions.iter().filter(|(_, session)| session.ends.is_some_and(|ends| ends <= now)).map(|(id, _)| *id).collect();
        for id in over {
            self.end_session(id);
        }
    }

    fn end_session(&mut self, id: u64) {
        self.sessions.remove(&id);
        self.claims.retain(|_, holder| *holder != id);
        self.snapshots.retain(|_, (holder, _)| *holder != id);
        self.slots.retain(|_, slot| !((slot.temporary || slot.confirmed.is_none()) && slot.reader == Some(id)));
        for slot in self.slots.values_mut().filter(|slot| slot.reader == Some(id)) {
            slot.reader = None;
        }
    }

    /// Cuts a connection: neither side hears of the other any more.
    pub(super) fn cut(&mut self, id: u64, now: Duration, lingers: Duration) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.connected = false;
            session.ends.get_or_insert(now + lingers);
        }
    }

    /// Ends every session at once, and forgets what was not written to disk.
    pub(super) fn crash(&mut self) {
        let sessions: Vec<u64> = self.sessions.keys().copied().collect();
        sessions.into_iter().for_each(|id| self.end_session(id));
        self.slots.values_mut().for_each(Slot::forget_unwritten);
        self.slots.retain(|_, slot| slot.confirmed.is_some());
        self.wal.abort_all();
        // What is in the log is there after recovery.
        self.late.clear();
        self.up = false;
    }

    pub(super) fn is_locked(&self, table: u32) -> bool {
        self.sessions.values().any(|session| session.locks.contains(&table))
    }
}
