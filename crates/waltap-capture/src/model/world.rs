//! The world that a seed makes: both systems, chance, and what was seen of either.
//!
//! One thread, one lock, one source of chance: the order in which tasks ask for it is part of what the seed decides.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use waltap_error::{Code, Error};

use super::kafka::Kafka;
use super::postgres::Postgres;
use super::profile::Profile;
use super::random::Random;
use super::trace::Trace;
use crate::requests::Requests;

/// Names one run of waltap: a crash ends it and all that it held.
pub(crate) type Process = u32;

/// A handle on the world. Cheap to clone.
#[derive(Clone)]
pub(crate) struct World(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Something happened in PostgreSQL that somebody may wait for.
    postgres: Notify,
    /// As `postgres`, in Kafka.
    kafka: Notify,
    began: Instant,
}

/// What the world is now.
pub(crate) struct State {
    pub(super) random: Random,
    pub(super) profile: Profile,
    pub(super) postgres: Postgres,
    pub(super) kafka: Kafka,
    pub(super) trace: Trace,
    /// The first thing that must not be.
    pub(super) finding: Option<String>,
    /// No more faults, and no more delays that are out of the ordinary.
    pub(super) calm: bool,
    pub(super) process: Process,
    /// What is asked of waltap, and chance for who asks: without them a seed is as it was before there were any.
    pub(super) requests: Requests,
    pub(super) people: Random,
    /// Who still writes, or breaks things.
    busy: usize,
    now: Duration,
}

impl World {
    pub(super) fn new(seed: u64, adjust: impl FnOnce(&mut Profile), trace: Trace) -> Self {
        let mut random = Random::new(seed);
        let mut profile = Profile::choose(&mut random);
        let mut people = Random::new(!seed);
        profile.pauses = if people.percent(40) { people.between(1, 12) } else { 0 };
        adjust(&mut profile);
        let state = State {
            postgres: Postgres::new(&mut random, &profile),
            kafka: Kafka::new(&mut random),
            random,
            profile,
            trace,
            finding: None,
            calm: false,
            process: 0,
            requests: Requests::default(),
            people,
            busy: 0,
            now: Duration::ZERO,
        };
        World(Arc::new(Shared { state: Mutex::new(state), postgres: Notify::new(), kafka: Notify::new(), began: Instant::now() }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = self.0.began.elapsed();
        state
    }

    /// Notes what happens, for the trace.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        self.lock().note(what);
    }

    /// Wakes who waits for PostgreSQL.
    pub(super) fn postgres_moved(&self) {
        self.0.postgres.notify_waiters();
    }

    /// Waits until PostgreSQL may have something new. Nothing is missed by who looks, and then waits without a pause in between.
    pub(super) async fn postgres_moves(&self) {
        self.0.postgres.notified().await;
    }

    /// Wakes who waits for Kafka.
    pub(super) fn kafka_moved(&self) {
        self.0.kafka.notify_waiters();
    }

    /// As [`World::postgres_moves`].
    pub(super) async fn kafka_moves(&self) {
        self.0.kafka.notified().await;
    }

    /// Takes as long as a question to a server takes.
    pub(super) async fn round_trip(&self) {
        let delay = {
            let state = &mut *self.lock();
            let longest = state.profile.round_trip_millis;
            match state.random.below(100) {
                0..=39 => 0,
                40..=98 => state.random.between(1, longest),
                // Once in a while everything stands still.
                _ if state.calm => longest,
                _ => state.random.between(longest, 40 * longest),
            }
        };
        self.pause(delay).await;
    }

    pub(super) async fn pause(&self, millis: u64) {
        match millis {
            // Others may go first all the same.
            0 => tokio::task::yield_now().await,
            millis => sleep(Duration::from_millis(millis)).await,
        }
    }

    /// Waits between so many milliseconds.
    pub(super) async fn pause_between(&self, least: u64, most: u64) {
        let millis = self.lock().random.between(least, most);
        self.pause(millis).await;
    }

    pub(super) fn chance(&self, percent: u64) -> bool {
        self.lock().random.percent(percent)
    }
}

impl State {
    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        self.trace.note(now, what);
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// Whether a fault happens now that happens so many times in a hundred, while there are any.
    pub(super) fn fault(&mut self, percent: u64) -> bool {
        !self.calm && self.random.percent(percent)
    }

    /// Whether nobody writes or breaks anything any more.
    pub(super) fn is_at_rest(&self) -> bool {
        self.busy == 0
    }

    /// Notes what must not be. The first one counts.
    pub(super) fn find(&mut self, what: String) {
        self.note(|| format!("FOUND: {what}"));
        self.finding.get_or_insert(what);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

/// The connection is gone.
pub(super) fn lost(doing: &str) -> Error {
    Error::transient(Code::CONNECTION_LOST, format!("{doing}: the simulated connection broke"))
}

impl World {
    /// Begins something that goes on beside waltap until it is over.
    pub(super) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.lock().busy += 1;
        let world = self.clone();
        tokio::spawn(async move {
            work.await;
            world.lock().busy -= 1;
        });
    }
}
