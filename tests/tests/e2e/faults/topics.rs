//! Topics that are deleted under a capture: what was confirmed in them is lost, and that is never silent.

use std::time::Instant;

use waltap_tests::{Kafka, PROGRESS, PostgresOptions, Result, Waltap, ensure, oracle, run, wait_until};

use super::{DEADLINE, everything_arrives, shop};

const TOPIC: &str = "shop.public.t";

/// Deletes a topic, and waits until it is gone.
async fn delete(kafka: &Kafka, topic: &str) -> Result {
    kafka.topics().delete(topic).await?;
    wait_until("the topic is gone", DEADLINE, async || Ok(!kafka.topics().names().await?.iter().any(|name| name == topic))).await
}

/// It stops by itself, with the error, and the topic stays away.
async fn stops(waltap: &mut Waltap, kafka: &Kafka, from: usize) -> Result {
    let code = waltap.wait_exit(DEADLINE * 2).await?;
    let log = waltap.log()[from..].to_owned();
    ensure!(code == 1, "it ended with {code}:\n{log}");
    ensure!(log.contains("WT0029") && log.contains("topic shop.public.t is gone"), "the loss is not told:\n{log}");
    ensure!(log.contains("--create --topic shop.public.t --partitions 3"), "no remedy:\n{log}");
    ensure!(!kafka.topics().names().await?.iter().any(|name| name == TOPIC), "the topic was made again");
    Ok(())
}

fn a_topic_that_is_deleted_while_running(name: &str, delivery: &str) -> Result {
    run(name, async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let arguments = ["--database", "shop", "--partitions", "3", "--delivery", delivery];
        let mut waltap = kit.capture(&postgres, &kafka, &arguments)?;
        waltap.wait_streaming().await?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        delete(&kafka, TOPIC).await?;
        let changed = Instant::now();
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (12)").await?;
        let behind_it = postgres.written().await?;
        stops(&mut waltap, &kafka, 0).await?;
        println!("it stopped {:?} after the next change", changed.elapsed());
        ensure!(postgres.confirmed("shop").await? < Some(behind_it), "the slot has passed the change");

        // The next start says so too.
        let told = waltap.log().len();
        waltap.start_again()?;
        stops(&mut waltap, &kafka, told).await?;

        // Who makes the topic by hand has read it: what was not confirmed comes, and nothing of before.
        kafka.topics().create(TOPIC, 3).await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (13)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        let mut keys: Vec<String> = kafka.topics().read(TOPIC).await?.into_iter().filter_map(|record| record.key).collect();
        keys.sort();
        keys.dedup();
        ensure!(keys == [r#"{"id":12}"#, r#"{"id":13}"#], "{keys:?}");
        Ok(())
    })
}

#[test]
fn a_topic_that_is_deleted_while_running_at_least_once() -> Result {
    a_topic_that_is_deleted_while_running("topic_deleted_at_least_once", "at-least-once")
}

#[test]
fn a_topic_that_is_deleted_while_running_exactly_once() -> Result {
    a_topic_that_is_deleted_while_running("topic_deleted_exactly_once", "exactly-once")
}

#[test]
fn a_topic_that_is_deleted_while_stopped() -> Result {
    run("topic_deleted_stopped", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let arguments = ["--database", "shop", "--partitions", "3"];
        let mut waltap = kit.capture(&postgres, &kafka, &arguments)?;
        waltap.wait_streaming().await?;
        waltap.stop_cleanly().await?;
        let (source, brokers) = (postgres.url("postgres"), kafka.brokers());
        let check = async || {
            let command = ["check", "--database", "shop", "--partitions", "3", "--source", &source, "--brokers", &brokers];
            kit.output(&command, &[], DEADLINE).await
        };
        ensure!(!check().await?.stdout.contains("WT0029"), "a loss is told before there is one");
        delete(&kafka, TOPIC).await?;
        let told = check().await?;
        let is_told = told.code == 1 && told.stdout.contains("[WT0029]") && told.stdout.contains("topic shop.public.t is gone");
        ensure!(is_told, "check does not see it:\n{}", told.stdout);
        ensure!(!kafka.topics().names().await?.iter().any(|name| name == TOPIC), "the topic was made again");
        let from = waltap.log().len();
        waltap.start_again()?;
        stops(&mut waltap, &kafka, from).await?;
        // Fewer partitions tell that it is another topic.
        kafka.topics().create(TOPIC, 2).await?;
        waltap.start_again()?;
        waltap.wait_log("topic shop.public.t had 3 partitions and has 2", DEADLINE).await?;
        waltap.wait_exit(DEADLINE).await?;
        delete(&kafka, TOPIC).await?;

        let drop = ["slots", "drop", "--yes", "--database", "shop", "--source", &source, "--brokers", &brokers];
        kit.output(&drop, &[], DEADLINE).await?.expect(0, &[])?;
        everything_arrives(kit, &postgres, &kafka).await
    })
}

/// Whether progress has a record of a topic.
async fn is_kept(kafka: &Kafka, topic: &str) -> Result<bool> {
    let progress = kafka.topics().read(PROGRESS).await?;
    let key = format!("waltap/shop/topic/{topic}");
    let last = progress.iter().rev().find(|record| record.key.as_ref() == Some(&key));
    Ok(last.is_some_and(|record| record.value.is_some()))
}

#[test]
fn a_topic_may_go_with_its_table() -> Result {
    run("topic_released", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let shop = postgres.sql("shop").await?;
        shop.run("CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1)").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop", "--discovery-interval", "200ms"])?;
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        shop.run("DROP TABLE other").await?;
        // The table is forgotten once the slot is past its last change; any change makes waltap look.
        let mut number = 100;
        let mut wait_released = async || {
            wait_until("the topic is released", DEADLINE, async || {
                number += 1;
                shop.run(&format!("CREATE TABLE u{number} (id int PRIMARY KEY); INSERT INTO t VALUES ({number})")).await?;
                Ok(!is_kept(&kafka, "shop.public.other").await?)
            })
            .await
        };
        wait_released().await?;
        // Made again while its topic is still there, it has its topic in progress again.
        shop.run("CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (7)").await?;
        wait_until("the topic is kept again", DEADLINE, async || is_kept(&kafka, "shop.public.other").await).await?;
        shop.run("DROP TABLE other").await?;
        wait_released().await?;
        delete(&kafka, "shop.public.other").await?;
        shop.run("CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (2)").await?;
        wait_until("the new table is read", DEADLINE, async || {
            if !kafka.topics().names().await?.iter().any(|name| name == "shop.public.other") {
                return Ok(false);
            }
            Ok(kafka.topics().read("shop.public.other").await?.len() == 1)
        })
        .await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
