//! The seeds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::profile::{Deliveries, Profile};
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

fn seeds() -> u64 {
    variable("MODEL_SEEDS").unwrap_or(SEEDS)
}

/// Shows what led to a finding of a seed, and fails with it.
fn tell(seed: u64, adjust: impl FnOnce(&mut Profile), finding: &str) -> ! {
    println!("{}", run_in(seed, adjust, Trace::kept()).lines);
    panic!("seed {seed}: {finding}");
}

/// Runs seeds one after the other, in worlds of some kind, until one finds something.
fn must_keep(seeds: u64, adjust: impl Fn(u64, &mut Profile)) {
    for seed in 0..seeds {
        let adjust = |profile: &mut Profile| adjust(seed, profile);
        if let Some(finding) = run_in(seed, adjust, Trace::default()).finding {
            tell(seed, adjust, &finding);
        }
    }
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
    if let Some((seed, finding)) = first_finding(0..seeds()) {
        tell(seed, |_| {}, &format!("{finding}\n(MODEL_SEED={seed} cargo test -p waltap-capture model replays it)"));
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
fn a_slot_that_passes_a_paused_table_is_found() {
    must_find_in(|profile| profile.pauses = profile.pauses.max(4), Sabotage::PassPaused, "PostgreSQL may forget up to");
}

/// Worlds in which tables are paused and go on all the time, also while they catch up.
fn with_pauses(profile: &mut Profile) {
    (profile.pauses, profile.tables, profile.lifetime_millis) = (12, 3, 5_000);
    (profile.writer_steps, profile.ends) = (profile.writer_steps.max(60), profile.ends.max(2));
}

#[test]
fn tables_that_are_paused_keep_every_promise() {
    must_keep(seeds() / 10, |_, profile| with_pauses(profile));
}

#[test]
fn tables_in_chunks_that_were_paused_keep_every_promise() {
    must_keep(seeds() / 20, |_, profile| {
        with_pauses(profile);
        (profile.rows_max, profile.chunk_rows, profile.repairs_percent) = (12, 1, 100);
        (profile.writer_steps, profile.writer_pause_millis, profile.round_trip_millis) = (200, 10, 2);
        (profile.ends, profile.lifetime_millis, profile.delivery_millis) = (5, 2_000, 100);
        (profile.alters_percent, profile.faults) = (2, 2);
    });
}

#[test]
fn a_table_that_goes_on_without_what_was_withheld_is_found() {
    must_find_in(with_pauses, Sabotage::ForgetWithheld, "Kafka lacks");
}

#[test]
fn a_table_that_forgets_how_far_it_has_caught_up_is_found() {
    let exactly_once = |profile: &mut Profile| {
        with_pauses(profile);
        profile.deliveries = Deliveries::ExactlyOnce;
    };
    must_find_in(exactly_once, Sabotage::ForgetCaughtUp, "is there twice");
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
        (profile.writer_steps, profile.writer_pause_millis, profile.round_trip_millis) = (400, 10, 10);
        (profile.ends, profile.lifetime_millis, profile.faults, profile.pauses) = (2, 1_200, 0, 0);
    };
    must_find_in(restless, Sabotage::PassSnapshot, "a row of a snapshot comes after the change");
}

/// Worlds in which tables are read in chunks again and again.
fn in_chunks(profile: &mut Profile) {
    (profile.tables, profile.rows_max, profile.chunks) = (2, 12, true);
    (profile.writer_steps, profile.writer_pause_millis, profile.round_trip_millis) = (300, 15, 20);
    (profile.ends, profile.lifetime_millis, profile.repairs_percent) = (4, 2_000, 90);
    (profile.chunk_rows, profile.alters_percent, profile.faults) = (4, 2, 0);
    (profile.late_percent, profile.late_millis, profile.unchanged_percent) = (0, 1, 30);
}

#[test]
fn tables_in_chunks_keep_every_promise() {
    must_keep(seeds() / 20, |seed, profile| {
        in_chunks(profile);
        if seed % 2 == 0 {
            (profile.late_percent, profile.late_millis, profile.faults) = (50, 2_000, 3);
        }
        if seed % 3 == 0 {
            // Then no row comes twice.
            (profile.deliveries, profile.repairs_percent, profile.unchanged_percent) = (Deliveries::ExactlyOnce, 0, 0);
        }
    });
    must_keep(seeds() / 80, |_, profile| with_values_left_out(profile));
}

#[test]
fn a_chunk_that_does_not_give_way_is_found() {
    must_find_in(in_chunks, Sabotage::IgnoreWindow, "a row");
}

#[test]
fn a_chunk_that_does_not_show_what_was_sent_is_found() {
    let late = |profile: &mut Profile| {
        in_chunks(profile);
        (profile.late_percent, profile.late_millis) = (60, 3_000);
    };
    must_find_in(late, Sabotage::TrustSnapshot, "a row");
}

#[test]
fn a_chunk_that_is_recorded_before_it_is_confirmed_is_found() {
    let slow = |profile: &mut Profile| {
        in_chunks(profile);
        (profile.delivery_millis, profile.lifetime_millis, profile.deliveries) = (300, 800, Deliveries::AtLeastOnce);
    };
    must_find_in(slow, Sabotage::RecordBeforeRows, "in the source");
}

/// Worlds in which rows move and leave their values behind.
fn with_values_left_out(profile: &mut Profile) {
    in_chunks(profile);
    (profile.unchanged_percent, profile.chunk_rows, profile.writer_pause_millis) = (80, 2, 8);
}

#[test]
fn a_value_that_nobody_was_told_is_found() {
    must_find_in(with_values_left_out, Sabotage::ForgetUnchanged, "in the source");
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
        "is to be read in chunks",
        "reads Range",
        "is logged, and not visible",
        "a pause is asked",
        "\"resumed\":false",
        "\"resumed\":true",
        "\"behind\":{",
    ];
    let by_keys = (0..40).filter(|seed| run_in(*seed, with_values_left_out, Trace::kept()).lines.contains("reads Keys")).count();
    assert!(by_keys >= 1, "rows are read by their keys in {by_keys} worlds");
    let seen: Vec<String> = (0..300).map(|seed| run(seed, Trace::kept()).lines).collect();
    for sight in sights {
        let seeds = seen.iter().filter(|lines| lines.contains(sight)).count();
        assert!(seeds >= 5, "{sight}: seen by {seeds} seeds of {}", seen.len());
    }
}
