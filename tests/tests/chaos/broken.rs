//! The checker itself is put to the test: waltap is broken on purpose, one way after the other, and each must be found for what it is.
//!
//! One course of events for all of them, and for a waltap that is whole, in which nothing may be found. Events linger in the producer for a
//! while, so that some are always in flight: whatever is acknowledged too early is seen to be, and a kill makes a gap of it.

use std::time::Duration;

use waltap_tests::checker::{Delivery, Fault, Report};
use waltap_tests::{Kit, PostgresOptions, Random, Result, ensure, run};

use crate::fault::Fault as Deed;
use crate::stage::Stage;
use crate::workload::{self, Mix, Writers};

/// The variable that breaks waltap; see its `sabotage.rs`.
const VARIABLE: &str = "WALTAP_SABOTAGE";

/// How long events linger. Progress does not.
const LINGER: &str = "linger.ms=1200";

/// Between one deed and the next: longer than events linger, and than acknowledgements take.
const PAUSE: Duration = Duration::from_millis(2000);

/// What a slot may take to come to the end, without any fault. One that stands still is given up after so long.
const PATIENCE: Duration = Duration::from_secs(8);

/// A way to be broken, what must be found then, and what may be found beside it.
struct Broken {
    switch: &'static str,
    found: &'static [Fault],
    besides: &'static [Fault],
}

const AT_LEAST_ONCE: [Broken; 4] = [
    Broken { switch: "confirm-on-produce", found: &[Fault::AcknowledgedEarly], besides: &[Fault::Gap] },
    Broken { switch: "keepalive-in-flight", found: &[Fault::AcknowledgedEarly], besides: &[Fault::Gap] },
    Broken { switch: "drop-at-stop", found: &[Fault::Gap], besides: &[Fault::AcknowledgedEarly] },
    Broken { switch: "forget-filtered", found: &[Fault::StandsStill], besides: &[] },
];

#[test]
fn at_least_once() -> Result {
    run("chaos_broken_at_least_once", async |kit| break_each(kit, Delivery::AtLeastOnce, &AT_LEAST_ONCE).await)
}

async fn break_each(kit: &Kit, delivery: Delivery, ways: &[Broken]) -> Result {
    // Versions after this one do not send transactions of which nothing is published.
    let options = PostgresOptions { major: Some(13), ..PostgresOptions::default() };
    let mut stage = Stage::set(kit, delivery, options).await?;
    stage.with_arguments(&["--kafka-property", LINGER]);
    course(&mut stage, delivery, "whole").await?.ensure_clean()?;
    for Broken { switch, found, besides } in ways {
        stage.environment = vec![(VARIABLE.to_owned(), (*switch).to_owned())];
        let report = course(&mut stage, delivery, &switch.replace('-', "_")).await?;
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

/// Writers at work; waltap is killed, goes on, is asked to stop, and goes on to the end.
async fn course(stage: &mut Stage<'_>, delivery: Delivery, database: &str) -> Result<Report> {
    workload::create(&stage.postgres, database, 100).await?;
    let mut waltap = stage.capture(database)?;
    waltap.wait_streaming().await?;
    let sampler = stage.watch(database)?;
    let writers = Writers::start(stage.postgres.port(), database, 2, Mix::USUAL, Random::seed());
    tokio::time::sleep(PAUSE).await;
    stage.inflict(&mut waltap, Deed::KillWaltap, None).await?;
    waltap.wait_streaming().await?;
    tokio::time::sleep(PAUSE).await;
    stage.inflict(&mut waltap, Deed::StopWaltap, None).await?;
    waltap.wait_streaming().await?;
    let verdict = stage.judge(delivery, database, waltap, writers, sampler, PATIENCE).await?;
    let slot = format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{database}'");
    stage.postgres.sql("postgres").await?.run(&slot).await?;
    Ok(verdict.report)
}
