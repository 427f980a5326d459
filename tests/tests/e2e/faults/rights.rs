//! What Kafka does not let waltap do while it runs: rights that are taken away, a quota, a record that is too large.

use std::time::Duration;

use waltap_tests::{KafkaOptions, PROGRESS, PostgresOptions, Resource, Result, Waltap, ensure, oracle, run, run_within};

use super::{DEADLINE, everything_arrives, fill, shop};

const TOPIC: &str = "shop.public.t";

#[test]
fn rights_that_are_taken_away_at_least_once() -> Result {
    rights_that_are_taken_away("rights_revoked_at_least_once", "at-least-once")
}

#[test]
fn rights_that_are_taken_away_exactly_once() -> Result {
    rights_that_are_taken_away("rights_revoked_exactly_once", "exactly-once")
}

fn rights_that_are_taken_away(name: &str, delivery: &str) -> Result {
    run(name, async |kit| {
        let postgres = kit.postgres().await?;
        let users = vec![("tap".to_owned(), "secret word".to_owned())];
        let kafka = kit.kafka_with(KafkaOptions { users, ..KafkaOptions::default() }).await?;
        fill(&postgres).await?;
        let granted = [(Resource::Topic, "shop."), (Resource::Topic, PROGRESS), (Resource::TransactionalId, "waltap-")];
        for (resource, prefix) in granted {
            kafka.grant("tap", resource, prefix).await?;
        }
        let (source, brokers) = (postgres.url("postgres"), kafka.guarded_brokers());
        let mut arguments =
            vec!["capture", "--source", &source, "--brokers", &brokers, "--database", "shop", "--delivery", delivery];
        for property in ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=tap"] {
            arguments.extend(["--kafka-property", property]);
        }
        let mut waltap = kit.waltap(&arguments, &[("WALTAP_KAFKA_SASL_PASSWORD", "secret word")])?;
        waltap.wait_streaming().await?;
        let sql = postgres.sql("shop").await?;
        sql.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;

        kafka.revoke("tap", Resource::Topic, "shop.").await?;
        sql.run("INSERT INTO t SELECT max(id) + 1 FROM t").await?;
        let changed = postgres.written().await?;
        refused(&mut waltap, 0).await?;
        ensure!(postgres.confirmed("shop").await? < Some(changed), "the slot has passed the change");
        // The next start says so too, and does not take a topic that it may not see for one that is lost.
        let told = waltap.log().len();
        waltap.start_again()?;
        refused(&mut waltap, told).await?;

        kafka.grant("tap", Resource::Topic, "shop.").await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        sql.run("INSERT INTO t SELECT max(id) + 1 FROM t").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

/// It stops by itself and names the right that is missing.
async fn refused(waltap: &mut Waltap, from: usize) -> Result {
    let code = waltap.wait_exit(DEADLINE * 2).await?;
    let log = waltap.log()[from..].to_owned();
    ensure!(code == 1, "it ended with {code}:\n{log}");
    ensure!(log.contains("WT0022") || log.contains("WT0025"), "no code of rights:\n{log}");
    ensure!(log.contains("kafka-acls.sh") && !log.contains("WT0029"), "no remedy, or a wrong one:\n{log}");
    Ok(())
}

#[test]
fn a_quota_slows_down_and_is_no_fault() -> Result {
    run_within("quota", Duration::from_secs(300), async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        let sql = postgres.sql("shop").await?;
        sql.run("ALTER TABLE t ADD body text").await?;
        kafka.throttle(Some(50_000)).await?;
        let started = std::time::Instant::now();
        // Two megabytes that do not compress, at fifty kilobytes a second.
        for number in 100..140 {
            let body = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1600))";
            sql.run(&format!("INSERT INTO t VALUES ({number}, {body})")).await?;
        }
        postgres.wait_confirmed(&["shop"], DEADLINE * 3).await?;
        let took = started.elapsed();
        ensure!(took > Duration::from_secs(5), "the quota did not hold: {took:?}");
        let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
        println!("{took:?}; {} warnings of a wait", waltap.log().matches("waiting for Kafka").count());
        ensure!(status["taps"][0]["reconnects"].as_u64().unwrap_or_default() == 0, "a session was given up: {status}");
        let log = waltap.log();
        ensure!(!log.contains("ERROR") && !log.contains("begins again"), "a fault was seen:\n{log}");
        kafka.throttle(None).await?;
        waltap.stop_cleanly().await?;
        everything_arrives(kit, &postgres, &kafka).await
    })
}

#[test]
fn a_record_that_is_too_large_stops_before_anything_behind_it() -> Result {
    run("record_too_large", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka_with(KafkaOptions::default().set("message.max.bytes", "100000")).await?;
        fill(&postgres).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        let sql = postgres.sql("shop").await?;
        sql.run("ALTER TABLE t ADD body text; INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        sql.run("INSERT INTO t VALUES (12, (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 10000)))").await?;
        let behind_it = postgres.written().await?;
        sql.run("INSERT INTO t VALUES (13)").await?;
        let mut told = 0;
        for _ in 0..2 {
            ensure!(waltap.wait_exit(DEADLINE).await? == 1, "it did not fail");
            let log = waltap.log()[told..].to_owned();
            ensure!(log.contains("WT0024") && log.contains("max.message.bytes"), "{log}");
            told += log.len();
            let confirmed = postgres.confirmed("shop").await?;
            ensure!(confirmed < Some(behind_it), "the slot stands at {confirmed:?}, and the record ends at {behind_it}");
            let records = kafka.topics().read(TOPIC).await?;
            let skipped = records.iter().any(|record| record.key.as_deref() == Some(r#"{"id":13}"#));
            ensure!(!skipped, "what is behind the record came without it");
            // And so at every start.
            waltap.start_again()?;
        }
        waltap.wait_exit(DEADLINE).await?;
        kafka.topics().set(TOPIC, "max.message.bytes", "2000000").await?;
        everything_arrives(kit, &postgres, &kafka).await
    })
}
