//! From a commit to its reader, at a steady rate.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::MissedTickBehavior;
use waltap_tests::{Failure, Result, Sql, ensure};

use super::reader::Isolation;
use super::{Bench, reader};

/// How long is measured, after a second that is not.
const SECONDS: u32 = 10;

/// Connections that commit in turns, so that none has to wait for the one before.
const WRITERS: usize = 8;

/// In milliseconds.
pub(crate) struct Quantiles {
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) slowest: f64,
}

fn now_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// Measures once, in a table of its own.
pub(crate) async fn measure(bench: &Bench<'_>, rate: u32, delivery: &str, round: usize) -> Result<Quantiles> {
    let name = format!("l{rate}_{}_{round}", delivery.replace('-', "_"));
    let sql = bench.postgres.sql("bench").await?;
    sql.run(&format!("CREATE TABLE {name} (id serial PRIMARY KEY, sent bigint)")).await?;
    let mut waltap = bench.capture(&name, &name, delivery)?;
    waltap.wait_streaming().await?;
    let (brokers, topic, wanted) = (bench.kafka.brokers(), format!("{name}.{name}"), rate * (SECONDS + 1));
    let reading = tokio::task::spawn_blocking(move || {
        let mut latencies = Vec::with_capacity(wanted as usize);
        reader::read(&brokers, &topic, Isolation::Committed, |value, _| {
            latencies.push(now_micros().saturating_sub(sent(value)) as f64 / 1_000.0);
            latencies.len() < wanted as usize
        })?;
        Ok::<Vec<f64>, Failure>(latencies)
    });
    write(bench, &name, rate, wanted).await?;
    let mut latencies = reading.await.map_err(|error| Failure::new(error.to_string()))??.split_off(rate as usize);
    ensure!(waltap.terminate().await? == 0, "waltap did not stop as asked");
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    Ok(Quantiles { median: at(0.5), p99: at(0.99), slowest: latencies.last().copied().unwrap_or(f64::NAN) })
}

/// Commits so many rows at the rate.
async fn write(bench: &Bench<'_>, table: &str, rate: u32, rows: u32) -> Result {
    let started = Instant::now();
    let tasks: Vec<_> = {
        let mut connections = Vec::new();
        for _ in 0..WRITERS {
            connections.push(bench.postgres.sql("bench").await?);
        }
        let spawn = |(writer, sql): (usize, Sql)| {
            let (table, count) = (table.to_owned(), rows as usize / WRITERS + usize::from(writer < rows as usize % WRITERS));
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(Duration::from_secs(1) * WRITERS as u32 / rate);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                for _ in 0..count {
                    ticks.tick().await;
                    sql.run(&format!("INSERT INTO {table} (sent) VALUES ({})", now_micros())).await?;
                }
                Ok::<(), Failure>(())
            })
        };
        connections.into_iter().enumerate().map(spawn).collect()
    };
    for task in tasks {
        task.await.map_err(|error| Failure::new(error.to_string()))??;
    }
    let wanted = Duration::from_secs(1) * rows / rate;
    ensure!(started.elapsed() < wanted * 3 / 2, "{rate} transactions a second are more than this machine commits");
    Ok(())
}

/// The time that a row holds.
fn sent(value: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(value);
    let digits = text.rsplit_once("\"sent\":").map_or("", |(_, rest)| rest);
    digits.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}
