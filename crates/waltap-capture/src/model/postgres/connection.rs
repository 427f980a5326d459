//! A connection, from waltap's side.

use std::time::Duration;

use waltap_error::{Code, Error, Result};

use super::super::world::{State, World, lost};
use super::Session;

/// Dropped, it is closed: the server notices at once or later.
pub(super) struct Connection {
    pub(super) world: World,
    pub(super) id: u64,
}

impl Connection {
    pub(super) async fn open(world: &World) -> Result<Self> {
        world.round_trip().await;
        let mut state = world.lock();
        let refused = || Error::transient(Code::CONNECT, "connecting to the simulated server");
        if !state.postgres.up || state.postgres.leaving || state.fault(1) {
            return Err(refused());
        }
        let id = state.postgres.next_session;
        state.postgres.next_session += 1;
        let session = Session { connected: true, ends: None, reads: None, locks: Vec::new() };
        state.postgres.sessions.insert(id, session);
        Ok(Connection { world: world.clone(), id })
    }

    /// Asks the server something: `answer` is what it says, if the connection bears it.
    pub(super) async fn ask<T>(&self, doing: &str, answer: impl FnOnce(&mut State, u64) -> T) -> Result<T> {
        self.world.round_trip().await;
        let mut state = self.world.lock();
        let now = state.now();
        state.postgres.reap(now);
        if state.fault(1) {
            state.note(|| format!("connection {} breaks while {doing}", self.id));
            let lingers = state.linger();
            state.postgres.cut(self.id, now, lingers);
        }
        if !state.postgres.sessions.get(&self.id).is_some_and(|session| session.connected) {
            return Err(lost(doing));
        }
        Ok(answer(&mut state, self.id))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        let now = state.now();
        let lingers = state.linger();
        state.postgres.cut(self.id, now, lingers);
    }
}

impl State {
    /// How long the server takes to notice that a session is over.
    pub(super) fn linger(&mut self) -> Duration {
        let millis = match self.random.below(10) {
            0..=6 => 0,
            7..=8 => self.random.between(1, 200),
            _ => self.random.between(200, 4_000),
        };
        Duration::from_millis(millis)
    }
}
