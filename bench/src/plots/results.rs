//! The raw results, as far as there are pictures of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use waltap_bench::statistics::{Spread, median};
use waltap_tests::{Failure, Result};

use crate::curves::Curves;

/// One turn of a contender.
#[derive(Clone, Debug)]
struct Turn {
    round: u64,
    contender: String,
    rows: f64,
    /// Until all was in Kafka; of who writes nothing there, or tells only of its commits, until the server knew.
    seconds: f64,
    /// Of the contender, the server and the broker.
    cpu_seconds: [f64; 3],
    peak_bytes: f64,
}

/// The turns of one workload, in one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) title: String,
    turns: Vec<Turn>,
}

/// What the newest run of each benchmark and workload gave.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// By the name of the benchmark.
    pub(crate) groups: BTreeMap<String, Vec<Group>>,
    /// By the name of the benchmark and their own.
    pub(crate) curves: BTreeMap<String, Curves>,
}

impl Results {
    /// Reads files of one JSON object a line.
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self> {
        let mut lines = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(file).map_err(|error| Failure::from(error).while_doing(file.display()))?;
            for (number, line) in text.lines().enumerate() {
                let place = || format!("{}, line {}", file.display(), number + 1);
                let line: Value = serde_json::from_str(line).map_err(|error| Failure::from(error).while_doing(place()))?;
                lines.push(line);
            }
        }
        Ok(Self::of(&lines))
    }

    fn of(lines: &[Value]) -> Self {
        let mut newest = BTreeMap::new();
        for line in lines {
            let run = newest.entry(family(line)).or_insert(0);
            *run = line["run"].as_u64().unwrap_or(0).max(*run);
        }
        let mut results = Results::default();
        for line in lines.iter().filter(|line| newest.get(&family(line)) == Some(&line["run"].as_u64().unwrap_or(0))) {
            if let Some(turn) = turn(line) {
                results.add_turn(line, turn);
            } else if let (Some(x), Some(y)) = (line["x"].as_f64(), line["y"].as_f64()) {
                results.add_point(line, (x, y));
            }
        }
        for curves in results.curves.values_mut() {
            curves.series.values_mut().for_each(merge);
        }
        results
    }

    fn add_turn(&mut self, line: &Value, turn: Turn) {
        let bench = text(line, "bench");
        let workload = line["workload"].as_str().unwrap_or(&bench);
        let title = match line["path"].as_str() {
            None | Some("direct") => workload.to_owned(),
            Some(path) => format!("{workload}, {path}"),
        };
        let groups = self.groups.entry(bench).or_default();
        match groups.iter_mut().find(|group| group.title == title) {
            Some(group) => group.turns.push(turn),
            None => groups.push(Group { title, turns: vec![turn] }),
        }
    }

    fn add_point(&mut self, line: &Value, point: (f64, f64)) {
        let name = format!("{}-{}", text(line, "bench"), text(line, "curve"));
        let curves = self.curves.entry(name).or_default();
        curves.title = text(line, "curve");
        curves.x_name = text(line, "x_name");
        curves.y_name = text(line, "y_name");
        curves.series.entry(text(line, "series")).or_default().push(point);
    }
}

impl Group {
    /// Who took part, in the order of the first round, which is that of the benchmark's own list.
    pub(crate) fn contenders(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for turn in &self.turns {
            if !names.contains(&turn.contender) {
                names.push(turn.contender.clone());
            }
        }
        names
    }

    /// How many times as fast as the first of all, round by round.
    pub(crate) fn ratios(&self, contender: &str) -> Option<Spread> {
        let peer = self.turns.first()?.contender.clone();
        let speed = |turn: &Turn| turn.rows / turn.seconds;
        Spread::of(self.of(contender).filter_map(|turn| {
            let peer = self.of(&peer).find(|peer| peer.round == turn.round)?;
            Some(speed(turn) / speed(peer))
        }))
    }

