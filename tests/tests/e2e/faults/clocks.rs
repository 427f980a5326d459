//! The clock of waltap's machine steps while it streams.

use std::time::{Duration, Instant};

use waltap_tests::{Clock, PostgresOptions, Result, Waltap, ensure, oracle, run};

use super::{DEADLINE, shop};

/// How long the server waits for a sign of life.
const PATIENCE: Duration = Duration::from_secs(3);

const HOUR: i64 = 3600;

async fn status(waltap: &Waltap) -> Result<serde_json::Value> {
    let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
    Ok(status["taps"][0].clone())
}

#[test]
fn a_clock_that_steps_forward_and_back_changes_nothing() -> Result {
    run("clock_steps", async |kit| {
        let options = PostgresOptions::default().set("wal_sender_timeout", &format!("{}s", PATIENCE.as_secs()));
        let (postgres, kafka) = shop(kit, options).await?;
        let clock = Clock::new(kit.folder())?;
        let (source, brokers) = (postgres.url("postgres"), kafka.brokers());
        let arguments = ["capture", "--database", "shop", "--source", &source, "--brokers", &brokers, "--stall-timeout", "30s"];
        let environment = clock.environment();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut waltap = kit.waltap(&arguments, &environment)?;
        waltap.wait_streaming().await?;
        let shop = postgres.sql("shop").await?;
        let walsender = "SELECT active_pid FROM pg_replication_slots WHERE NOT temporary";
        let before = shop.value(walsender).await?;
        // Half an hour forward, and a day back.
        for step in [HOUR / 2, -24 * HOUR] {
            clock.set(step)?;
            // Longer than the server would wait, with changes all the time and at rest.
            let stepped = Instant::now();
            // What was written by the server's clock just now is as old as waltap's is ahead of it, and never older than that.
            let lag_max = step.max(0) as f64 + DEADLINE.as_secs_f64();
            while stepped.elapsed() < PATIENCE {
                shop.run("INSERT INTO t SELECT max(id) + 1 FROM t").await?;
                let lag = status(&waltap).await?["lag_seconds"].as_f64().unwrap_or(-1.0);
                ensure!((0.0..=lag_max).contains(&lag), "a lag of {lag} s after a step of {step} s");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            postgres.wait_confirmed(&["shop"], DEADLINE).await?;
            tokio::time::sleep(PATIENCE).await;
            ensure!(
                shop.value(walsender).await? == before,
                "the connection was lost after a step of {step} s:\n{}",
                waltap.log()
            );
            let (ready, status) = (waltap.get("/readyz").await?, status(&waltap).await?);
            ensure!(ready.status == 200 && !ready.body.contains("stalled"), "a false alarm after {step} s: {}", ready.body);
            ensure!(status["reconnects"] == 0 && status["error"].is_null(), "after {step} s: {status}");
        }
        ensure!(!waltap.log().contains("stalled"), "a false alarm:\n{}", waltap.log());

        // Further than brokers take records from: that is said and waited for.
        clock.set(2 * HOUR)?;
        shop.run("INSERT INTO t SELECT max(id) + 1 FROM t").await?;
        let written = postgres.written().await?;
        waltap.wait_log("WT0025", DEADLINE).await?;
        waltap.wait_log("clock", DEADLINE).await?;
        waltap.process().ensure_running()?;
        ensure!(postgres.confirmed("shop").await? < Some(written), "the slot has passed what Kafka does not have");
        clock.set(0)?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
