//! The checker itself is put to the test: waltap is broken on purpose, one way after the other, and each must be found for what it is.
//!
//! One course of events for each delivery, and a waltap that is whole goes through it first, in which nothing may be found.

use std::time::Duration;

use waltap_tests::checker::{Delivery, Fault, Report};
use waltap_tests::oracle::{Event, Operation};
use waltap_tests::{Failure, PROGRESS, PostgresOptions, Random, Result, Waltap, ensure, run, wait_until};

use crate::fault::Fault as Deed;

use crate::stage::{Stage, TO_THE_END};
use crate::workload::{self, Mix, Writers};

/// The variable that breaks waltap; see its `sabotage.rs`.
const VARIABLE: &str = "WALTAP_SABOTAGE";

/// How long events linger, at least once, so that some are always in flight. Progress does not linger: whatever is acknowledged too early is
/// seen to be, and a kill makes a gap of it.
const LINGER: &str = "linger.ms=1200";

/// What is to pass a narrow wire slowly must not be small.
const UNCOMPRESSED: &str = "compression.type=none";

/// Between one deed and the next: longer than events linger, and than acknowledgements take.
const PAUSE: Duration = Duration::from_millis(2000);

/// What the wire to Kafka passes in a second while waltap is asked to stop: progress, and not what is in flight.
const NARROWER: u64 = 20_000;

/// When a slot that is to stand still is given up.
const SHORT_PATIENCE: Duration = Duration::from_secs(8);

/// Rows of a large transaction: of several times the size at which it is parted.
const LARGE_ROWS: usize = 16_000;

/// Who writes large transactions: no writer of the workload.
const WRITER: u64 = 99;

/// So much is on its way only when it is a part of a large transaction: a quarter of the size at which it is parted.
const MUCH: u64 = 256 << 10;

/// How many large transactions are tried until waltap is met between two parts of one.
const TRANSACTIONS: u64 = 3;

/// What a wire passes in a second while a large transaction is on its way: some seconds for it.
const NARROW: u64 = 250_000;

/// How long the narrow wire is open at a time: for much less than a large transaction.
const SLICE: Duration = Duration::from_millis(400);

/// How long a step may take, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(120);

/// A way to be broken, what must be found then, and what may be found beside it.
struct Broken {
    switch: &'static str,
    found: &'static [Fault],
    besides: &'static [Fault],
}

impl Broken {
    /// What the slot has to come to the end.
    fn patience(&self) -> Duration {
        if self.found.contains(&Fault::StandsStill) { SHORT_PATIENCE } else { TO_THE_END }
    }
}

/// What a reader may see of a place that was acknowledged too early, once a run begins there: what was left out, and that what is in Kafka already
/// does not come again before what is new.
const SKIPPED: &[Fault] = &[Fault::Gap, Fault::BrokenReturn];

const AT_LEAST_ONCE: [Broken; 4] = [
    Broken { switch: "confirm-on-produce", found: &[Fault::AcknowledgedEarly], besides: SKIPPED },
    Broken { switch: "keepalive-in-flight", found: &[Fault::AcknowledgedEarly], besides: SKIPPED },
    Broken { switch: "drop-at-stop", found: &[Fault::Gap], besides: &[Fault::AcknowledgedEarly] },
    Broken { switch: "forget-filtered", found: &[Fault::StandsStill], besides: &[] },
];

const EXACTLY_ONCE: [Broken; 2] = [
    Broken { switch: "split-off-by-one", found: &[Fault::Gap], besides: &[] },
    Broken { switch: "progress-outside", found: &[Fault::Gap], besides: &[] },
];

#[test]
fn at_least_once() -> Result {
    run("chaos_broken_at_least_once", async |kit| {
        // Versions after this one do not send transactions of which nothing is published.
        let options = PostgresOptions { major: Some(13), ..PostgresOptions::default() };
        let mut stage = Stage::set(kit, Delivery::AtLeastOnce, options).await?;
        stage.with_arguments(&["--kafka-property", LINGER, "--kafka-property", UNCOMPRESSED]);
        break_each(&mut stage, &AT_LEAST_ONCE, Mix::USUAL, async |stage, waltap, database| {
            tokio::time::sleep(PAUSE).await;
            stage.inflict(waltap, Deed::KillWaltap, None).await?;
            wait_caught_up(stage, database).await?;
            stage.kafka_wire.throttle(Some(NARROWER));
            tokio::time::sleep(PAUSE).await;
            stage.inflict(waltap, Deed::StopWaltap, None).await?;
            stage.kafka_wire.heal();
            Ok(())
        })
        .await
    })
}

#[test]
fn exactly_once() -> Result {
    run("chaos_broken_exactly_once", async |kit| {
        let mut stage = Stage::set(kit, Delivery::ExactlyOnce, PostgresOptions::default()).await?;
        stage.with_arguments(&["--kafka-property", UNCOMPRESSED]);
        break_each(&mut stage, &EXACTLY_ONCE, Mix::SMALL, async |stage, waltap, database| {
            kill_in_a_commit(stage, waltap, database).await?;
            stage.postgres.wait_confirmed(&[database], DEADLINE).await?;
            kill_between_parts(stage, waltap, database).await
        })
        .await
    })
}