    /// Microseconds of processor time a row: the contender's, the server's and the broker's.
    pub(crate) fn cpu_micros(&self, contender: &str) -> Vec<f64> {
        let part = |place: usize| median(self.of(contender).map(|turn| turn.cpu_seconds[place] * 1e6 / turn.rows));
        vec![part(0), part(1), part(2)]
    }

    /// In MiB; nothing for contenders of which it is not told.
    pub(crate) fn peak_mebibytes(&self, contender: &str) -> Option<Spread> {
        let peaks = Spread::of(self.of(contender).map(|turn| turn.peak_bytes / f64::from(1 << 20)))?;
        (peaks.median > 0.0).then_some(peaks)
    }

    fn of(&self, contender: &str) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(move |turn| turn.contender == contender)
    }
}

/// What is run again as a whole: a newer run takes its place.
fn family(line: &Value) -> [String; 4] {
    ["bench", "workload", "path", "curve"].map(|name| text(line, name))
}

fn text(line: &Value, name: &str) -> String {
    line[name].as_str().unwrap_or_default().to_owned()
}

fn turn(line: &Value) -> Option<Turn> {
    let number = |name: &str| line[name].as_f64();
    // Of a stream it is the walsender that works, of a snapshot other processes of the server.
    let server = number("walsender_cpu_seconds").or_else(|| number("postgres_cpu_seconds")).unwrap_or(0.0);
    Some(Turn {
        round: line["round"].as_u64()?,
        contender: line["contender"].as_str()?.to_owned(),
        rows: number("rows")?,
        seconds: number("seconds_in_kafka").or_else(|| number("seconds"))?,
        cpu_seconds: [number("contender_cpu_seconds").unwrap_or(0.0), server, number("broker_cpu_seconds").unwrap_or(0.0)],
        peak_bytes: number("peak_bytes").unwrap_or(0.0),
    })
}

/// From left to right, the median of those at one place.
fn merge(points: &mut Vec<(f64, f64)>) {
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    *points =
        points.chunk_by(|one, other| one.0 == other.0).map(|same| (same[0].0, median(same.iter().map(|(_, y)| *y)))).collect();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turn(run: u64, round: u64, contender: &str, seconds: f64) -> Value {
        json!({"bench": "drain", "run": run, "workload": "single", "round": round, "contender": contender, "rows": 100, "seconds": seconds})
    }

    #[test]
    fn a_contender_is_held_against_the_first_one_of_its_round_and_run() {
        let lines = [
            turn(1, 0, "first", 99.0),
            turn(2, 0, "first", 4.0),
            turn(2, 0, "second", 2.0),
            // In another order, and the machine was slower.
            turn(2, 1, "second", 8.0),
            turn(2, 1, "first", 8.0),
        ];
        let results = Results::of(&lines);
        let group = &results.groups["drain"][0];
        assert_eq!(group.contenders(), ["first", "second"]);
        assert_eq!(group.ratios("second"), Some(Spread { median: 2.0, low: 1.0, high: 2.0 }));
    }

    #[test]
    fn who_writes_to_kafka_is_done_when_all_is_there() {
        let mut there = turn(1, 0, "second", 4.0);
        there["seconds_in_kafka"] = json!(2.0);
        let mut none = turn(1, 0, "first", 4.0);
        none["seconds_in_kafka"] = Value::Null;
        let results = Results::of(&[none, there]);
        assert_eq!(results.groups["drain"][0].ratios("second").map(|ratio| ratio.median), Some(2.0));
    }

    #[test]
    fn points_of_several_rounds_become_one_curve() {
        let point = |x: u32, y: u32| json!({"bench": "growth", "run": 1, "curve": "tables", "x_name": "tables", "y_name": "seconds", "series": "start", "x": x, "y": y});
        let results = Results::of(&[point(100, 2), point(10, 1), point(100, 9), point(100, 3)]);
        assert_eq!(results.curves["growth-tables"].series["start"], [(10.0, 1.0), (100.0, 3.0)]);
    }
}
