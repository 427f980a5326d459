//! How waltap's cost grows: with the number of tables, of databases and of columns, with the size of rows and of transactions, and with the age of
//! a backlog.

mod curve;
mod drain;
mod point;

use std::time::Duration;

use serde_json::json;
use waltap_bench::foreign::{Foreign, wait_for_quiet};
use waltap_bench::lines::{Curve as Axes, Lines};
use waltap_bench::servers::{Servers, kafka_options, postgres_options};
use waltap_bench::statistics::median;
use waltap_bench::{parameters, table};
use waltap_tests::{Kit, PROGRESS, Result, run_within};

use curve::{CURVES, Curve};
use drain::Cost;
use point::Point;

/// A database that is dropped has many locks, and a capture some connections for each of its databases.
const SETTINGS: [(&str, &str); 2] = [("max_locks_per_transaction", "1024"), ("max_connections", "600")];

/// A broker removes so many without making its clients wait too long.
const TOPICS_AT_ONCE: usize = 500;

/// The servers, and who starts more.
struct Bench<'a> {
    servers: Servers,
    kit: &'a Kit,
}

/// What is shown of a point.
struct Figure {
    /// In the name of its curve.
    name: &'static str,
    /// What it is measured in.
    unit: &'static str,
    of: fn(&Cost) -> f64,
}

const FIGURES: [Figure; 5] = [
    Figure { name: "start", unit: "seconds until streaming, the first time", of: |cost| cost.first_start.as_secs_f64() },
    Figure { name: "again", unit: "seconds until streaming, again", of: |cost| cost.start_again.as_secs_f64() },
    Figure { name: "speed", unit: "rows a second", of: |cost| cost.rows_per_second },
    Figure { name: "cpu", unit: "CPU µs a row", of: |cost| cost.cpu_micros },
    Figure { name: "memory", unit: "peak MiB", of: |cost| cost.peak_mebibytes },
];

fn main() -> Result {
    let (rounds, size) = (parameters::rounds()?, parameters::size()?);
    let curves = parameters::chosen("CURVES", CURVES, |curve| curve.name().to_owned())?;
    let most = parameters::number("MOST", f64::INFINITY)?;
    let mut lines = Lines::of("growth")?;
    println!("{}; {rounds} rounds, size {size}", table::machine());
    run_within("bench_growth", Duration::from_secs(12 * 3_600), async |kit| {
        let options = SETTINGS.iter().fold(postgres_options(), |options, (name, value)| options.set(name, value));
        let bench = Bench {
            servers: Servers { postgres: kit.postgres_with(options).await?, kafka: kit.kafka_with(kafka_options()).await? },
            kit,
        };
        for curve in curves {
            let mut points = curve.points(size);
            points.retain(|point| point.x <= most);
            // Transactions are no smaller than a row.
            points.dedup_by_key(|point| point.x.to_bits());
            let rows = grow(&bench, curve, &points, rounds, &mut lines).await?;
            println!("\n{}\n", curve.x_name());
            let head = [curve.x_name(), "rows", "first start, s", "again, s", "rows/s", "CPU µs a row", "peak MiB"];
            table::print(&head, &rows);
        }
        lines.print_place();
        Ok(())
    })
}

/// The rows of a curve's table. Each point is written to the results when it is done.
async fn grow(bench: &Bench<'_>, curve: Curve, points: &[Point], rounds: usize, lines: &mut Lines) -> Result<Vec<Vec<String>>> {
    let mut costs = vec![Vec::new(); points.len()];
    for round in 0..rounds {
        for (place, (point, costs)) in points.iter().zip(&mut costs).enumerate() {
            wait_for_quiet().await?;
            let foreign = Foreign::now()?;
            let cost = drain::measure(bench, &format!("{}_{place}_{round}", curve.name()), point).await?;
            lines.write(json!({
                "grows": curve.name(),
                "at": point.x,
                "round": round,
                "rows": point.rows_written(),
                "first_start_seconds": cost.first_start.as_secs_f64(),
                "start_again_seconds": cost.start_again.as_secs_f64(),
                "rows_per_second": cost.rows_per_second,
                "cpu_micros_a_row": cost.cpu_micros,
                "peak_mebibytes": cost.peak_mebibytes,
                "foreign_cores": foreign.cores()?,
            }))?;
            costs.push(cost);
        }
    }
    let mut rows = Vec::new();
    for (point, costs) in points.iter().zip(&costs) {
        let medians = FIGURES.map(|figure| median(costs.iter().map(figure.of)));
        for (figure, median) in FIGURES.iter().zip(medians) {
            let name = format!("{}-{}", curve.name(), figure.name);
            let axes = Axes { name: &name, x_name: curve.x_name(), y_name: figure.unit };
            lines.point(&axes, "waltap", point.x, median)?;
        }
        let [first, again, speed, cpu, memory] = medians;
        rows.push(vec![
            point.x.to_string(),
            point.rows_written().to_string(),
            format!("{first:.2}"),
            format!("{again:.2}"),
            format!("{speed:.0}"),
            format!("{cpu:.2}"),
            format!("{memory:.0}"),
        ]);
    }
    Ok(rows)
}

impl Bench<'_> {
    /// Removes what a capture has made in Kafka, and all progress, which the next one would read through.
    async fn remove_topics(&self, name: &str) -> Result {
        let topics = self.servers.kafka.topics();
        let prefix = format!("{name}.");
        let names = topics.names().await?;
        let own: Vec<&str> =
            names.iter().map(String::as_str).filter(|topic| topic.starts_with(&prefix) || *topic == PROGRESS).collect();
        for some in own.chunks(TOPICS_AT_ONCE) {
            topics.delete_all(some).await?;
        }
        Ok(())
    }
}
