//! The simulated sides of [`crate::source::Wire`] and [`crate::source::Status`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use waltap_error::{Code, Error, Result};
use waltap_ledger::Durable;
use waltap_pgoutput::Lsn;
use waltap_postgres::replication::{Filled, StartOptions, Waiting};

use super::super::checker;
use super::super::world::{World, lost};
use super::connection::Connection;
use super::walsender::Walsender;

/// The longest pause between two keepalives of a server that has nothing to say.
const KEEPALIVE_MILLIS_MAX: u64 = 3_000;

pub(crate) struct Wire {
    connection: Connection,
    slot: String,
    walsender: Walsender,
    status: Status,
    /// What has arrived.
    frames: VecDeque<Vec<u8>>,
    /// The frame that was handed out last.
    current: Vec<u8>,
    /// When what is on its way arrives. Kept here, so that whoever stops waiting loses nothing.
    arrives: Option<Instant>,
    keepalive: Option<Instant>,
    /// What has arrived since there was nothing left to take.
    waiting: Option<Waiting>,
    /// What the next waiting fails with.
    failed: Option<Error>,
}

impl Wire {
    pub(super) fn new(connection: Connection, from: Lsn, options: &StartOptions, status: Status) -> Self {
        let walsender = {
            let postgres = &connection.world.lock().postgres;
            let streams_after = postgres.streams_after.filter(|_| options.streaming);
            Walsender::new(from, options.messages, postgres.tells_empty_transactions, streams_after)
        };
        let slot = options.slot.clone();
        let (frames, current) = (VecDeque::new(), Vec::new());
        Wire { connection, slot, walsender, status, frames, current, arrives: None, keepalive: None, waiting: None, failed: None }
    }

    pub(crate) async fn fill(&mut self) -> Result<Filled> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let world = self.connection.world.clone();
        loop {
            let Some(until) = self.next_arrival()? else { return Ok(Filled::Ended) };
            tokio::select! {
                biased;
                () = sleep_until(until) => {
                    if self.arrive() {
                        return Ok(Filled::Data);
                    }
                }
                () = world.postgres_moves() => {}
            }
        }
    }

    pub(crate) fn waiting(&self) -> Option<Waiting> {
        self.waiting
    }

    /// Whenever more than one frame waits, so that frames are held back often.
    pub(crate) fn flows(&self) -> bool {
        self.frames.len() > 1
    }

    pub(crate) fn put_off(&mut self, error: Error) {
        self.failed = Some(error);
    }

    /// When something arrives next; `None` when the server has ended the stream.
    fn next_arrival(&mut self) -> Result<Option<Instant>> {
        let mut guard = self.connection.world.lock();
        let state = &mut *guard;
        if !state.postgres.sessions.get(&self.connection.id).is_some_and(|session| session.connected) {
            return Err(lost("streaming"));
        }
        let has_more = self.walsender.has_more(&state.postgres.wal);
        if state.postgres.leaving && !has_more {
            return Ok(None);
        }
        let after = |millis| Instant::now() + Duration::from_millis(millis);
        let longest = state.profile.round_trip_millis;
        let random = &mut state.random;
        let keepalive = *self.keepalive.get_or_insert_with(|| after(random.between(1, KEEPALIVE_MILLIS_MAX)));
        if !has_more {
            return Ok(Some(keepalive));
        }
        let arrives = *self.arrives.get_or_insert_with(|| after(random.below(longest + 1)));
        Ok(Some(arrives.min(keepalive)))
    }

    /// Takes what has arrived by now; whether that is anything.
    fn arrive(&mut self) -> bool {
        let now = Instant::now();
        let mut guard = self.connection.world.lock();
        let state = &mut *guard;
        let wal = &state.postgres.wal;
        let before = self.frames.len();
        if self.arrives.is_some_and(|arrives| arrives <= now) {
            self.arrives = None;
            let most = if state.random.percent(30) { 3 } else { 40 };
            for _ in 0..state.random.between(1, most) {
                if state.random.percent(3) && !self.walsender.is_within() {
                    self.walsender.forget_announced();
                }
                // Keepalives come in the middle of a transaction too.
                if state.random.percent(4) {
                    self.frames.push_back(self.walsender.keepalive(wal, state.random.percent(20)));
                }
                match self.walsender.frame(wal) {
                    Some(frame) => self.frames.push_back(frame),
                    None => break,
                }
            }
        }
        if self.keepalive.is_some_and(|keepalive| keepalive <= now) {
            self.keepalive = None;
            self.frames.push_back(self.walsender.keepalive(wal, state.random.percent(30)));
        }
        let (count, sent, blocks) = (self.frames.len() - before, self.walsender.sent(), self.walsender.take_blocks());
        if blocks > 0 {
            state.note(|| format!("{blocks} blocks: what comes before its commit"));
        }
        if count > 0 {
            let bytes = self.frames.iter().map(Vec::len).sum();
            self.waiting = Some(Waiting { bytes, since: self.waiting.map_or_else(|| now.into_std(), |waiting| waiting.since) });
        }
        state.note(|| format!("{count} frames arrive, the server has sent up to {sent}"));
        count > 0
    }

    pub(crate) fn next_frame(&mut self) -> Result<Option<&[u8]>> {
        let Some(frame) = self.frames.pop_front() else {
            self.waiting = None;
            return Ok(None);
        };
        self.current = frame;
        if matches!(self.current.as_slice(), [b'k', .., 1]) {
            self.status.report();
        }
        Ok(Some(&self.current))
    }

    /// The last status, and then goodbye.
    pub(crate) async fn stop(self, deadline: Duration) -> Result<()> {
        let stopping = async {
            let durable = self.status.durable();
            let told = self.connection.ask("ending the stream", |_, _| ()).await;
            told.map(|()| hear(&self.connection.world, self.connection.id, &self.slot, durable))
        };
        let late = |_| Error::transient(Code::CONNECTION_LOST, "ending the simulated stream took too long");
        timeout(deadline, stopping).await.map_err(late)?
    }
}

