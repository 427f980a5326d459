//! Each fault ends, or waits, with its own message and code, and nothing is lost once it is mended.

mod balancer;
mod certificates;
mod clocks;
mod clusters;
mod database;
mod disks;
mod kafka;
mod leaders;
mod names;
mod partitions;
mod pooler;
mod publication;
mod rights;
mod settings;
mod slot;
mod source;
mod topics;

use std::time::Duration;

use waltap_tests::{Kafka, Kit, Output, Postgres, PostgresOptions, Result, oracle};

/// How long a fault may take to be told.
const DEADLINE: Duration = Duration::from_secs(60);

/// A database `shop` with a table, and a Kafka.
async fn shop(kit: &Kit, options: PostgresOptions) -> Result<(Postgres, Kafka)> {
    let postgres = kit.postgres_with(options).await?;
    let kafka = kit.kafka().await?;
    fill(&postgres).await?;
    Ok((postgres, kafka))
}

async fn fill(postgres: &Postgres) -> Result {
    fill_database(postgres, "shop").await
}

async fn fill_database(postgres: &Postgres, name: &str) -> Result {
    let database = postgres.create_database(name).await?;
    database.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)").await
}

/// Runs a capture of `shop` that is expected to end by itself.
async fn failing_capture(kit: &Kit, source: &str, kafka: &Kafka, more: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let brokers = kafka.brokers();
    let arguments = [&["capture", "--source", source, "--brokers", &brokers, "--http", "127.0.0.1:0"], more].concat();
    kit.output(&arguments, environment, DEADLINE).await
}

/// Once the fault is mended: captures, and compares.
async fn everything_arrives(kit: &Kit, postgres: &Postgres, kafka: &Kafka) -> Result {
    let mut waltap = kit.capture(postgres, kafka, &["--database", "shop"])?;
    waltap.wait_streaming().await?;
    postgres.sql("shop").await?.run("INSERT INTO t SELECT max(id) + 1 FROM t").await?;
    postgres.wait_confirmed(&["shop"], DEADLINE).await?;
    waltap.terminate().await?;
    oracle::ensure_equal(postgres, &kafka.topics(), &["shop"]).await?;
    Ok(())
}
