//! A topic that gets more partitions under a capture: the keys stay where they are, until that is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use waltap_tests::{Kafka, Postgres, PostgresOptions, Result, Waltap, ensure, oracle, run};

use super::{DEADLINE, shop};

const TOPIC: &str = "shop.public.t";
const BEFORE: i32 = 3;
const AFTER: i32 = 7;

/// How many keys: more than enough that each partition has some.
const KEYS: usize = 200;

#[test]
fn more_partitions_move_no_key_at_least_once() -> Result {
    more_partitions_move_no_key("partitions_at_least_once", "at-least-once")
}

#[test]
fn more_partitions_move_no_key_exactly_once() -> Result {
    more_partitions_move_no_key("partitions_exactly_once", "exactly-once")
}

fn more_partitions_move_no_key(name: &str, delivery: &str) -> Result {
    run(name, async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let shop = postgres.sql("shop").await?;
        shop.run(&format!("TRUNCATE t; ALTER TABLE t ADD v int; INSERT INTO t SELECT generate_series(1, {KEYS}), 0")).await?;
        // So that the producer itself knows of the new partitions at once.
        let refresh = "topic.metadata.refresh.interval.ms=100";
        let arguments = ["--database", "shop", "--kafka-property", refresh, "--delivery", delivery, "--partitions"];
        let mut waltap = kit.capture(&postgres, &kafka, &[&arguments[..], &["3"]].concat())?;
        waltap.wait_streaming().await?;
        change(&postgres, 20).await?;
        kafka.topics().grow(TOPIC, AFTER as usize).await?;
        // There is nothing that tells when a client's look at the topic has come: it looks ten times in this time.
        tokio::time::sleep(Duration::from_secs(1)).await;
        change(&postgres, 20).await?;
        waltap.stop_cleanly().await?;
        // Another session, and a crash in it.
        waltap.start_again()?;
        waltap.wait_log("keys stay where they are", DEADLINE).await?;
        waltap.wait_streaming().await?;
        change(&postgres, 20).await?;
        waltap.kill().await?;
        waltap.start_again()?;
        change(&postgres, 20).await?;
        shop.run("TRUNCATE t").await?;
        end(&postgres, &mut waltap).await?;

        let arrived = arrived(&kafka).await?;
        let moved = arrived.partitions.values().filter(|partitions| partitions.len() > 1).count();
        ensure!(moved == 0, "{moved} keys have moved");
        ensure!(arrived.partitions.len() == KEYS, "{} keys", arrived.partitions.len());
        let used: BTreeSet<i32> = arrived.partitions.values().flatten().copied().collect();
        ensure!(used == (0..BEFORE).collect(), "keys are in {used:?}");
        ensure!(arrived.truncates == (0..BEFORE).collect(), "truncates are in {:?}", arrived.truncates);
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;

        // Asked for, it takes them all from a session's start on: every truncate reaches every partition.
        shop.run(&format!("INSERT INTO t SELECT generate_series(1, {KEYS}), 100")).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &[&arguments[..], &["7"]].concat())?;
        waltap.wait_streaming().await?;
        change(&postgres, 5).await?;
        shop.run("TRUNCATE t").await?;
        end(&postgres, &mut waltap).await?;
        let arrived = self::arrived(&kafka).await?;
        ensure!(arrived.truncates == (0..AFTER).collect(), "truncates are in {:?}", arrived.truncates);
        let used: BTreeSet<i32> = arrived.partitions.values().flatten().copied().collect();
        ensure!(used == (0..AFTER).collect(), "keys are in {used:?}");
        Ok(())
    })
}

/// Changes every row so many times, each a transaction of its own.
async fn change(postgres: &Postgres, times: usize) -> Result {
    let shop = postgres.sql("shop").await?;
    for _ in 0..times {
        shop.run("UPDATE t SET v = v + 1").await?;
    }
    Ok(())
}

async fn end(postgres: &Postgres, waltap: &mut Waltap) -> Result {
    waltap.wait_streaming().await?;
    postgres.wait_confirmed(&["shop"], DEADLINE).await?;
    waltap.stop_cleanly().await
}

struct Arrived {
    /// Of each key, the partitions that have events of it.
    partitions: BTreeMap<String, BTreeSet<i32>>,
    /// The partitions that the last truncate is in.
    truncates: BTreeSet<i32>,
}

/// Reads the topic, and holds the new events of each key in each partition to their order.
async fn arrived(kafka: &Kafka) -> Result<Arrived> {
    let mut arrived = Arrived { partitions: BTreeMap::new(), truncates: BTreeSet::new() };
    let mut seen: BTreeMap<(String, i32), BTreeSet<(u64, i64)>> = BTreeMap::new();
    let mut last_truncate = String::new();
    for record in kafka.topics().read(TOPIC).await? {
        let event: serde_json::Value = serde_json::from_str(record.value.as_deref().unwrap_or_default())?;
        let commit = event["source"]["commit_lsn"].as_str().unwrap_or_default();
        if event["op"] == "t" {
            if lsn(commit)? > lsn(&last_truncate)? {
                last_truncate = commit.to_owned();
                arrived.truncates.clear();
            }
            if commit == last_truncate {
                arrived.truncates.insert(record.partition);
            }
            continue;
        }
        let Some(key) = record.key else { continue };
        let place = (lsn(commit)?, event["source"]["seq"].as_i64().unwrap_or(-1));
        let before = seen.entry((key.clone(), record.partition)).or_default();
        // A repeat goes back to what was there; nothing that is new comes behind something newer.
        if before.insert(place) {
            ensure!(before.last() == Some(&place), "out of order in partition {}: {event}", record.partition);
        }
        arrived.partitions.entry(key).or_default().insert(record.partition);
    }
    Ok(arrived)
}

fn lsn(text: &str) -> Result<u64> {
    let Some((high, low)) = text.split_once('/') else { return Ok(0) };
    Ok(u64::from_str_radix(high, 16)? << 32 | u64::from_str_radix(low, 16)?)
}
