//! What exactly-once delivery costs beside at-least-once: throughput from a backlog, and latency from commit to reader.
//!
//! Both deliver the same log, from slots that were made before it was written, in turns. The reader is a consumer of committed records, so that
//! what it waits for is what a reader waits for.

mod backlog;
mod latency;
mod reader;

use std::time::Duration;

use waltap_bench::table;
use waltap_tests::{Kafka, Kit, Postgres, PostgresOptions, Result, Waltap, run_within};

use backlog::Drained;

/// The two guarantees, by their names on the command line.
const DELIVERIES: [&str; 2] = ["at-least-once", "exactly-once"];

/// How many turns each takes, unless the first argument says otherwise.
const ROUNDS: usize = 5;

/// Transactions a second for the latencies.
const RATES: [u32; 2] = [100, 1_000];

fn main() -> Result {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    println!("{}; {rounds} rounds in turns\n", table::machine());
    run_within("bench_delivery", Duration::from_secs(3_600), async |kit| {
        let settings = PostgresOptions::default().set("max_replication_slots", "100").set("max_wal_senders", "100");
        let bench = Bench { postgres: kit.postgres_with(settings).await?, kafka: kit.kafka().await?, kit };
        let mut rows = Vec::new();
        for workload in backlog::WORKLOADS {
            rows.extend(throughput(&bench, workload, rounds).await?);
        }
        println!(
            "From a backlog, from the first record in Kafka to the last one that a reader of committed records sees: medians, and the range of the ratios.\n"
        );
        table::print(&["workload", "at-least-once, rows/s", "exactly-once, rows/s", "ratio", "CPU µs a row", "peak MiB"], &rows);
        println!("\nFrom before the commit to the reader, in milliseconds: medians of {rounds} rounds of 10 s.\n");
        let mut rows = Vec::new();
        for rate in RATES {
            rows.extend(latencies(&bench, rate, rounds).await?);
        }
        table::print(&["transactions a second", "delivery", "median", "99 of 100", "slowest"], &rows);
        Ok(())
    })
}

/// The servers, and who starts more of them.
struct Bench<'a> {
    postgres: Postgres,
    kafka: Kafka,
    kit: &'a Kit,
}

impl Bench<'_> {
    /// A capture of the benchmark's own table, under a name of its own.
    fn capture(&self, name: &str, table: &str, delivery: &str) -> Result<Waltap> {
        let (topic, table) = (format!("{name}.{{table}}"), format!("public.{table}"));
        let flags = ["--name", name, "--topic", &topic, "--database", "bench", "--table", &table, "--snapshot", "never"];
        self.kit.capture(&self.postgres, &self.kafka, &[&flags[..], &["--delivery", delivery]].concat())
    }
}

async fn throughput(bench: &Bench<'_>, workload: backlog::Workload, rounds: usize) -> Result<Vec<Vec<String>>> {
    let mut drained: [Vec<Drained>; 2] = Default::default();
    backlog::prepare(bench, workload, rounds).await?;
    for round in 0..rounds {
        for (delivery, drained) in DELIVERIES.iter().zip(&mut drained) {
            drained.push(backlog::drain(bench, workload, delivery, round).await?);
        }
    }
    let ratios: Vec<f64> = drained[0].iter().zip(&drained[1]).map(|(least, once)| once.rate / least.rate).collect();
    let median = |of: fn(&Drained) -> f64| drained.each_ref().map(|drained| median(drained.iter().map(of)));
    let ([least, once], [least_cpu, once_cpu], [least_memory, once_memory]) =
        (median(|drained| drained.rate), median(|drained| drained.cpu_micros), median(|drained| drained.peak_mebibytes));
    let (low, high) = (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
    Ok(vec![vec![
        workload.name.to_owned(),
        format!("{least:.0}"),
        format!("{once:.0}"),
        format!("{:.2} ({low:.2} to {high:.2})", self::median(ratios.iter().copied())),
        format!("{least_cpu:.1}, {once_cpu:.1}"),
        format!("{least_memory:.0}, {once_memory:.0}"),
    ]])
}

async fn latencies(bench: &Bench<'_>, rate: u32, rounds: usize) -> Result<Vec<Vec<String>>> {
    let mut found: [Vec<latency::Quantiles>; 2] = Default::default();
    for round in 0..rounds {
        for (delivery, found) in DELIVERIES.iter().zip(&mut found) {
            found.push(latency::measure(bench, rate, delivery, round).await?);
        }
    }
    let row = |(delivery, found): (&&str, &Vec<latency::Quantiles>)| {
        let median = |of: fn(&latency::Quantiles) -> f64| format!("{:.1}", median(found.iter().map(of)));
        vec![rate.to_string(), (*delivery).to_owned(), median(|q| q.median), median(|q| q.p99), median(|q| q.slowest)]
    };
    Ok(DELIVERIES.iter().zip(&found).map(row).collect())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
