//! The simulated side of [`crate::source::Replication`].

use tokio::sync::oneshot;
use waltap_error::{Code, Error, Result};
use waltap_postgres::replication::{CreatedSlot, SlotOptions, StartOptions, SystemIdentity};

use super::super::DATABASE;
use super::super::world::{State, World, lost};
use super::connection::Connection;
use super::slot::Slot;
use super::{SYSTEM_ID, Status, Wire};

pub(crate) struct Replication {
    connection: Connection,
}

impl Replication {
    pub(super) fn new(connection: Connection) -> Self {
        Replication { connection }
    }

    pub(crate) async fn identify(&mut self) -> Result<SystemIdentity> {
        let identify = |state: &mut State, _| SystemIdentity {
            system_id: SYSTEM_ID.to_owned(),
            timeline: 1,
            wal_flush: state.postgres.wal.end(),
            database: Some(DATABASE.to_owned()),
        };
        self.connection.ask("identifying the system", identify).await
    }

    /// Waits for the transactions that are open. The server goes on with it even when nobody waits for the answer any more.
    pub(crate) async fn create_slot(&mut self, name: &str, options: SlotOptions) -> Result<CreatedSlot> {
        let begin = |state: &mut State, id: u64| {
            state.postgres.snapshots.retain(|_, (holder, _)| *holder != id);
            let is_new = !state.postgres.slots.contains_key(name);
            if is_new {
                state.postgres.slots.insert(name.to_owned(), Slot::in_the_making(options.temporary, id));
            }
            state.note(|| format!("connection {id} makes a slot"));
            is_new
        };
        if !self.connection.ask("making a slot", begin).await? {
            return Err(Error::configuration(Code::SLOT_UNKNOWN, "the simulated slot is there already"));
        }
        let (answer, answered) = oneshot::channel();
        let making = make(self.connection.world.clone(), self.connection.id, name.to_owned(), options, answer);
        tokio::spawn(making);
        let created = answered.await.map_err(|_| lost("making a slot"))?;
        self.connection.ask("hearing of the slot", |_, _| ()).await?;
        Ok(created)
    }

    pub(crate) async fn start(self, options: StartOptions) -> Result<(Wire, Status)> {
        let begin = |state: &mut State, id: u64| {
            state.postgres.snapshots.retain(|_, (holder, _)| *holder != id);
            let slot = state.postgres.slots.get_mut(&options.slot)?;
            if slot.reader.is_some_and(|reader| reader != id) {
                return Some(Err(Error::transient(Code::SLOT_IN_USE, "the simulated slot is being read")));
            }
            slot.reader = Some(id);
            let from = slot.confirmed.unwrap_or_default().max(options.from);
            state.note(|| format!("connection {id} streams from {from}"));
            Some(Ok(from))
        };
        let started = self.connection.ask("starting to stream", begin).await?;
        let gone = || Err(Error::configuration(Code::SLOT_DROPPED, "the simulated slot is gone"));
        let from = started.unwrap_or_else(gone)?;
        let status = Status::new(self.connection.world.clone(), self.connection.id, options.slot.clone());
        Ok((Wire::new(self.connection, from, &options, status.clone()), status))
    }
}

/// What the server does to make a slot.
async fn make(world: World, session: u64, name: String, options: SlotOptions, answer: oneshot::Sender<CreatedSlot>) {
    // Twice: those that were open, and those that began before the first were over.
    for _ in 0..2 {
        let waited = world.lock().postgres.wal.open_transactions();
        loop {
            {
                let state = world.lock();
                // The session was ended, by a crash of the server for one.
                if state.postgres.slots.get(&name).is_none_or(|slot| slot.reader != Some(session)) {
                    return;
                }
                if !state.postgres.wal.open_transactions().iter().any(|open| waited.contains(open)) {
                    break;
                }
            }
            world.postgres_moves().await;
        }
        world.round_trip().await;
    }
    let mut guard = world.lock();
    let state = &mut *guard;
    let now = state.now();
    state.postgres.reap(now);
    let point = state.postgres.wal.end();
    let Some(slot) = state.postgres.slots.get_mut(&name).filter(|slot| slot.reader == Some(session)) else { return };
    slot.made(point);
    if !options.temporary {
        slot.reader = None;
        state.postgres.begins = Some(point);
    }
    let snapshot_name = options.export_snapshot.then(|| format!("snapshot-{}", state.postgres.next_snapshot));
    state.postgres.next_snapshot += 1;
    if let Some(snapshot) = &snapshot_name {
        state.postgres.snapshots.insert(snapshot.clone(), (session, point));
    }
    state.note(|| format!("connection {session} has made a slot, at {point}"));
    // Whoever asked may be gone.
    let _ = answer.send(CreatedSlot { name, consistent_point: point, snapshot_name });
}
