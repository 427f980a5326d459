//! Snapshots that are cut off in their middle: by a kill, and by an orderly stop.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use waltap_tests::{Kafka, Kit, Postgres, Proxy, Result, TopicEnds, Waltap, ensure, oracle, run, wait_until};

use super::DEADLINE;

const ROWS: usize = 60_000;

/// What the wire passes in a second while a snapshot is to be cut off: it would take minutes for the rows.
const NARROW: u64 = 100_000;

/// A server with a large table, and a wire to it.
async fn server(kit: &Kit) -> Result<(Postgres, Proxy)> {
    let postgres = kit.postgres().await?;
    let shop = postgres.create_database("shop").await?;
    shop.run(&format!(
        "CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 100);
         CREATE TABLE large (id int PRIMARY KEY, body text);
         INSERT INTO large SELECT g, repeat(md5(g::text), 4) FROM generate_series(1, {ROWS}) g; ANALYZE"
    ))
    .await?;
    let wire = Proxy::start(postgres.port()).await?;
    Ok((postgres, wire))
}

fn capture(kit: &Kit, postgres: &Postgres, wire: &Proxy, kafka: &Kafka, more: &[&str]) -> Result<Waltap> {
    let (source, brokers) = (postgres.url_through("postgres", wire.port()), kafka.brokers());
    let flags = ["capture", "--source", &source, "--brokers", &brokers, "--database", "shop", "--delivery", "exactly-once"];
    // One table after the other, each in a Kafka transaction of its own.
    kit.waltap(&[&flags[..], &["--snapshot-workers", "1"], more].concat(), &[])
}

/// How many records of the table are in Kafka, committed or not; the mark of the end of a transaction is one too.
fn written(kafka: &Kafka) -> Result<i64> {
    let topic = "shop.public.large".to_owned();
    Ok(TopicEnds::new(&format!("127.0.0.1:{}", kafka.port()), [topic], 1)?.read()?.values().sum())
}

/// Waits until Kafka has rows of the large table beyond so many records, and not all.
async fn wait_amid(kafka: &Kafka, beyond: i64) -> Result {
    wait_until("rows of the large table are sent", DEADLINE, async || Ok(written(kafka)? > beyond)).await?;
    let now = written(kafka)?;
    ensure!(now - beyond < ROWS as i64, "all rows were sent before it could be cut off: {now} after {beyond}");
    Ok(())
}

/// How often each row of the large table is there for a reader of committed records, with what happened to it.
async fn seen(kafka: &Kafka) -> Result<BTreeMap<u64, Vec<String>>> {
    let mut seen: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for record in kafka.topics().read("shop.public.large").await? {
        let event: Value = serde_json::from_str(record.value.as_deref().unwrap_or_default())?;
        let key: Value = serde_json::from_str(record.key.as_deref().unwrap_or_default())?;
        let id = key["id"].as_u64().unwrap_or_default();
        seen.entry(id).or_default().push(event["op"].as_str().unwrap_or_default().to_owned());
    }
    Ok(seen)
}

/// Fails unless a reader of committed records gets past what was left, long before Kafka itself would roll it back.
async fn ensure_nothing_is_open(kafka: &Kafka) -> Result {
    let topic = "shop.public.large";
    kafka.topics().produce(topic, &[("mark", "mark")]).await?;
    wait_until("readers get past what was cut off", Duration::from_secs(30), async || {
        Ok(kafka.topics().read(topic).await?.iter().any(|record| record.key.as_deref() == Some("mark")))
    })
    .await
}

#[test]
fn rows_alone_come_once_though_a_run_was_killed() -> Result {
    run("exactly_once_only", async |kit| {
        let (postgres, wire) = server(kit).await?;
        let kafka = kit.kafka().await?;
        wire.throttle(Some(NARROW));
        let mut waltap = capture(kit, &postgres, &wire, &kafka, &["--snapshot", "only", "--table", "public.large"])?;
        wait_amid(&kafka, 0).await?;
        waltap.kill().await?;
        ensure!(seen(&kafka).await?.is_empty(), "a part of the table was committed");
        wire.heal();
        waltap.start_again()?;
        let code = waltap.wait_exit(DEADLINE).await?;
        ensure!(code == 0, "exit code {code}:\n{}", waltap.process().log_tail(20));
        let seen = seen(&kafka).await?;
        ensure!(seen.len() == ROWS, "{} rows of {ROWS}", seen.len());
        let doubled = seen.iter().find(|(_, ops)| **ops != ["r"]);
        ensure!(doubled.is_none(), "{doubled:?}");
        let slots = postgres.sql("shop").await?.number("SELECT count(*) FROM pg_replication_slots").await?;
        ensure!(slots == 0, "{slots} slots were left");
        Ok(())
    })
}

#[test]
fn rows_alone_leave_no_transaction_open_when_they_are_stopped() -> Result {
    run("exactly_once_only_stopped", async |kit| {
        let (postgres, wire) = server(kit).await?;
        let kafka = kit.kafka().await?;
        wire.throttle(Some(NARROW));
        let mut waltap = capture(kit, &postgres, &wire, &kafka, &["--snapshot", "only"])?;
        wait_amid(&kafka, 0).await?;
        waltap.stop_cleanly().await?;
        ensure!(seen(&kafka).await?.is_empty(), "a part of the table was committed");
        ensure_nothing_is_open(&kafka).await
    })
}

#[test]
fn an_orderly_stop_amid_a_snapshot_leaves_each_row_once() -> Result {
    run("exactly_once_stopped", async |kit| {
        let (postgres, wire) = server(kit).await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.sql("shop").await?;
        wire.throttle(Some(NARROW));
        let mut waltap = capture(kit, &postgres, &wire, &kafka, &[])?;
        let mut sent = 0;
        for round in 0..3_u64 {
            wait_amid(&kafka, sent).await?;
            waltap.stop_cleanly().await?;
            ensure!(seen(&kafka).await?.is_empty(), "a part of the table was committed");
            sent = written(&kafka)?;
            // What changes while it is down: the next attempt reads it so.
            let first = ROWS as u64 + 10 * round;
            shop.run(&format!(
                "DELETE FROM large WHERE id = {}; INSERT INTO large SELECT g, 'new' FROM generate_series({}, {}) g;
                 INSERT INTO small SELECT {}",
                round + 1,
                first + 1,
                first + 10,
                1000 + round
            ))
            .await?;
            waltap.start_again()?;
        }
        wire.heal();
        waltap.wait_streaming().await?;
        shop.run("UPDATE large SET body = 'changed' WHERE id <= 100").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        for (id, ops) in seen(&kafka).await? {
            let expected: &[&str] = match id {
                4..=100 => &["r", "u"],
                _ => &["r"],
            };
            ensure!(ops == expected, "row {id}: {ops:?}");
        }
        let reports = oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        ensure!(reports.iter().all(|report| report.repeats == 0), "{reports:?}");
        ensure_nothing_is_open(&kafka).await
    })
}
