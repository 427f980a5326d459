//! What exactly-once delivery costs beside at-least-once: throughput from a backlog.
//!
//! Both deliver the same log, from slots that were made before it was written, in turns. The reader is a consumer of committed records, so that
//! what it waits for is what a reader waits for.

mod backlog;

use std::time::Duration;

use waltap_bench::statistics::{Spread, median};
use waltap_bench::{parameters, table};
use waltap_tests::{Kafka, Kit, Postgres, PostgresOptions, Result, Waltap, run_within};

use backlog::Drained;

/// The two guarantees, by their names on the command line.
const DELIVERIES: [&str; 2] = ["at-least-once", "exactly-once"];

fn main() -> Result {
    let rounds = parameters::rounds()?;
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
    let ratios = Spread::of(drained[0].iter().zip(&drained[1]).map(|(least, once)| once.rate / least.rate));
    let medians = |of: fn(&Drained) -> f64| drained.each_ref().map(|drained| median(drained.iter().map(of)));
    let ([least, once], [least_cpu, once_cpu], [least_memory, once_memory]) =
        (medians(|drained| drained.rate), medians(|drained| drained.cpu_micros), medians(|drained| drained.peak_mebibytes));
    Ok(vec![vec![
        workload.name.to_owned(),
        format!("{least:.0}"),
        format!("{once:.0}"),
        ratios.map_or_else(String::new, |ratios| ratios.to_string()),
        format!("{least_cpu:.1}, {once_cpu:.1}"),
        format!("{least_memory:.0}, {once_memory:.0}"),
    ]])
}
