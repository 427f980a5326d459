//! Disks of the servers that take no more.

use waltap_tests::{PostgresOptions, Result, ensure, oracle, run, wait_until};

use super::{DEADLINE, fill, shop};

/// Of the source's slots: more than the slot itself needs, less than the large transaction.
const SLOTS_BYTES: u64 = 16 << 20;

/// Of Kafka: its log and its indexes.
const KAFKA_BYTES: u64 = 64 << 20;

#[test]
fn a_full_disk_of_the_source_is_named_and_waited_for() -> Result {
    run("source_disk", async |kit| {
        // What does not fit into this is put on the disk of the slots.
        let options = PostgresOptions::default().set("logical_decoding_work_mem", "64kB");
        let mut postgres = kit.postgres_with(options).await?;
        fill(&postgres).await?;
        postgres.stop_fast().await?;
        if !postgres.put_on_small_disk("pg_replslot", SLOTS_BYTES).await? {
            return Ok(());
        }
        postgres.start_again().await?;
        let kafka = kit.kafka().await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop", "--streaming", "off"])?;
        waltap.wait_streaming().await?;
        let shop = postgres.sql("shop").await?;
        shop.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;

        postgres.disk()?.fill()?;
        let before = postgres.written().await?;
        shop.run("INSERT INTO t SELECT generate_series(100, 20000)").await?;
        waltap.wait_log("No space left on device", DEADLINE).await?;
        ensure!(waltap.log().contains("WT0046"), "no code:\n{}", waltap.log());
        wait_until("the tap waits, and says for what", DEADLINE, async || {
            let status = waltap.get("/status").await?.body;
            Ok(status.contains("\"state\":\"waiting\"") && status.contains("WT0046"))
        })
        .await?;
        ensure!(postgres.confirmed("shop").await? <= Some(before), "the slot has passed what did not come");
        postgres.disk()?.free()?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn a_full_disk_of_kafka_is_named_and_waited_for() -> Result {
    run("kafka_disk", async |kit| {
        let (postgres, mut kafka) = shop(kit, PostgresOptions::default()).await?;
        kafka.stop().await?;
        if !kafka.put_on_small_disk(KAFKA_BYTES).await? {
            return Ok(());
        }
        kafka.start_again().await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        let shop = postgres.sql("shop").await?;
        shop.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;

        kafka.disk()?.fill()?;
        shop.run("INSERT INTO t SELECT generate_series(100, 20000)").await?;
        let written = postgres.written().await?;
        // A broker whose only disk takes no more ends itself.
        kafka.wait_end(DEADLINE).await?;
        waltap.wait_log("waiting for Kafka", DEADLINE).await?;
        waltap.process().ensure_running()?;
        ensure!(waltap.log().contains("WT0020"), "no code:\n{}", waltap.log());
        ensure!(postgres.confirmed("shop").await? < Some(written), "the slot has passed what Kafka does not have");
        kafka.disk()?.free()?;
        kafka.start_again().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
