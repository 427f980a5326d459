//! `--delivery exactly-once`: a reader of committed records sees every change once, whatever dies meanwhile.

mod batches;
mod joining;
mod parted_by_time;
mod snapshot;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use waltap_tests::{Failure, Kafka, Result, Waltap, ensure, oracle, run, wait_until};

use crate::workload::{Writers, members};

const DEADLINE: Duration = Duration::from_secs(90);

/// Kills it after a time, and starts it again.
async fn kill_after(waltap: &mut Waltap, time: Duration) -> Result {
    tokio::time::sleep(time).await;
    waltap.kill().await?;
    waltap.start_again()
}

/// The positions in a topic, in the order of their offsets; a row of a snapshot has no ordinal.
async fn positions(kafka: &Kafka, topic: &str) -> Result<Vec<(u64, Option<u64>)>> {
    let mut positions = Vec::new();
    for record in kafka.topics().read(topic).await? {
        let value: Value = serde_json::from_str(record.value.as_deref().unwrap_or_default())?;
        let source = &value["source"];
        let commit = oracle::parse_lsn(source["commit_lsn"].as_str().unwrap_or_default())?;
        positions.push((commit, source["seq"].as_u64()));
    }
    Ok(positions)
}

#[test]
fn kills_in_snapshot_and_stream_leave_every_change_once() -> Result {
    run("exactly_once", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        postgres.create_database("shop").await?;
        let members = members(&["shop"], 8);
        for member in &members {
            member.create(&postgres, 300).await?;
        }
        let shop = postgres.sql("shop").await?;
        shop.run("CREATE TABLE large (id int PRIMARY KEY, body text); INSERT INTO large SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 150000) g")
            .await?;
        shop.run("CREATE TABLE other (id serial)").await?;
        let flags = ["--delivery", "exactly-once", "--exclude-table", "public.other", "--discovery-interval", "1s"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        let writers = Writers::start_before_slots(postgres.port(), postgres.port(), &members, 2, 4);
        // In the snapshot: as soon as something of it was sent.
        wait_until("rows are sent", DEADLINE, async || {
            Ok(kafka.topics().names().await?.iter().any(|name| name == "shop.public.large"))
        })
        .await?;
        for _ in 0..3 {
            kill_after(&mut waltap, Duration::from_millis(700)).await?;
        }
        waltap.wait_streaming().await?;
        for _ in 0..6 {
            kill_after(&mut waltap, Duration::from_millis(900)).await?;
        }
        waltap.wait_streaming().await?;
        let report = writers.stop().await?;
        shop.run("INSERT INTO other SELECT FROM generate_series(1, 100)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        println!("{report:?}");
        shop.run("DROP TABLE other").await?;
        let reports = oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        ensure!(reports.iter().all(|report| report.repeats == 0), "{reports:?}");
        for report in &reports {
            let positions = positions(&kafka, &report.topic).await?;
            let changes: Vec<_> = positions.iter().filter_map(|(commit, seq)| seq.map(|seq| (*commit, seq))).collect();
            // A change of a key is two events with one position.
            ensure!(changes.windows(2).all(|pair| pair[0] <= pair[1]), "{}: not in rising positions", report.topic);
        }
        // A table that nobody writes to: each row came once, in whichever attempt.
        let rows = positions(&kafka, "shop.public.large").await?;
        ensure!(rows.len() == 150_000, "{} rows of 150000", rows.len());
        Ok(())
    })
}

#[test]
fn a_transaction_that_is_parted_over_several_comes_once() -> Result {
    run("exactly_once_parted", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, body text)").await?;
        let flags = ["--delivery", "exactly-once", "--transaction-max-bytes", "64KiB"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        shop.run("BEGIN; INSERT INTO t SELECT g, repeat(md5(g::text), 4) FROM generate_series(1, 20000) g; UPDATE t SET body = NULL WHERE id <= 10; COMMIT").await?;
        let some = async || Ok::<usize, Failure>(kafka.topics().read("shop.public.t").await?.len());
        for _ in 0..3 {
            let before = some().await?;
            wait_until("a part is committed", DEADLINE, async || Ok(some().await? > before)).await?;
            waltap.kill().await?;
            waltap.start_again()?;
        }
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        let positions = positions(&kafka, "shop.public.t").await?;
        let commits: BTreeMap<u64, usize> = positions.iter().fold(BTreeMap::new(), |mut commits, (commit, _)| {
            *commits.entry(*commit).or_default() += 1;
            commits
        });
        ensure!(commits.len() == 1, "one transaction, and not {commits:?}");
        let ordinals: Vec<_> = positions.iter().filter_map(|(_, seq)| *seq).collect();
        let expected: Vec<_> = (0..20_010).collect();
        ensure!(ordinals == expected, "{} changes: {:?}…", ordinals.len(), &ordinals[..ordinals.len().min(10)]);
        Ok(())
    })
}

#[test]
fn a_capture_is_switched_over_and_back_without_loss() -> Result {
    run("exactly_once_switched", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(
            "CREATE TABLE t (id serial PRIMARY KEY, round int); INSERT INTO t (round) SELECT 0 FROM generate_series(1, 1000)",
        )
        .await?;
        for (round, delivery) in ["at-least-once", "exactly-once", "at-least-once", "exactly-once"].into_iter().enumerate() {
            let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop", "--delivery", delivery])?;
            waltap.wait_streaming().await?;
            for _ in 0..20 {
                shop.run(&format!("INSERT INTO t (round) SELECT {round} FROM generate_series(1, 50)")).await?;
            }
            if round == 1 {
                // What it had open is over before the next one begins.
                waltap.kill().await?;
                continue;
            }
            postgres.wait_confirmed(&["shop"], DEADLINE).await?;
            waltap.stop_cleanly().await?;
        }
        let reports = oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        // The crash was that of exactly-once delivery, and what came after it knew its place.
        ensure!(reports.iter().all(|report| report.repeats == 0 && report.events == 5_000), "{reports:?}");
        Ok(())
    })
}

#[test]
fn an_idle_stream_is_fast_and_a_filtered_one_lets_the_slot_go() -> Result {
    run("exactly_once_idle", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int)").await?;
        let flags = ["--delivery", "exactly-once", "--transaction-max-latency", "10s", "--exclude-table", "public.other"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        // None waits for the ten seconds, with nothing to gather: all of them take less than three that did.
        let began = Instant::now();
        for id in 1..=5 {
            shop.run(&format!("INSERT INTO t VALUES ({id})")).await?;
            wait_until("it is seen", DEADLINE, async || Ok(kafka.topics().read("shop.public.t").await?.len() == id)).await?;
        }
        ensure!(began.elapsed() < Duration::from_secs(30), "five rows took {:?}", began.elapsed());
        shop.run("INSERT INTO other SELECT FROM generate_series(1, 1000)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await
    })
}
