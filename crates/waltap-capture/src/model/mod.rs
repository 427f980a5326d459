//! The model test: the tap's own code, run against a PostgreSQL and a Kafka that are simulated, under every order of events that a seed
//! makes.
//!
//! One seed is one world: applications that write, servers that are slow, break off and come back, records that arrive late or not at all,
//! and a waltap that is killed and started again. Time is the runtime's, paused, so that an hour takes a moment; everything runs on one
//! thread and draws chance from one generator, so that a seed gives the same run each time. What must hold is in [`checker`].
//!
//! `MODEL_SEED=n cargo test -p waltap-capture model` runs one seed and shows its last steps; `MODEL_SEEDS=n` says how many are run.

mod checker;
mod faults;
pub(crate) mod kafka;
mod life;
mod people;
pub(crate) mod postgres;
mod profile;
mod random;
mod trace;
mod world;
mod writers;

mod tests;

/// The one database, its one schema, and the capture's name.
const DATABASE: &str = "shop";
const SCHEMA: &str = "public";
const CAPTURE: &str = "waltap";

use profile::Profile;
use trace::Trace;
use world::World;

/// What came of a seed.
struct Outcome {
    finding: Option<String>,
    digest: u64,
    lines: String,
    records: usize,
}

/// Runs a seed. The trace is kept where it will be read.
fn run(seed: u64, trace: Trace) -> Outcome {
    run_in(seed, |_| {}, trace)
}

/// Runs a seed in a world that is more of some kind.
fn run_in(seed: u64, adjust: impl FnOnce(&mut Profile), trace: Trace) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let world = runtime.block_on(async {
        let world = World::new(seed, adjust, trace);
        world.begin(writers::write(world.clone()));
        world.begin(faults::strike(world.clone()));
        world.begin(people::ask(world.clone()));
        life::live(&world).await;
        world
    });
    // Whatever still runs goes first, so that nobody holds the world.
    drop(runtime);
    let state = &mut *world.lock();
    if state.finding.is_none() {
        checker::check(state);
    }
    Outcome {
        finding: state.finding.take(),
        digest: state.trace.digest(),
        lines: state.trace.lines(),
        records: state.kafka.log.records.len(),
    }
}
