//! A captured database in which nothing happens does not hold the WAL of the busy one beside it.

use std::time::Duration;

use waltap_tests::{Result, ensure, run, wait_until};

/// More than one WAL segment and what a checkpoint leaves; much less than what is written.
const RETAINED_BYTES_MAX: i64 = 48 * 1024 * 1024;

const ROUNDS: u32 = 4;

#[test]
fn an_idle_database_retains_no_wal_of_a_busy_one() -> Result {
    run("idle_database", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let quiet = postgres.create_database("quiet").await?;
        quiet.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await?;
        let busy = postgres.create_database("busy").await?;
        busy.run("CREATE TABLE b (id bigserial, body text)").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "quiet"])?;
        waltap.wait_streaming().await?;
        let start = postgres.written().await?;
        for round in 1..=ROUNDS {
            busy.run("INSERT INTO b (body) SELECT repeat(md5(g::text), 30) FROM generate_series(1, 60000) g").await?;
            // A checkpoint notes the running transactions, which lets a slot give old WAL up.
            busy.run("CHECKPOINT").await?;
            let what = format!("round {round}: the slot retains less than {RETAINED_BYTES_MAX} bytes");
            wait_until(&what, Duration::from_secs(60), async || {
                let query = "SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots WHERE NOT temporary";
                let retained = busy.number(query).await?;
                ensure!(retained < RETAINED_BYTES_MAX, "{retained} bytes");
                Ok(true)
            })
            .await?;
        }
        let written = postgres.written().await? - start;
        ensure!(written > 3 * RETAINED_BYTES_MAX as u64, "only {written} bytes were written: nothing was shown");
        quiet.run("INSERT INTO t VALUES (2)").await?;
        postgres.wait_confirmed(&["quiet"], Duration::from_secs(60)).await?;
        ensure!(kafka.topics().read("quiet.public.t").await?.len() == 2, "the late row did not arrive");
        waltap.stop_cleanly().await
    })
}

#[test]
fn a_heartbeat_moves_the_slot_where_nobody_writes() -> Result {
    run("heartbeat", async |kit| {
        let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
        let quiet = postgres.create_database("quiet").await?;
        quiet.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "quiet", "--messages", "--heartbeat-interval", "1s"])?;
        waltap.wait_streaming().await?;
        for _ in 0..2 {
            let before = postgres.written().await?;
            wait_until("a heartbeat is confirmed", Duration::from_secs(60), async || {
                Ok(postgres.confirmed("quiet").await?.is_some_and(|confirmed| confirmed > before))
            })
            .await?;
        }
        quiet.run("SELECT pg_logical_emit_message(true, 'mine', 'told')").await?;
        postgres.wait_confirmed(&["quiet"], Duration::from_secs(60)).await?;
        waltap.stop_cleanly().await?;
        let messages = kafka.topics().read("quiet.message").await?;
        let told = messages.iter().filter_map(|record| record.value.as_deref()).filter(|value| value.contains("mine")).count();
        ensure!((messages.len(), told) == (1, 1), "marks of waltap's own became events: {messages:?}");
        Ok(())
    })
}
