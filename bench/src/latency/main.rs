//! How long it takes from a commit to its reader, at steady rates: the whole way through waltap, and each half of it by the barest programs, so
//! that it is seen where the time goes.
//!
//! Commits are sent by a schedule, and the time counts from their sending, in the row itself. Writers and readers are this one process, with
//! one clock.

mod clock;
mod contender;
mod floor;
mod writers;

use std::time::Duration;

use serde_json::json;
use waltap_bench::foreign::{Foreign, wait_for_quiet};
use waltap_bench::lines::Lines;
use waltap_bench::servers::{Servers, kafka_options, postgres_options};
use waltap_bench::statistics::median;
use waltap_bench::{parameters, table};
use waltap_tests::{Kit, Result, run_within};

use contender::{CONTENDERS, Contender, Turn};

const DATABASE: &str = "bench";

/// Transactions a second, unless `RATES` says otherwise.
const RATES: [u32; 3] = [100, 1_000, 5_000];

/// How long is measured in each turn, unless `SECONDS` says otherwise.
const SECONDS: u32 = 10;

/// The servers, and who starts more.
struct Bench<'a> {
    servers: Servers,
    kit: &'a Kit,
    seconds: u32,
}

fn main() -> Result {
    let (rounds, seconds) = (parameters::rounds()?, parameters::number("SECONDS", SECONDS)?);
    let contenders = parameters::chosen("CONTENDERS", CONTENDERS, Contender::name)?;
    let rates = parameters::numbers("RATES", &RATES)?;
    // A commit waits for the disk, as where it matters.
    let fsync = parameters::text("FSYNC").unwrap_or_else(|| "on".to_owned());
    let mut lines = Lines::of("latency")?;
    println!("{}; {rounds} rounds in turns, of {seconds} s; fsync {fsync}", table::machine());
    run_within("bench_latency", Duration::from_secs(4 * 3_600), async |kit| {
        let servers = Servers {
            postgres: kit.postgres_with(postgres_options().set("fsync", &fsync)).await?,
            kafka: kit.kafka_with(kafka_options()).await?,
        };
        let bench = Bench { servers, kit, seconds };
        bench.servers.postgres.create_database(DATABASE).await?;
        let mut rows = Vec::new();
        for rate in rates {
            let mut turns = vec![Vec::new(); contenders.len()];
            for round in 0..rounds {
                for place in (0..contenders.len()).map(|place| (place + round) % contenders.len()) {
                    let contender = contenders[place];
                    wait_for_quiet().await?;
                    let foreign = Foreign::now()?;
                    let turn = contender.turn(&bench, rate, round).await?;
                    write_line(&mut lines, rate, round, contender, &turn, foreign.cores()?)?;
                    turns[place].push(turn);
                }
            }
            rows.extend(contenders.iter().zip(&turns).map(|(contender, turns)| row(rate, *contender, turns)));
        }
        println!("\nFrom the sending of a commit, or of a record, in milliseconds: medians of the rounds.\n");
        let head = [
            "a second",
            "from, to",
            "median",
            "90 of 100",
            "99 of 100",
            "slowest",
            "commit answered",
            "99 of 100",
            "sent late, 99 of 100",
            "CPU µs a row",
        ];
        table::print(&head, &rows);
        lines.print_place();
        Ok(())
    })
}

fn write_line(lines: &mut Lines, rate: u32, round: usize, contender: Contender, turn: &Turn, foreign: f64) -> Result {
    lines.write(json!({
        "round": round,
        "rate": rate,
        "contender": contender.name(),
        "median_ms": turn.median,
        "p90_ms": turn.p90,
        "p99_ms": turn.p99,
        "slowest_ms": turn.slowest,
        "answered_median_ms": turn.answered.0,
        "answered_p99_ms": turn.answered.1,
        "late_p99_ms": turn.late_p99,
        "cpu_micros_a_row": turn.cpu_micros,
        "foreign_cores": foreign,
    }))
}

fn row(rate: u32, contender: Contender, turns: &[Turn]) -> Vec<String> {
    let median = |of: fn(&Turn) -> f64| {
        let median = median(turns.iter().map(of));
        if median.is_nan() { String::new() } else { format!("{median:.2}") }
    };
    vec![
        rate.to_string(),
        contender.name(),
        median(|turn| turn.median),
        median(|turn| turn.p90),
        median(|turn| turn.p99),
        median(|turn| turn.slowest),
        median(|turn| turn.answered.0),
        median(|turn| turn.answered.1),
        median(|turn| turn.late_p99),
        median(|turn| turn.cpu_micros),
    ]
}
