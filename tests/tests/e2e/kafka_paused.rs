//! The slot never passes what Kafka has not confirmed, and no side gives up on the other meanwhile.

use std::fs;
use std::time::Duration;

use waltap_tests::{Postgres, PostgresOptions, Random, Result, ensure, oracle, run_within, wait_for, wait_until};

use crate::seconds;
use crate::workload::{Writers, members};

const DATABASE: &str = "shop";

/// More than two times `wal_sender_timeout`, below; `E2E_PAUSE_SECONDS=300` shows it for five minutes.
const PAUSE_SECONDS: u64 = 25;

/// How long the slot must have stood still to be at rest.
const REST: Duration = Duration::from_secs(2);

/// What Kafka had confirmed may still be on its way back. Where the slot stands once it is there.
async fn wait_at_rest(postgres: &Postgres) -> Result<Option<u64>> {
    wait_for("the slot comes to rest", Duration::from_secs(60), async || {
        let before = postgres.confirmed(DATABASE).await?;
        tokio::time::sleep(REST).await;
        Ok((postgres.confirmed(DATABASE).await? == before).then_some(before))
    })
    .await
}

#[test]
fn the_slot_stands_still_while_kafka_does() -> Result {
    let pause = seconds("E2E_PAUSE_SECONDS", PAUSE_SECONDS);
    run_within("kafka_paused", pause + Duration::from_secs(300), async |kit| {
        let postgres = kit.postgres_with(PostgresOptions::default().set("wal_sender_timeout", "10s")).await?;
        let mut kafka = kit.kafka().await?;
        postgres.create_database(DATABASE).await?;
        let members = members(&[DATABASE], 8);
        for member in &members {
            member.create(&postgres, 100).await?;
        }
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", DATABASE])?;
        waltap.wait_streaming().await?;
        let writers = Writers::start(postgres.port(), &members, 2, Random::seed());
        let before = postgres.confirmed(DATABASE).await?;
        wait_until("the slot moves under load", Duration::from_secs(60), async || {
            Ok(postgres.confirmed(DATABASE).await? > before)
        })
        .await?;
        let sql = postgres.sql("postgres").await?;
        let walsender = sql.value("SELECT active_pid FROM pg_replication_slots WHERE NOT temporary").await?;

        kafka.pause()?;
        let paused_at = wait_at_rest(&postgres).await?;
        let written = postgres.written().await?;
        tokio::time::sleep(pause).await;
        ensure!(postgres.confirmed(DATABASE).await? == paused_at, "the slot moved though nothing was confirmed");
        ensure!(postgres.written().await? > written + 100_000, "the writers stood still: nothing was shown");
        let resident_bytes = waltap.process().resident_bytes()?;
        ensure!(resident_bytes < 100_000_000, "waltap holds {resident_bytes} bytes");
        let walsender_after = sql.value("SELECT active_pid FROM pg_replication_slots WHERE NOT temporary").await?;
        ensure!(walsender == walsender_after, "the connection was lost: walsender {walsender}, then {walsender_after}");

        kafka.resume()?;
        let what = "the slot goes on";
        wait_until(what, Duration::from_secs(60), async || Ok(postgres.confirmed(DATABASE).await? > paused_at)).await?;
        println!("{:?}, paused for {pause:?}, {resident_bytes} bytes resident", writers.stop().await?);
        postgres.wait_confirmed(&[DATABASE], Duration::from_secs(120)).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &[DATABASE]).await?;
        for entry in fs::read_dir(kit.folder())?.flatten() {
            let log = fs::read_to_string(entry.path()).unwrap_or_default();
            ensure!(!log.contains("replication timeout"), "a timeout in {}", entry.path().display());
        }
        Ok(())
    })
}
