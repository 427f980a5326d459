//! `make demo`: a small shop in a private PostgreSQL, a Kafka, waltap between them, a live workload, and at the end the proof
//! that every table can be rebuilt from its topic.

mod broker;
mod screen;
mod shop;
mod workload;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use waltap_tests::{Failure, Kit, Result, Waltap, oracle, run_within};

use crate::broker::Broker;
use crate::screen::Screen;
use crate::workload::Workload;

/// How long the workload runs, unless `DEMO_SECONDS` says otherwise.
const SECONDS: u64 = 20;

/// A line about how it goes, so often.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let outcome = run_within("demo", Duration::from_secs(900), async |kit| {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = Box::pin(demo(kit)) => outcome,
            // Whatever runs is stopped, and its files are removed, by the fall of `demo`.
            _ = interrupted.recv() => Err(Failure::new("interrupted")),
            _ = terminated.recv() => Err(Failure::new("terminated")),
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("demo: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(kit: &Kit) -> Result {
    let screen = Screen::new();
    let seconds = std::env::var("DEMO_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(SECONDS);

    let start = Instant::now();
    let (postgres, broker) = tokio::join!(kit.postgres(), Broker::start(kit));
    let (postgres, broker) = (postgres?, broker?);
    screen.step(&format!(
        "PostgreSQL on port {} and {} are up ({:.1} s)",
        postgres.port(),
        broker.name(),
        start.elapsed().as_secs_f64()
    ));
    shop::create(&postgres).await?;
    screen.step("a small shop is in it: databases shop, crm and billing, filled with rows");

    let (source, brokers) = (postgres.url("postgres"), broker.brokers());
    screen.command(&format!("waltap capture --source {source} --brokers {brokers}"));
    let start = Instant::now();
    let mut waltap = kit.waltap(&["capture", "--source", &source, "--brokers", &brokers, "--discovery-interval", "2s"], &[])?;
    waltap.wait_streaming().await?;
    screen.step(&format!(
        "every row that was there is in Kafka; changes follow as they come ({:.1} s)",
        start.elapsed().as_secs_f64()
    ));

    let follower = screen.follow(broker.topics(), &shop::DATABASES);
    let workload = Workload::start(postgres.port());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(REPORT_INTERVAL.min(Duration::from_secs(seconds).saturating_sub(start.elapsed()))).await;
        waltap.process().ensure_running()?;
        screen.step(&format!(
            "{:.0} s: {} transactions committed; {}",
            start.elapsed().as_secs_f64(),
            workload.committed(),
            lag(&waltap).await.unwrap_or_else(|failure| failure.to_string())
        ));
    }
    let committed = workload.stop().await?;
    follower.stop().await?;
    let start = Instant::now();
    postgres.wait_confirmed(&shop::DATABASES, Duration::from_secs(60)).await?;
    screen.step(&format!(
        "the workload has ended after {committed} transactions; all of it was confirmed {:.0} ms later",
        start.elapsed().as_secs_f64() * 1e3
    ));
    let code = waltap.terminate().await?;
    waltap_tests::ensure!(code == 0, "waltap stopped with exit code {code}");

    screen.step("each table is rebuilt from its topic alone, and compared with the source, row for row");
    let reports = oracle::compare(&postgres, &broker.topics(), &shop::DATABASES).await?;
    screen.table(&reports);
    let unequal = reports.iter().filter(|report| !report.is_equal()).count();
    waltap_tests::ensure!(unequal == 0, "{unequal} of {} tables differ", reports.len());
    screen.good(&format!("all {} tables are equal", reports.len()));
    Ok(())
}

/// What the status page says about the lag, over all taps.
async fn lag(waltap: &Waltap) -> Result<String> {
    let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
    let taps = status["taps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let events: u64 = taps.iter().filter_map(|tap| tap["events"].as_u64()).sum();
    let rate: f64 = taps.iter().filter_map(|tap| tap["events_per_second"].as_f64()).sum();
    let lag = taps.iter().filter_map(|tap| tap["lag_seconds"].as_f64()).fold(0.0, f64::max);
    Ok(format!("{events} events in Kafka, {rate:.0} a second, {lag:.2} s behind"))
}
