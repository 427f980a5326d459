//! Faults of the slot.

use waltap_tests::{Postgres, PostgresOptions, Result, ensure, oracle, run, wait_until};

use super::{DEADLINE, shop};

#[test]
fn a_slot_that_another_reads() -> Result {
    run("slot_in_use", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let mut first = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        first.wait_streaming().await?;
        let mut second = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        second.wait_log("WT0009", DEADLINE).await?;
        ensure!(first.get("/readyz").await?.status == 200, "the first was disturbed");
        first.kill().await?;
        if second.process().ended()?.is_some() {
            second.start_again()?;
        }
        // It takes over, whether it waited or was started again.
        second.wait_streaming().await?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        second.terminate().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn a_slot_that_is_dropped_while_it_is_read() -> Result {
    run("slot_dropped", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        drop_slot(&postgres).await?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        waltap.wait_log("WT0010", DEADLINE).await?;
        // Never silent: it neither makes a new slot nor goes on as if nothing were lost.
        let slots = postgres.sql("postgres").await?.number("SELECT count(*) FROM pg_replication_slots").await?;
        ensure!(slots == 0, "a slot was made without being asked for");
        if waltap.process().ended()?.is_none() {
            waltap.kill().await?;
        }
        let log = waltap.log().len();
        waltap.start_again()?;
        wait_until("the next start says so too", DEADLINE, async || Ok(waltap.log()[log..].contains("WT0010"))).await
    })
}

/// An active slot cannot be dropped: its reader is thrown out, again and again, until the drop is quicker.
async fn drop_slot(postgres: &Postgres) -> Result {
    let sql = postgres.sql("postgres").await?;
    wait_until("the slot is dropped", DEADLINE, async || {
        sql.run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active").await?;
        sql.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots").await?;
        Ok(sql.number("SELECT count(*) FROM pg_replication_slots").await? == 0)
    })
    .await
}
