//! mq-bridge: a free engine of routes between systems, one of which leads from PostgreSQL's logical replication to Kafka. Its topic is one for all
//! tables, which spares it what other contenders do to tell them apart.
//!
//! As Debezium's, its end is when the topic holds all records: it tells PostgreSQL only every ten seconds what is done.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;
use waltap_bench::sampler::Sampler;
use waltap_tests::{Launch, Process, Result, ensure, repository};

use super::contender::DEADLINE;
use super::topics::{Topics, count};
use super::watch::{Drained, Watch};
use super::{Bench, DATABASE, PUBLICATION};

/// As many changes are handed over at once; its own default is one.
const BATCH: u32 = 10_000;

/// Drains until the topic holds a record of every change.
pub(crate) async fn drain(bench: &Bench<'_>, sampler: &Sampler, slot: &str) -> Result<Drained> {
    let home = home()?;
    let topics = Topics::create(bench.kafka, slot, &["changes".to_owned()]).await?;
    let route = json!({
        "input": {"postgres_cdc": {
            "url": format!("{}/{DATABASE}", bench.postgres.url("postgres")),
            "publication": PUBLICATION,
            "slot_name": slot,
            "create_slot": false,
        }},
        "output": {"kafka": {
            "url": bench.kafka.brokers(),
            "topic": format!("{slot}.public.changes"),
            "create_topic": false,
            "producer_options": [["compression.type", "lz4"]],
        }},
        "batch_size": BATCH,
    });
    let folder = bench.kit.folder();
    let file = folder.join(format!("{slot}.json"));
    std::fs::write(&file, route.to_string())?;
    let script = repository().join("bench/peers/mq-bridge/route.py");
    let launch = Launch::new(home.join("bin/python"), folder.join("mq-bridge.log"));
    let launch = launch.arguments(&[script.display().to_string(), file.display().to_string()]);
    let sql = bench.postgres.sql("postgres").await?;
    let mut process = Process::start("mq-bridge", &launch)?;
    let watch = Watch::begin_with_reader(sampler, &sql, slot, process.id(), bench.broker()).await;
    let watch = watch.map_err(|failure| failure.while_doing(process.log_tail(5)))?;
    let (ends, began) = (topics.ends()?, Instant::now());
    while count(&ends)? < u64::from(bench.written.rows) {
        process.ensure_running()?;
        ensure!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: all records are in Kafka\n{}", process.log_tail(5));
        tokio::time::sleep(topics.interval()).await;
    }
    let drained = watch.end_in_kafka()?;
    process.kill_all().await?;
    let found = count(&ends)?;
    ensure!(found == u64::from(bench.written.rows), "{found} records came of {:?}", bench.written);
    topics.remove().await?;
    Ok(drained)
}

/// Where it is; fails with what to do where it is not.
pub(crate) fn home() -> Result<PathBuf> {
    let home = repository().join(".cache/mq-bridge");
    ensure!(home.join("bin/python").exists(), "there is no mq-bridge in {}: run scripts/install-mq-bridge.sh", home.display());
    Ok(home)
}