/// Waits until what came before a kill has come again, so that what a stop finds on its way is new: a return that the stop cuts off would be
/// another fault. The topics tell, for a slot that is to stand still does not.
async fn wait_caught_up(stage: &Stage<'_>, database: &str) -> Result {
    let before = stage.postgres.written().await?;
    let facts = format!("{database}.public.facts");
    wait_until("an event is there of what was written after the kill", DEADLINE, async || {
        let records = stage.kafka.topics().read(&facts).await?;
        let events = records.iter().map(Event::read).collect::<Result<Vec<_>>>()?;
        Ok(events.iter().flatten().any(|event| event.operation != Operation::Read && event.position.commit_lsn > before))
    })
    .await?;
    // What was sent before it to other partitions may linger.
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

/// Kills waltap while events are on their way through a narrow wire, each connection of which is narrow by itself: progress that is not in their
/// transaction is there before them.
async fn kill_in_a_commit(stage: &mut Stage<'_>, waltap: &mut Waltap, database: &str) -> Result {
    stage.kafka_wire.throttle(Some(NARROW));
    write_large(stage, database, 1).await?;
    wait_until("much is on its way to Kafka", DEADLINE, async || Ok(in_flight_bytes(waltap).await? >= MUCH)).await?;
    let topics = stage.kafka.topics();
    let before = topics.end(PROGRESS).await?;
    wait_until("progress is told", DEADLINE, async || Ok(topics.end(PROGRESS).await? > before)).await?;
    stage.inflict(waltap, Deed::KillWaltap, None).await?;
    stage.kafka_wire.heal();
    waltap.wait_streaming().await
}

/// Kills waltap between two parts of a transaction.
async fn kill_between_parts(stage: &mut Stage<'_>, waltap: &mut Waltap, database: &str) -> Result {
    for transaction in 2..2 + TRANSACTIONS {
        stage.postgres_wire.throttle(Some(NARROW));
        write_large(stage, database, transaction).await?;
        wait_until("a part of a transaction is there", DEADLINE, async || {
            stage.postgres_wire.freeze(false);
            waltap.process().resume()?;
            tokio::time::sleep(SLICE).await;
            // Nothing passes while it is looked, which may take longer than the rest of the transaction; and what has passed goes no further.
            stage.postgres_wire.freeze(true);
            waltap.process().pause()?;
            Ok(rows_seen(stage, database, transaction).await? > 0)
        })
        .await?;
        stage.inflict(waltap, Deed::KillWaltap, None).await?;
        let is_parted = rows_seen(stage, database, transaction).await? < LARGE_ROWS;
        stage.postgres_wire.heal();
        if is_parted {
            return Ok(());
        }
        // It was through before anybody looked.
        waltap.wait_streaming().await?;
    }
    Err(Failure::new(format!("none of {TRANSACTIONS} transactions was parted")))
}

/// Writes a transaction that is sent in parts, which no writer of the workload does.
async fn write_large(stage: &Stage<'_>, database: &str, transaction: u64) -> Result {
    let rows = format!("INSERT INTO bulk SELECT {WRITER}, {transaction}, g, 0, 'bulk' FROM generate_series(1, {LARGE_ROWS}) g");
    stage.postgres.sql(database).await?.run(&rows).await
}

/// How many rows of a large transaction a reader of committed records may see by now.
async fn rows_seen(stage: &Stage<'_>, database: &str, transaction: u64) -> Result<usize> {
    let beginning = format!("{{\"writer\":{WRITER},\"transaction\":{transaction},");
    let records = stage.kafka.topics().read(&format!("{database}.public.bulk")).await?;
    Ok(records.iter().filter(|record| record.key.as_ref().is_some_and(|key| key.starts_with(&beginning))).count())
}

/// What waltap has handed over, and Kafka has not confirmed.
async fn in_flight_bytes(waltap: &Waltap) -> Result<u64> {
    let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
    Ok(status["taps"][0]["in_flight_bytes"].as_u64().unwrap_or(0))
}

async fn break_each(
    stage: &mut Stage<'_>,
    ways: &[Broken],
    mix: Mix,
    course: impl AsyncFn(&mut Stage<'_>, &mut Waltap, &str) -> Result,
) -> Result {
    go_through(stage, "whole", TO_THE_END, mix, &course).await?.ensure_clean()?;
    for way in ways {
        let Broken { switch, found, besides } = way;
        stage.environment = vec![(VARIABLE.to_owned(), (*switch).to_owned())];
        let report = go_through(stage, &switch.replace('-', "_"), way.patience(), mix, &course).await?;
        println!("{switch}: {:?}", report.faults());
        for fault in *found {
            ensure!(report.has(*fault), "{switch} is not found to be {fault:?}, but {:?}\n{}", report.faults(), report.told());
        }
        for (fault, _) in report.faults() {
            ensure!(found.contains(&fault) || besides.contains(&fault), "{switch} is found to be {fault:?}\n{}", report.told());
        }
    }
    Ok(())
}

/// Lets a waltap go through a course of events with writers at work, and then to the end.
async fn go_through(
    stage: &mut Stage<'_>,
    database: &str,
    patience: Duration,
    mix: Mix,
    course: &impl AsyncFn(&mut Stage<'_>, &mut Waltap, &str) -> Result,
) -> Result<Report> {
    workload::create(&stage.postgres, database, 100).await?;
    let mut waltap = stage.capture(database)?;
    waltap.wait_streaming().await?;
    let sampler = stage.watch(database)?;
    let writers = Writers::start(stage.postgres.port(), database, 2, mix, Random::seed());
    course(stage, &mut waltap, database).await?;
    waltap.wait_streaming().await?;
    let verdict = stage.judge(database, waltap, writers, sampler, patience).await?;
    let slot = format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{database}'");
    stage.postgres.sql("postgres").await?.run(&slot).await?;
    Ok(verdict.report)
}