/// What is to be told to the server. Reports go out by themselves, a moment later.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    world: World,
    session: u64,
    slot: String,
    outbox: Arc<Mutex<Outbox>>,
}

#[derive(Debug, Default)]
struct Outbox {
    durable: Lsn,
    is_due: bool,
}

impl Status {
    pub(super) fn new(world: World, session: u64, slot: String) -> Self {
        Status { world, session, slot, outbox: Arc::default() }
    }

    pub(crate) fn confirm(&self, durable: Durable) {
        {
            let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
            outbox.durable = outbox.durable.max(durable.lsn());
        }
        self.world.note(|| format!("waltap confirms up to {}", durable.lsn()));
        self.report();
    }

    pub(crate) fn received(&self, _lsn: Lsn) {}

    fn durable(&self) -> Lsn {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).durable
    }

    fn report(&self) {
        if std::mem::replace(&mut self.outbox.lock().unwrap_or_else(PoisonError::into_inner).is_due, true) {
            return;
        }
        let status = self.clone();
        tokio::spawn(async move {
            status.world.pause_between(0, 100).await;
            let durable = {
                let mut outbox = status.outbox.lock().unwrap_or_else(PoisonError::into_inner);
                outbox.is_due = false;
                outbox.durable
            };
            status.world.round_trip().await;
            hear(&status.world, status.session, &status.slot, durable);
        });
    }
}

/// The server hears a status, if it still can.
fn hear(world: &World, session: u64, slot: &str, flush: Lsn) {
    let mut guard = world.lock();
    let state = &mut *guard;
    let now = state.now();
    state.postgres.reap(now);
    let is_written = state.random.percent(30);
    let Some(known) = state.postgres.slots.get_mut(slot).filter(|known| known.reader == Some(session)) else { return };
    if flush == Lsn::ZERO {
        return;
    }
    known.confirm(flush, is_written);
    state.note(|| format!("PostgreSQL hears: flushed up to {flush}"));
    checker::status_heard(state, flush);
}
