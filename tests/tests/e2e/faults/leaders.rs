//! A Kafka of several brokers that loses some of them: leaders change, and replicas are too few.

use std::time::{Duration, Instant};

use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::JoinHandle;
use waltap_tests::{Failure, KafkaCluster, PROGRESS, Postgres, Result, Waltap, ensure, oracle, run, wait_until};

use super::{DEADLINE, fill_database};

/// Of one partition, so that one broker leads all of it.
const TRANSACTIONS: &str = "__transaction_state";

/// Between two changes. Enough of them fall into every moment of a change of leaders, and the brokers keep up.
const PAUSE: Duration = Duration::from_millis(10);

/// Writes to the table `t`.
struct Writer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<u64>>,
}

impl Writer {
    async fn start(postgres: &Postgres, database: &str) -> Result<Self> {
        let (stop, mut stopped) = oneshot::channel();
        let sql = postgres.sql(database).await?;
        let task = tokio::spawn(async move {
            let mut rows = 0;
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                sql.run("INSERT INTO t SELECT max(id) + 1 FROM t").await?;
                rows += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Ok(rows)
        });
        Ok(Writer { stop, task })
    }

    async fn stop(self) -> Result<u64> {
        self.stop.send(()).map_err(|()| Failure::new("the writer has ended"))?;
        self.task.await?
    }
}

#[test]
#[ignore = "long, and four processes of Java: make leaders"]
fn a_leader_that_dies_and_comes_back_and_replicas_that_are_too_few() -> Result {
    run("leaders", async |kit| {
        let postgres = kit.postgres().await?;
        let started = Instant::now();
        let mut kafka = kit.kafka_cluster().await?;
        println!("three brokers are there after {:?}", started.elapsed());
        let (source, brokers) = (postgres.url("postgres"), kafka.brokers());
        for (database, delivery) in [("shop", "at-least-once"), ("crm", "exactly-once")] {
            fill_database(&postgres, database).await?;
            let arguments = ["capture", "--source", &source, "--brokers", &brokers, "--database", database];
            let arguments = [&arguments[..], &["--name", database, "--delivery", delivery]].concat();
            let mut waltap = kit.waltap(&arguments, &[])?;
            waltap.wait_streaming().await?;
            let topic = format!("{database}.public.t");
            ensure!(kafka.replicas(&topic).await?.0 == 3, "the brokers' default is not taken");
            let writer = Writer::start(&postgres, database).await?;
            let mut led = vec![topic.as_str(), PROGRESS];
            if delivery == "exactly-once" {
                led[1] = TRANSACTIONS;
            }
            for led in led {
                lose_leader(&postgres, &mut kafka, database, led).await?;
            }
            println!("{} rows were written meanwhile", writer.stop().await?);
            postgres.wait_confirmed(&[database], DEADLINE).await?;
            too_few_replicas(&postgres, &mut kafka, &waltap, database).await?;
            waltap.stop_cleanly().await?;
            let reports = oracle::ensure_equal(&postgres, &kafka.topics(), &[database]).await?;
            let repeats: u64 = reports.iter().map(|report| report.repeats).sum();
            println!("{delivery}: {repeats} repeats");
            ensure!(delivery == "at-least-once" || repeats == 0, "{reports:?}");
        }
        Ok(())
    })
}

/// Kills the broker that leads a topic, sees that another takes over and changes go on, and brings it back.
async fn lose_leader(postgres: &Postgres, kafka: &mut KafkaCluster, database: &str, topic: &str) -> Result {
    let leader = kafka.leader(topic).await?;
    let started = Instant::now();
    kafka.broker(leader)?.kill().await?;
    postgres.sql(database).await?.run("DELETE FROM t WHERE id = (SELECT min(id) FROM t)").await?;
    postgres.wait_confirmed(&[database], DEADLINE).await?;
    let now = kafka.leader(topic).await?;
    ensure!(now != leader, "broker {leader} leads {topic} though it is dead");
    println!("{topic}: broker {now} after {leader}, and changes confirmed, {:?} after the kill", started.elapsed());
    kafka.broker(leader)?.start_again().await?;
    wait_until("every replica is in sync again", DEADLINE, async || Ok(kafka.replicas(topic).await? == (3, 3))).await
}

/// With one broker of three left no record is taken: that is waited for, and said.
async fn too_few_replicas(postgres: &Postgres, kafka: &mut KafkaCluster, waltap: &Waltap, database: &str) -> Result {
    let topic = format!("{database}.public.t");
    let leader = kafka.leader(&topic).await?;
    let others: Vec<usize> = (0..3).filter(|broker| *broker != leader).collect();
    for broker in &others {
        kafka.broker(*broker)?.kill().await?;
    }
    wait_until("one replica is left", DEADLINE, async || Ok(kafka.replicas(&topic).await?.1 == 1)).await?;
    postgres.sql(database).await?.run("DELETE FROM t WHERE id = (SELECT min(id) FROM t)").await?;
    let written = postgres.written().await?;
    wait_until("it says what it waits for", DEADLINE, async || {
        let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
        Ok(status["taps"][0]["error"].as_str().is_some_and(|detail| detail.contains("in sync")))
    })
    .await?;
    ensure!(postgres.confirmed(database).await? < Some(written), "the slot passed what nobody has");
    for broker in others {
        kafka.broker(broker)?.start_again().await?;
    }
    postgres.wait_confirmed(&[database], DEADLINE).await
}
