//! What one point costs: two starts, and the draining of a backlog behind the second.

use std::time::{Duration, Instant};

use waltap_bench::sampler::{Sampler, usage};
use waltap_tests::{Result, TopicEnds, Waltap, ensure, wait_until};

use super::Bench;
use super::point::Point;

/// Longer than any point takes.
const DEADLINE: Duration = Duration::from_secs(1_800);

/// How often Kafka is asked whether all has come.
const INTERVAL: Duration = Duration::from_millis(5);

/// What one turn gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// From the start of the process until every tap streams: when slots, publications and topics are to be made,
    pub(crate) first_start: Duration,
    /// and when they are there.
    pub(crate) start_again: Duration,
    pub(crate) rows_per_second: f64,
    /// waltap's own processor time for each row.
    pub(crate) cpu_micros: f64,
    pub(crate) peak_mebibytes: f64,
}

/// Measures a point once, under a name of its own; nothing of it stays.
pub(crate) async fn measure(bench: &Bench<'_>, name: &str, point: &Point) -> Result<Cost> {
    let databases: Vec<String> = (0..point.databases).map(|number| format!("{name}_{number}")).collect();
    for database in &databases {
        let sql = bench.servers.postgres.create_database(database).await?;
        sql.run(&point.create()).await?;
        if let Some(statement) = point.store_plainly() {
            sql.run(&statement).await?;
        }
    }
    let (mut waltap, first_start) = start(bench, name, &databases).await?;
    waltap.stop_cleanly().await?;

    let (mut waltap, start_again) = start(bench, name, &databases).await?;
    let start_cpu = usage(waltap.process().id()).unwrap_or_default().cpu;
    waltap.stop_cleanly().await?;

    for database in &databases {
        bench.servers.postgres.sql(database).await?.run(&point.write()).await?;
    }
    let server = bench.servers.postgres.sql("postgres").await?;
    let end = server.value("SELECT pg_current_wal_lsn()").await?;
    // So that a keepalive comes that is behind the end.
    server.run("SELECT pg_logical_emit_message(true, 'bench', 'the end'); SELECT pg_switch_wal(); CHECKPOINT").await?;
    let cost = drain(bench, name, &databases, &end, start_cpu, point).await?;

    server.rows(&format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE {}", slots(name))).await?;
    for database in &databases {
        server.run(&format!("DROP DATABASE {database} WITH (FORCE)")).await?;
    }
    bench.remove_topics(name).await?;
    Ok(Cost { first_start, start_again, ..cost })
}

/// The slots of a capture.
fn slots(name: &str) -> String {
    format!("starts_with(slot_name, 'waltap_{name}_')")
}

fn launch(bench: &Bench<'_>, name: &str, databases: &[String]) -> Result<Waltap> {
    let (topic, databases) = (format!("{name}.{{database}}.{{table}}"), databases.join(","));
    let flags = ["--name", name, "--topic", &topic, "--database", &databases, "--snapshot", "never"];
    bench.kit.capture(&bench.servers.postgres, &bench.servers.kafka, &flags)
}

/// Starts it and says how long it took until every tap streams.
async fn start(bench: &Bench<'_>, name: &str, databases: &[String]) -> Result<(Waltap, Duration)> {
    let began = Instant::now();
    let mut waltap = launch(bench, name, databases)?;
    wait_until("there is a tap for every database", DEADLINE, async || {
        if waltap.process().ended()?.is_some() {
            return Ok(true);
        }
        let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
        Ok(status["taps"].as_array().is_some_and(|taps| taps.len() == databases.len()))
    })
    .await?;
    waltap.wait_streaming_within(DEADLINE).await?;
    Ok((waltap, began.elapsed()))
}

/// From the moment at which the first slot is read until the last record of each database is in Kafka. PostgreSQL is told once a second only.
async fn drain(
    bench: &Bench<'_>,
    name: &str,
    databases: &[String],
    end: &str,
    start_cpu: Duration,
    point: &Point,
) -> Result<Cost> {
    let server = bench.servers.postgres.sql("postgres").await?;
    let (table, records) = point.last_table();
    let topics: Vec<String> = databases.iter().map(|database| format!("{name}.{database}.bench_{table}")).collect();
    let ends = TopicEnds::new(&bench.servers.kafka.brokers(), topics, 1)?;
    let sampler = Sampler::start();
    let mut waltap = launch(bench, name, databases)?;
    let process = waltap.process().id();
    sampler.watch(process);
    let slots = slots(name);
    let question = format!("SELECT count(*) FROM pg_replication_slots WHERE active AND {slots}");
    wait_until("a slot is read", DEADLINE, async || Ok(server.number(&question).await? > 0)).await?;
    let began = Instant::now();
    while ends.read()?.values().any(|end| *end < i64::from(records)) {
        ensure!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: all records are in Kafka");
        tokio::time::sleep(INTERVAL).await;
    }
    let (took, used) = (began.elapsed(), sampler.usage(process));
    let question = format!("SELECT count(*) FROM pg_replication_slots WHERE confirmed_flush_lsn < '{end}' AND {slots}");
    wait_until("everything is confirmed", DEADLINE, async || Ok(server.number(&question).await? == 0)).await?;
    sampler.stop()?;
    waltap.stop_cleanly().await?;
    let rows = f64::from(point.rows_written());
    Ok(Cost {
        first_start: Duration::ZERO,
        start_again: Duration::ZERO,
        rows_per_second: rows / took.as_secs_f64(),
        // What a start takes is not of the rows; with many databases some are read while others start.
        cpu_micros: used.cpu.saturating_sub(start_cpu).as_secs_f64() * 1e6 / rows,
        peak_mebibytes: used.peak_bytes as f64 / f64::from(1 << 20),
    })
}
