//! Batches that would wait for company for minutes hold up no commit.

use waltap_tests::{Result, ensure, oracle, run, wait_until};

use super::DEADLINE;

/// Longer than anything here is waited for, and less than a Kafka transaction may last.
const LINGER: &str = "linger.ms=250000";

/// Two lots of a snapshot: of tables that were never analysed eight make one.
const TABLES: usize = 10;

#[test]
fn batches_that_wait_for_minutes_hold_up_no_snapshot_and_no_change() -> Result {
    run("exactly_once_batches", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        for table in 0..TABLES {
            shop.run(&format!("CREATE TABLE t{table} (id int PRIMARY KEY); INSERT INTO t{table} SELECT generate_series(1, 100)"))
                .await?;
        }
        let flags = ["--delivery", "exactly-once", "--kafka-property", LINGER, "--partitions", "3"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        for id in 101..=103 {
            shop.run(&format!("INSERT INTO t0 VALUES ({id})")).await?;
            wait_until("the change is seen", DEADLINE, async || Ok(kafka.topics().read("shop.public.t0").await?.len() == id))
                .await?;
        }
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        let reports = oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        ensure!(reports.len() == TABLES && reports.iter().all(|report| report.repeats == 0), "{reports:?}");
        Ok(())
    })
}
