//! Faults of Kafka.

use rustix::process::Signal;
use waltap_tests::{KafkaOptions, PostgresOptions, Result, ensure, oracle, run, wait_until};

use super::{DEADLINE, everything_arrives, fill, shop};

#[test]
fn a_dead_broker_is_waited_for() -> Result {
    run("dead_broker", async |kit| {
        let (postgres, mut kafka) = shop(kit, PostgresOptions::default()).await?;
        kafka.kill().await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_log("WT0020", DEADLINE).await?;
        waltap.process().ensure_running()?;
        let ready = waltap.get("/readyz").await?;
        ensure!(ready.status == 503 && ready.body.contains("cannot start yet: WT0020"), "{} {}", ready.status, ready.body);
        let warnings = waltap.log().matches("max_slot_wal_keep_size").count();
        waltap.wait_log("retry_in=2s", DEADLINE).await?;
        ensure!(waltap.log().matches("max_slot_wal_keep_size").count() == warnings, "a warning comes with each attempt");
        ensure!(waltap.get("/healthz").await?.status == 200, "it says that it is ill");

        kafka.start_again().await?;
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() -> Result {
    run("signal_twice", async |kit| {
        let (postgres, mut kafka) = shop(kit, PostgresOptions::default()).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        kafka.pause()?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        wait_until("the change waits for Kafka", DEADLINE, async || {
            let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
            Ok(status["taps"][0]["in_flight_bytes"].as_u64() > Some(0))
        })
        .await?;
        waltap.process().signal(Signal::TERM)?;
        waltap.wait_log("stopping", DEADLINE).await?;
        // What is not confirmed stays in the slot, and that is no failure.
        ensure!(waltap.terminate().await? == 0, "the second signal ended it at once:\n{}", waltap.log());
        kafka.resume()?;
        everything_arrives(kit, &postgres, &kafka).await
    })
}

#[test]
fn a_topic_that_may_not_be_created() -> Result {
    run("topic_forbidden", async |kit| {
        let postgres = kit.postgres().await?;
        let users = vec![("tap".to_owned(), "secret word".to_owned())];
        let kafka = kit.kafka_with(KafkaOptions { users, ..KafkaOptions::default() }).await?;
        fill(&postgres).await?;
        let source = postgres.url("postgres");
        let brokers = kafka.guarded_brokers();
        let login = ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=tap"];
        let mut arguments =
            vec!["capture", "--source", &source, "--brokers", &brokers, "--database", "shop", "--http", "127.0.0.1:0"];
        for property in &login {
            arguments.extend(["--kafka-property", property]);
        }
        let wrong = kit.output(&arguments, &[("WALTAP_KAFKA_SASL_PASSWORD", "wrong word")], DEADLINE).await?;
        wrong.expect(1, &["WT0021"])?;
        ensure!(!wrong.stderr.contains("wrong word"), "the password is told:\n{}", wrong.stderr);
        let right = kit.output(&arguments, &[("WALTAP_KAFKA_SASL_PASSWORD", "secret word")], DEADLINE).await?;
        right.expect(1, &["topic"])?;
        ensure!(right.stderr.contains("WT0022") || right.stderr.contains("WT0028"), "no code of topics:\n{}", right.stderr);
        everything_arrives(kit, &postgres, &kafka).await
    })
}
