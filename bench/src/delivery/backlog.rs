//! A backlog that is drained: how fast, with how much CPU and memory.

use std::time::Instant;

use waltap_bench::reader::{self, Isolation};
use waltap_bench::sampler::usage;
use waltap_tests::{Failure, Result};

use super::{Bench, DELIVERIES};

/// One kind of transactions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    table: &'static str,
    rows: u32,
    rows_a_transaction: u32,
}

pub(crate) const WORKLOADS: [Workload; 3] = [
    Workload { name: "one row a transaction", table: "single", rows: 100_000, rows_a_transaction: 1 },
    Workload { name: "1,000 rows a transaction", table: "thousand", rows: 500_000, rows_a_transaction: 1_000 },
    Workload { name: "one transaction", table: "whole", rows: 500_000, rows_a_transaction: 500_000 },
];

/// What one turn took.
pub(crate) struct Drained {
    /// Rows a second.
    pub(crate) rate: f64,
    /// waltap's own CPU microseconds a row.
    pub(crate) cpu_micros: f64,
    pub(crate) peak_mebibytes: f64,
}

fn capture_name(workload: Workload, delivery: &str, round: usize) -> String {
    format!("{}_{}_{round}", workload.table, delivery.replace('-', "_"))
}

/// Makes a slot for each turn, then writes the log that all of them will read.
pub(crate) async fn prepare(bench: &Bench<'_>, workload: Workload, rounds: usize) -> Result {
    let sql = match bench.postgres.sql("bench").await {
        Ok(sql) => sql,
        Err(_) => bench.postgres.create_database("bench").await?,
    };
    let Workload { table, rows, rows_a_transaction, .. } = workload;
    sql.run(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric(12,2), e jsonb)"))
        .await?;
    for round in 0..rounds {
        for delivery in DELIVERIES {
            let mut waltap = bench.capture(&capture_name(workload, delivery, round), table, delivery)?;
            waltap.wait_streaming().await?;
            waltap.stop_cleanly().await?;
        }
    }
    let insert = format!(
        "INSERT INTO {table} SELECT g, g % 1000, repeat(md5(g::text), 3), now(), g / 100.0, jsonb_build_object('k', g, 't', md5(g::text))
         FROM generate_series"
    );
    let write = format!(
        "DO $$ BEGIN FOR part IN 0..{} LOOP {insert}(part * {rows_a_transaction} + 1, (part + 1) * {rows_a_transaction}) g; COMMIT; END LOOP; END $$",
        rows / rows_a_transaction - 1
    );
    sql.run(&write).await
}

/// Drains it once.
pub(crate) async fn drain(bench: &Bench<'_>, workload: Workload, delivery: &str, round: usize) -> Result<Drained> {
    let name = capture_name(workload, delivery, round);
    let (topic, brokers) = (format!("{name}.{}", workload.table), bench.kafka.brokers());
    let mut waltap = bench.capture(&name, workload.table, delivery)?;
    let first = {
        let (topic, brokers) = (topic.clone(), brokers.clone());
        let mut first = Instant::now();
        // Also of a transaction that is not committed before its last row was sent.
        tokio::task::spawn_blocking(move || {
            reader::read(&brokers, &topic, Isolation::Uncommitted, |_, at| {
                first = at;
                false
            })?;
            Ok::<Instant, Failure>(first)
        })
    };
    let last = tokio::task::spawn_blocking(move || {
        let (mut rows, mut last) = (0_u32, Instant::now());
        reader::read(&brokers, &topic, Isolation::Committed, |_, at| {
            rows += 1;
            last = at;
            rows < workload.rows
        })?;
        Ok::<Instant, Failure>(last)
    });
    let broken = |error: tokio::task::JoinError| Failure::new(error.to_string());
    let took = last.await.map_err(broken)?? - first.await.map_err(broken)??;
    let rows = f64::from(workload.rows);
    let used = usage(waltap.process().id()).ok_or_else(|| Failure::new("waltap has ended"))?;
    let drained = Drained {
        rate: rows / took.as_secs_f64(),
        cpu_micros: used.cpu.as_secs_f64() * 1e6 / rows,
        peak_mebibytes: used.peak_bytes as f64 / f64::from(1 << 20),
    };
    waltap.stop_cleanly().await?;
    Ok(drained)
}
