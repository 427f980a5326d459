//! What is kept of a run, and what is shown of it.

use serde_json::json;
use waltap_bench::lines::Lines;
use waltap_bench::statistics::{Spread, median};
use waltap_bench::table;
use waltap_tests::Result;

use super::contender::{Contender, Turn};

/// All turns, round by round.
pub(crate) struct Report {
    pub(crate) rows: u32,
    /// How many bytes COPY sends for them.
    pub(crate) bytes: u64,
    rounds: Vec<Vec<(Contender, Turn)>>,
}

impl Report {
    pub(crate) fn new(rows: u32, bytes: u64) -> Self {
        Report { rows, bytes, rounds: Vec::new() }
    }

    pub(crate) fn add(&mut self, round: usize, contender: Contender, turn: Turn, foreign: f64, lines: &mut Lines) -> Result {
        let seconds = turn.took.as_secs_f64();
        lines.write(json!({
            "round": round,
            "contender": contender.name(),
            "rows": self.rows,
            "bytes": self.bytes,
            "seconds": seconds,
            "rows_per_second": f64::from(self.rows) / seconds,
            "contender_cpu_seconds": turn.contender.cpu.as_secs_f64(),
            "postgres_cpu_seconds": turn.servers.postgres.as_secs_f64(),
            "broker_cpu_seconds": turn.servers.kafka.as_secs_f64(),
            "peak_bytes": turn.contender.peak_bytes,
            "foreign_cores": foreign,
        }))?;
        self.rounds.resize_with(self.rounds.len().max(round + 1), Vec::new);
        if let Some(turns) = self.rounds.get_mut(round) {
            turns.push((contender, turn));
        }
        Ok(())
    }

    /// Medians, and the range of the ratios within each round.
    pub(crate) fn print(&self, contenders: &[Contender]) {
        println!("\n{} rows, {} MB of COPY's text\n", self.rows, self.bytes / 1_000_000);
        let head =
            ["contender", "rows/s", "MB/s", "of psql", "of the barest", "CPU µs a row", "PostgreSQL", "broker", "peak MiB"];
        table::print(&head, &contenders.iter().map(|contender| self.row(*contender)).collect::<Vec<_>>());
    }

    fn row(&self, contender: Contender) -> Vec<String> {
        let median = |of: &dyn Fn(&Turn) -> f64| median(self.of(contender).map(of));
        let (rows, seconds) = (f64::from(self.rows), median(&|turn| turn.took.as_secs_f64()));
        let micros = |of: &dyn Fn(&Turn) -> f64| format!("{:.2}", median(of) * 1e6 / rows);
        let against = |peer: Contender| {
            let ratios = Spread::of(self.rounds.iter().filter_map(|turns| ratio(turns, contender, peer)));
            ratios.map_or_else(String::new, |ratios| ratios.to_string())
        };
        vec![
            contender.name(),
            format!("{:.0}", rows / seconds),
            format!("{:.0}", self.bytes as f64 / 1e6 / seconds),
            against(Contender::Psql),
            against(Contender::Barest),
            micros(&|turn| turn.contender.cpu.as_secs_f64()),
            micros(&|turn| turn.servers.postgres.as_secs_f64()),
            micros(&|turn| turn.servers.kafka.as_secs_f64()),
            format!("{:.0}", median(&|turn| turn.contender.peak_bytes as f64 / f64::from(1 << 20))),
        ]
    }

    fn of(&self, contender: Contender) -> impl Iterator<Item = &Turn> {
        self.rounds.iter().flatten().filter(move |(who, _)| *who == contender).map(|(_, turn)| turn)
    }
}

/// How much faster than a peer of the same round.
fn ratio(turns: &[(Contender, Turn)], contender: Contender, peer: Contender) -> Option<f64> {
    let took = |wanted: Contender| Some(turns.iter().find(|(who, _)| *who == wanted)?.1.took.as_secs_f64());
    Some(took(peer)? / took(contender)?)
}
