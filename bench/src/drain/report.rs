//! What is kept of a run, and what is shown of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use waltap_bench::lines::Lines;
use waltap_bench::statistics::{Spread, median};
use waltap_bench::table;
use waltap_tests::Result;

use super::contender::Contender;
use super::path::Path;
use super::watch::Drained;
use super::workload::Workload;

/// What is measured against.
const PEER: Contender = Contender::PgRecvlogical;

/// The turns of one workload.
pub(crate) struct Report {
    workload: Workload,
    path: Path,
    rows: u32,
    log_bytes: u64,
    turns: BTreeMap<usize, Vec<(Contender, Drained)>>,
}

impl Report {
    pub(crate) fn new(workload: Workload, path: Path, rows: u32, log_bytes: u64) -> Self {
        Report { workload, path, rows, log_bytes, turns: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, round: usize, contender: Contender, drained: Drained, lines: &mut Lines) -> Result {
        let rows = f64::from(self.rows);
        lines.write(json!({
            "workload": self.title(),
            "path": self.path.name(),
            "round": round,
            "contender": contender.name(),
            "rows": self.rows,
            "log_bytes": self.log_bytes,
            "seconds": drained.took.as_secs_f64(),
            "seconds_in_kafka": drained.in_kafka.map(|took| took.as_secs_f64()),
            "rows_per_second": rows / drained.took.as_secs_f64(),
            "contender_cpu_seconds": drained.contender.cpu.as_secs_f64(),
            "walsender_cpu_seconds": drained.walsender.as_secs_f64(),
            "broker_cpu_seconds": drained.broker.as_secs_f64(),
            "peak_bytes": drained.contender.peak_bytes,
            "foreign_cores": drained.foreign_cores,
        }))?;
        self.turns.entry(round).or_default().push((contender, drained));
        Ok(())
    }

    /// The workload, and the path where it is not the usual one: what came by it is held against nothing else.
    fn title(&self) -> String {
        match self.path {
            Path::Direct => self.workload.name.to_owned(),
            path => format!("{}, {}", self.workload.name, path.name()),
        }
    }

    /// Medians, and the range of the ratios within each round.
    pub(crate) fn print(&self, contenders: &[Contender]) {
        println!("\n{}: {}, {} rows, {} MB of log\n", self.title(), self.workload.tells, self.rows, self.log_bytes >> 20);
        let rows: Vec<Vec<String>> = contenders.iter().map(|contender| self.row(*contender)).collect();
        table::print(
            &[
                "contender",
                "rows/s",
                "MB/s",
                "ratio",
                "ratio in Kafka",
                "CPU µs a row",
                "walsender",
                "broker",
                "peak MiB",
                "others",
            ],
            &rows,
        );
        println!("\nratio in Kafka: until all records are there, where the ratio also has until PostgreSQL knows it");
        println!("others: how many processors' worth other work took, in the worst turn");
    }

    fn row(&self, contender: Contender) -> Vec<String> {
        let median = |of: &dyn Fn(&Drained) -> f64| median(self.of(contender).map(of));
        let rows = f64::from(self.rows);
        let seconds = median(&|drained| drained.took.as_secs_f64());
        let micros = |of: &dyn Fn(&Drained) -> f64| format!("{:.1}", median(of) * 1e6 / rows);
        let spread = |of: fn(&Drained) -> Option<Duration>| {
            let ratios = Spread::of(self.turns.values().filter_map(|turn| ratio(turn, contender, of)));
            ratios.map_or_else(String::new, |ratios| ratios.to_string())
        };
        vec![
            contender.name(),
            format!("{:.0}", rows / seconds),
            format!("{:.1}", self.log_bytes as f64 / 1e6 / seconds),
            spread(|drained| Some(drained.took)),
            spread(|drained| drained.in_kafka),
            micros(&|drained| drained.contender.cpu.as_secs_f64()),
            micros(&|drained| drained.walsender.as_secs_f64()),
            micros(&|drained| drained.broker.as_secs_f64()),
            format!("{:.0}", median(&|drained| drained.contender.peak_bytes as f64 / f64::from(1 << 20))),
            format!("{:.2}", self.of(contender).map(|drained| drained.foreign_cores).fold(0.0, f64::max)),
        ]
    }

    fn of(&self, contender: Contender) -> impl Iterator<Item = &Drained> {
        self.turns.values().flatten().filter(move |(who, _)| *who == contender).map(|(_, drained)| drained)
    }
}

/// How much faster than its peer of the same round, by what it is judged by.
fn ratio(turn: &[(Contender, Drained)], contender: Contender, of: fn(&Drained) -> Option<Duration>) -> Option<f64> {
    let drained = |wanted: Contender| turn.iter().find(|(who, _)| *who == wanted).map(|(_, drained)| drained);
    Some(drained(PEER)?.took.as_secs_f64() / of(drained(contender)?)?.as_secs_f64())
}
