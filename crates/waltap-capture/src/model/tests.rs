//! The seeds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::profile::Profile;
use super::trace::Trace;
use super::{run, run_in};
use crate::sabotage::{Sabotage, set_here};

/// How many seeds are run unless MODEL_SEEDS says otherwise.
const SEEDS: u64 = 10_000;

/// How long a seed may take, which takes milliseconds: longer, and the tap turns in a circle in which no time passes.
const SEED_MAX: Duration = Duration::from_secs(60);

/// How often that is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// Runs seeds on every core, and gives the first that finds something.
fn first_finding(seeds: std::ops::Range<u64>) -> Option<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let found: Mutex<Option<(u64, String)>> = Mutex::default();
    let running: Mutex<HashMap<ThreadId, (u64, Instant)>> = Mutex::default();
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end || lock(&found).is_some() {
            return;
        }
        let id = std::thread::current().id();
        lock(&running).insert(id, (seed, Instant::now()));
        let finding = run(seed, Trace::default()).finding;
        lock(&running).remove(&id);
        if let Some(finding) = finding {
            lock(&found).get_or_insert((seed, finding));
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(WATCH_INTERVAL);
            let stuck = lock(&running).values().find(|(_, began)| began.elapsed() > SEED_MAX).map(|(seed, _)| *seed);
            if let Some(seed) = stuck {
                // A thread that turns in circles cannot be stopped.
                eprintln!("seed {seed} does not end: MODEL_SEED={seed} cargo test -p waltap-capture model");
                std::process::exit(101);
            }
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = variable("MODEL_SEED") {
        let outcome = run(seed, Trace::kept());
        println!("{}", outcome.lines);
        println!("seed {seed}: {} records", outcome.records);
        if let Some(finding) = outcome.finding {
            panic!("seed {seed}: {finding}");
        }
        return;
    }
    let seeds = variable("MODEL_SEEDS").unwrap_or(SEEDS);
    if let Some((seed, finding)) = first_finding(0..seeds) {
        println!("{}", run(seed, Trace::kept()).lines);
        panic!("seed {seed}: {finding}\n(MODEL_SEED={seed} cargo test -p waltap-capture model replays it)");
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in 0..20 {
        let (one, other) = (run(seed, Trace::kept()), run(seed, Trace::kept()));
        assert_eq!(one.lines, other.lines, "seed {seed}");
        assert_eq!((one.digest, one.records), (other.digest, other.records), "seed {seed}");
    }
}

/// How many seeds a switch has to be found by.
const SEEDS_BROKEN: u64 = 1_000;

/// Breaks the tap on purpose, and says what the seeds find first.
#[track_caller]
fn must_find(sabotage: Sabotage, finding: &str) {
    must_find_in(|_| {}, sabotage, finding);
}

/// As [`must_find`], in worlds of some kind.
#[track_caller]
fn must_find_in(adjust: impl Fn(&mut Profile), sabotage: Sabotage, finding: &str) {
    set_here(Some(sabotage));
    let found = (0..SEEDS_BROKEN).find_map(|seed| {
        let finding_of_seed = run_in(seed, &adjust, Trace::default()).finding;
        finding_of_seed.filter(|found| found.contains(finding))
    });
    set_here(None);
    assert!(found.is_some(), "{SEEDS_BROKEN} seeds do not find {sabotage:?}");
}

#[test]
fn an_acknowledgement_on_produce_is_found() {
    must_find(Sabotage::ConfirmOnProduce, "PostgreSQL may forget up to");
}

#[test]
fn an_acknowledged_keepalive_with_events_in_flight_is_found() {
    must_find(Sabotage::KeepaliveInFlight, "PostgreSQL may forget up to");
}

#[test]
fn events_that_are_dropped_at_a_stop_are_found() {
    must_find(Sabotage::DropAtStop, "Kafka lacks");
}

#[test]
fn a_filtered_transaction_that_is_forgotten_is_found() {
    must_find(Sabotage::ForgetFiltered, "the slot stands at");
}

#[test]
fn a_transaction_that_goes_on_one_change_too_late_is_found() {
    must_find(Sabotage::SplitOffByOne, "Kafka lacks");
}

#[test]
fn progress_outside_of_its_kafka_transaction_is_found() {
    must_find(Sabotage::ProgressOutside, "Kafka lacks");
}

#[test]
fn a_status_before_progress_is_found() {
    must_find(Sabotage::StatusBeforeProgress, "and progress has");
}

#[test]
fn a_table_that_is_done_before_its_rows_are_confirmed_is_found() {
    must_find(Sabotage::DoneBeforeConfirmed, "in the source");
}

#[test]
fn a_savepoint_that_is_rolled_back_and_sent_is_found() {
    must_find(Sabotage::KeepAborted, "an event that is not in the log");
}

#[test]
fn changes_that_the_snapshot_holds_are_found() {
    must_find(Sabotage::RepeatSnapshot, "held comes after it");
}

#[test]
fn a_stream_that_passes_a_snapshot_that_is_being_made_is_found() {
    // A table that is altered while it is read, by runs that are cut short.
    let restless = |profile: &mut Profile| {
        (profile.tables, profile.workers, profile.rows_max) = (1, 1, 12);
        (profile.alters_percent, profile.rewrites_percent) = (40, 95);
        (profile.writer_steps, profile.writer_pause_millis, profile.round_trip_millis) = (400, 10, 30);
        (profile.ends, profile.lifetime_millis, profile.faults) = (2, 400, 0);
    };
    must_find_in(restless, Sabotage::PassSnapshot, "a row of a snapshot comes after the change");
}

#[test]
fn the_seeds_see_what_there_is_to_see() {
    let sights = [
        "is killed",
        "is asked to stop",
        "PostgreSQL crashes",
        "PostgreSQL shuts down",
        "Kafka is gone",
        "is lost",
        "is cut",
        "is truncated",
        "is rewritten",
        "a table joins",
        "rows of t",
        "goes back to a savepoint",
        "what comes before its commit",
        "rolls back",
        "fenced: [1",
        "commits 1 records",
        "never arrives",
    ];
    let seen: Vec<String> = (0..300).map(|seed| run(seed, Trace::kept()).lines).collect();
    for sight in sights {
        let seeds = seen.iter().filter(|lines| lines.contains(sight)).count();
        assert!(seeds >= 5, "{sight}: seen by {seeds} seeds of {}", seen.len());
    }
}
