//! Tables that join, with Kafka transactions.

use waltap_tests::{Result, ensure, oracle, run, wait_until};

use super::DEADLINE;

#[test]
fn what_came_before_a_new_table_is_seen_while_its_snapshot_is_waited_for() -> Result {
    run("exactly_once_joining", async |kit| {
        let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
        let shop = postgres.create_database("shop").await?;
        // One that has new tables in it by itself: their changes come before anybody has looked at the catalog.
        shop.run("CREATE TABLE other (id int PRIMARY KEY); CREATE PUBLICATION every FOR ALL TABLES").await?;
        let flags = ["--database", "shop", "--publication", "every", "--delivery", "exactly-once"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        // The snapshot of a new table waits for this.
        let open = postgres.sql("shop").await?;
        open.run("BEGIN; INSERT INTO other VALUES (1)").await?;
        shop.run(
            "BEGIN; INSERT INTO other VALUES (2); CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (1); COMMIT",
        )
        .await?;
        let topics = kafka.topics();
        wait_until("what came before the new table is committed", DEADLINE, async || {
            Ok(topics.read("shop.public.other").await?.len() == 1)
        })
        .await?;
        ensure!(topics.read("shop.public.fresh").await?.is_empty(), "the new table was not waited for");
        open.run("COMMIT").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        let reports = oracle::ensure_equal(&postgres, &topics, &["shop"]).await?;
        ensure!(reports.len() == 2 && reports.iter().all(|report| report.repeats == 0), "{reports:?}");
        Ok(())
    })
}
