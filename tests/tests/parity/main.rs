//! A running Debezium and `waltap capture --format debezium` capture the same database from the same statements, and what they write is
//! compared, byte for byte: every type, every handling mode, snapshot and stream.
//!
//! `make parity` runs it. What is not compared is in [`record`], what differs on purpose in [`explained`]; anything else fails the test, and
//! so does an explanation that nothing needs any more.

mod comparison;
mod debezium;
mod defaults;
mod explained;
mod modes;
mod record;
#[path = "../e2e/values/samples.rs"]
mod samples;
mod shapes;
mod types;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use waltap_tests::{Kit, PostgresOptions, Result, Waltap, ensure, run_within, wait_until};

use self::comparison::{Mismatch, compare};
use self::debezium::Debezium;
use self::explained::DIFFERENCES;
use self::modes::{MODES, Mode};
use self::record::{Phase, Side, records};

/// The database, and so the first part of every topic.
const DATABASE: &str = "shop";

/// The prefix of the message that says that all is over. Messages are not skipped in any mode.
const LAST_MESSAGE: &str = "that was all";

/// How long either may take to read all that is there, or all that has changed: a second or some, on a machine that does nothing else.
const DEADLINE: Duration = Duration::from_secs(180);

/// How many mismatches that nothing explains are shown.
const SHOWN_MAX: usize = 200;

#[test]
#[ignore = "make parity"]
fn waltap_writes_what_debezium_writes() -> Result {
    run_within("parity", Duration::from_secs(600), async |kit| {
        let slots = (MODES.len() * 6).to_string();
        let options = PostgresOptions::default().set("max_replication_slots", &slots).set("max_wal_senders", &slots);
        let postgres = kit.postgres_with(options.set("max_connections", "300")).await?;
        let shop = postgres.create_database(DATABASE).await?;
        let samples = types::tables();
        shop.run(samples::SETUP).await?;
        shop.run(types::SETUP).await?;
        types::create(&shop, &samples).await?;
        shop.run(shapes::SETUP).await?;
        defaults::create(&shop).await?;
        shop.run("CREATE PUBLICATION debezium FOR ALL TABLES WITH (publish_via_partition_root = true)").await?;

        let mut debezium = Debezium::start(kit, postgres.port())?;
        let mut captures = Vec::new();
        for mode in MODES {
            captures.push((mode, start_waltap(kit, &postgres.url("postgres"), mode)?));
        }
        for (_, waltap) in &mut captures {
            waltap.wait_streaming_within(DEADLINE).await?;
        }
        debezium.wait_streaming(&shop).await?;

        types::change(&shop, &samples).await?;
        defaults::change(&shop).await?;
        shapes::change(&shop).await?;
        // Outside of transactions, so that nothing of its own follows.
        shop.run(&format!("SELECT pg_logical_emit_message(false, '{LAST_MESSAGE}', '')")).await?;

        let mut mismatches = Vec::new();
        let mut report = String::new();
        for (mode, waltap) in &mut captures {
            let has_ended = |lines: &str| lines.ends_with('\n') && lines.contains(LAST_MESSAGE);
            let what = |who: &str| format!("{who} writes the last message in mode {}", mode.name);
            wait_until(&what("waltap"), DEADLINE, async || Ok(has_ended(&waltap.stdout()))).await?;
            wait_until(&what("Debezium"), DEADLINE, async || {
                debezium.ensure_running()?;
                Ok(has_ended(&debezium.lines(mode)?))
            })
            .await?;
            let (theirs, ours) = (debezium.lines(mode)?, waltap.stdout());
            let (theirs, ours) = (records(&theirs, Side::Debezium, mode)?, records(&ours, Side::Waltap, mode)?);
            let outcome = compare(mode, &theirs, &ours)?;
            let (read, streamed) = (theirs.count(Phase::Snapshot), theirs.count(Phase::Stream));
            let (equal, explained) = (outcome.equal, outcome.records_with(|mismatch| explained::explain(mismatch).is_some()));
            writeln!(
                report,
                "{:<9} {:>5} records of Debezium ({read} of the snapshot, {streamed} of the stream), {:>5} of waltap: {equal} equal, {explained} explained, {} not",
                mode.name,
                read + streamed,
                ours.count(Phase::Snapshot) + ours.count(Phase::Stream),
                outcome.records_with(|_| true) - explained,
            )?;
            mismatches.extend(outcome.mismatches);
        }
        for (_, waltap) in &mut captures {
            waltap.stop_cleanly().await?;
        }
        print!("{report}");
        judge(&mismatches)
    })
}

fn start_waltap(kit: &Kit, source: &str, mode: &Mode) -> Result<Waltap> {
    let mut arguments = vec!["capture", "--source", source, "--database", DATABASE, "--sink", "stdout", "--name", mode.name];
    arguments.extend(["--format", "debezium", "--messages"]);
    let properties: Vec<String> = mode.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for property in &properties {
        arguments.extend(["--debezium", property]);
    }
    kit.waltap(&arguments, &[])
}

/// Fails when something is not explained, or when an explanation explains nothing.
fn judge(mismatches: &[Mismatch]) -> Result {
    let mut explained: BTreeMap<&str, usize> = DIFFERENCES.iter().map(|difference| (difference.name, 0)).collect();
    let mut unexplained = Vec::new();
    for mismatch in mismatches {
        match explained::explain(mismatch).and_then(|difference| explained.get_mut(difference.name)) {
            Some(count) => *count += 1,
            None => unexplained.push(mismatch),
        }
    }
    for (name, count) in &explained {
        println!("{count:>9} {name}");
    }
    for mismatch in unexplained.iter().take(SHOWN_MAX) {
        println!("{mismatch}");
    }
    ensure!(unexplained.is_empty(), "{} places differ without an explanation", unexplained.len());
    let idle: Vec<&str> = explained.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    ensure!(idle.is_empty(), "explanations that nothing needs: {idle:?}");
    Ok(())
}
