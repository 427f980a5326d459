//! The guard: a slot does not fill the disk of the source unseen, and a tap does not stand still unseen.

use std::time::Duration;

use waltap_tests::{Kafka, Kit, Postgres, PostgresOptions, Result, Waltap, ensure, oracle, run, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

/// More than the bound of the tests, less than what a server keeps anyway.
const BOUND: &str = "32MiB";
const WRITTEN_BYTES: u64 = 64 << 20;

async fn start(kit: &Kit) -> Result<(Postgres, Kafka)> {
    // So that log is removed as soon as no slot keeps it.
    let options = PostgresOptions::default().set("max_wal_size", "32MB").set("min_wal_size", "32MB");
    let (postgres, kafka) = (kit.postgres_with(options).await?, kit.kafka().await?);
    let shop = postgres.create_database("shop").await?;
    shop.run("CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) VALUES ('first')").await?;
    Ok((postgres, kafka))
}

/// Writes more log than the bound.
async fn write(postgres: &Postgres) -> Result {
    let shop = postgres.sql("shop").await?;
    let before = postgres.written().await?;
    while postgres.written().await? < before + WRITTEN_BYTES {
        shop.run("INSERT INTO t (v) SELECT repeat(md5(g::text), 30) FROM generate_series(1, 5000) g").await?;
    }
    Ok(())
}

async fn slots(postgres: &Postgres) -> Result<String> {
    postgres.sql("postgres").await?.value("SELECT count(*)::text FROM pg_replication_slots").await
}

/// How much log is on the server's disk after a checkpoint.
async fn log_bytes(postgres: &Postgres) -> Result<u64> {
    let sql = postgres.sql("postgres").await?;
    sql.run("CHECKPOINT").await?;
    Ok(sql.value("SELECT sum(size)::bigint::text FROM pg_ls_waldir()").await?.parse()?)
}

async fn wait_alarm(waltap: &Waltap, alarm: &str, status: u16) -> Result {
    wait_until(&format!("the alarm {alarm}"), DEADLINE, async || {
        let ready = waltap.get("/readyz").await?;
        Ok(ready.status == status && ready.body.contains(&format!("shop: {alarm}: ")))
    })
    .await
    .map_err(|failure| failure.while_doing(waltap.log()))?;
    let metrics = waltap.get("/metrics").await?.body;
    ensure!(metrics.contains(&format!(r#"waltap_alarm{{database="shop",alarm="{alarm}"}} 1"#)), "{metrics}");
    Ok(())
}

#[test]
fn a_slot_that_keeps_too_much_is_given_up_and_the_disk_is_given_back() -> Result {
    run("guard_drop", async |kit| {
        let (postgres, mut kafka) = start(kit).await?;
        let flags = ["--database", "shop", "--max-retained-wal", BOUND, "--on-max-retained-wal", "drop-slot"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        kafka.pause()?;
        write(&postgres).await?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "waltap did not fail:\n{}", waltap.log());
        let log = waltap.log();
        for part in ["WT0055", "do not reach Kafka", "waltap slots drop", "the slot is dropped"] {
            ensure!(log.contains(part), "{part} is not in:\n{log}");
        }
        ensure!(slots(&postgres).await? == "0", "the slot is still there");
        wait_until("the disk is given back", DEADLINE, async || Ok(log_bytes(&postgres).await? < WRITTEN_BYTES)).await?;

        kafka.resume()?;
        // Nothing goes on by itself.
        let mut again = kit.capture(&postgres, &kafka, &flags)?;
        ensure!(again.wait_exit(DEADLINE).await? == 1 && again.log().contains("WT0010"), "{}", again.log());
        let (source, brokers) = (postgres.url("postgres"), kafka.brokers());
        let drop = ["slots", "drop", "--yes", "--database", "shop", "--source", &source, "--brokers", &brokers];
        kit.output(&drop, &[], DEADLINE).await?.expect(0, &[])?;
        let mut anew = kit.capture(&postgres, &kafka, &flags)?;
        anew.wait_streaming().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        anew.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn a_slot_is_given_up_before_kafka_has_ever_answered() -> Result {
    run("guard_drop_at_start", async |kit| {
        let (postgres, mut kafka) = start(kit).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        waltap.stop_cleanly().await?;
        write(&postgres).await?;
        let flags = ["--database", "shop", "--max-retained-wal", BOUND, "--on-max-retained-wal", "drop-slot"];
        // The slot is not that of those who only look, or only read rows.
        for only in [["--snapshot", "only"], ["--sink", "stdout"]] {
            let source = postgres.url("postgres");
            let brokers = kafka.brokers();
            let kafka_flags: &[&str] = if only[0] == "--sink" { &[] } else { &["--brokers", &brokers] };
            let mut passing =
                kit.waltap(&[&["capture", "--source", &source], kafka_flags, &flags[..], &only[..]].concat(), &[])?;
            match only[0] {
                "--sink" => {
                    passing.wait_streaming().await?;
                    ensure!(passing.terminate().await? == 0, "the look did not stop as asked:\n{}", passing.log());
                }
                _ => ensure!(passing.wait_exit(DEADLINE).await? == 0, "the rows were not read:\n{}", passing.log()),
            }
            ensure!(slots(&postgres).await? == "1", "{only:?} gave the slot up:\n{}", passing.log());
        }
        kafka.kill().await?;
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_log("the slot is dropped", DEADLINE).await?;
        ensure!(slots(&postgres).await? == "0", "the slot is still there");
        kafka.start_again().await?;
        let code = waltap.wait_exit(DEADLINE).await?;
        ensure!(code == 1 && waltap.log().contains("WT0055"), "waltap did not fail for that:\n{}", waltap.log());
        Ok(())
    })
}

#[test]
fn a_slot_that_keeps_much_and_a_tap_that_stands_still_are_told() -> Result {
    run("guard_warn", async |kit| {
        let (postgres, mut kafka) = start(kit).await?;
        let flags = ["--database", "shop", "--max-retained-wal", BOUND, "--stall-timeout", "10s"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        kafka.pause()?;
        write(&postgres).await?;
        wait_alarm(&waltap, "retained_wal", 503).await?;
        wait_alarm(&waltap, "stalled", 503).await?;
        let status = waltap.get("/status").await?.body;
        ensure!(status.contains("nothing has moved for"), "{status}");
        ensure!(slots(&postgres).await? == "1", "the slot was dropped");
        kafka.resume()?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        // What a slot keeps is given back by its next report after a checkpoint.
        wait_until("the alarms are over", DEADLINE, async || {
            let shop = postgres.sql("shop").await?;
            shop.run("INSERT INTO t (v) VALUES ('more')").await?;
            shop.run("CHECKPOINT").await?;
            let ready = waltap.get("/readyz").await?;
            Ok(ready.status == 200 && ready.body == "ready\n")
        })
        .await
        .map_err(|failure| failure.while_doing(waltap.log()))?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
