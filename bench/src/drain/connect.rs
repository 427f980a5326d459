//! Debezium as people run it: its PostgreSQL connector in a Kafka Connect worker, with JSON's converter.
//!
//! A worker is warmed up first, by a connector of its own slot and topics: Java translates what it runs often while it runs, and a connector
//! that has been at work for an hour is not measured by its first seconds.
//!
//! It has drained all when the topics hold all records. PostgreSQL's own account (`confirmed_flush_lsn`) would not be fair to it: Connect
//! tells a connector what Kafka has only once in `offset.flush.interval.ms`, 10 s in the configuration that Kafka ships, and the connector
//! tells PostgreSQL then.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use waltap_bench::sampler::Sampler;
use waltap_tests::{Launch, Process, Result, ensure, free_port, repository, wait_until};

use super::contender::DEADLINE;
use super::rest;
use super::topics::{Topics, count};
use super::watch::{Drained, Watch};
use super::{Bench, DATABASE, PUBLICATION};

/// How it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tuning {
    /// As Kafka ships a standalone worker (`config/connect-standalone.properties`), and Debezium its connector.
    Default,
    /// For throughput: no schemas beside the values, larger batches and queues, lz4.
    Tuned,
}

/// What `connect-standalone.sh` gives Java, and `kafka-run-class.sh` (`KAFKA_HEAP_OPTS`, `KAFKA_JVM_PERFORMANCE_OPTS`).
const JAVA_OPTIONS: [&str; 9] = [
    "-Xms256M",
    "-Xmx2G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

/// As much is drained to warm Java up, or all where there is less.
const WARM_UP_RECORDS: u64 = 100_000;

/// Java starts, and Connect looks through its plugins.
const START_DEADLINE: Duration = Duration::from_secs(300);

/// How long Connect may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// How often the connector is asked whether it lives.
const LIFE_INTERVAL: Duration = Duration::from_secs(2);

/// What stands before the names of warm-up's slots and topics.
const WARM_UP: &str = "warm";

impl Tuning {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tuning::Default => "default",
            Tuning::Tuned => "tuned",
        }
    }

    fn worker(self, bench: &Bench<'_>, port: u16, offsets: &str, plugins: &str) -> String {
        let converter = "org.apache.kafka.connect.json.JsonConverter";
        let schemas = (self == Tuning::Default).to_string();
        let (brokers, listener) = (bench.kafka.brokers(), format!("http://127.0.0.1:{port}"));
        let mut settings = vec![
            ("bootstrap.servers", brokers.as_str()),
            ("key.converter", converter),
            ("value.converter", converter),
            ("key.converter.schemas.enable", &schemas),
            ("value.converter.schemas.enable", &schemas),
            ("offset.storage.file.filename", offsets),
            ("offset.flush.interval.ms", "10000"),
            ("plugin.path", plugins),
            ("listeners", &listener),
        ];
        if self == Tuning::Tuned {
            settings.extend([
                ("producer.compression.type", "lz4"),
                ("producer.batch.size", "262144"),
                ("producer.linger.ms", "10"),
                ("producer.buffer.memory", "67108864"),
            ]);
        }
        settings.into_iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    fn connector(self, bench: &Bench<'_>, slot: &str, prefix: &str) -> Value {
        let mut settings = BTreeMap::from([
            ("connector.class", "io.debezium.connector.postgresql.PostgresConnector".to_owned()),
            ("tasks.max", "1".to_owned()),
            ("database.hostname", "127.0.0.1".to_owned()),
            ("database.port", bench.postgres.port().to_string()),
            ("database.user", "postgres".to_owned()),
            ("database.password", "none".to_owned()),
            ("database.dbname", DATABASE.to_owned()),
            ("topic.prefix", prefix.to_owned()),
            ("plugin.name", "pgoutput".to_owned()),
            ("slot.name", slot.to_owned()),
            ("publication.name", PUBLICATION.to_owned()),
            ("publication.autocreate.mode", "disabled".to_owned()),
            ("snapshot.mode", "no_data".to_owned()),
        ]);
        if self == Tuning::Tuned {
            settings.insert("max.batch.size", "20000".to_owned());
            settings.insert("max.queue.size", "100000".to_owned());
        }
        json!(settings)
    }

    /// Drains until the topics hold a record of every change, and a tombstone behind every delete.
    pub(crate) async fn drain(self, bench: &Bench<'_>, sampler: &Sampler, slot: &str) -> Result<Drained> {
        let records = u64::from(bench.written.rows) + u64::from(bench.written.deletes);
        let warm_topics = Topics::create(bench.kafka, WARM_UP, &bench.workload.tables()).await?;
        let mut worker = Worker::start(self, bench, slot).await?;
        worker.create(WARM_UP, &self.connector(bench, &warm_up_slot(slot), WARM_UP)).await?;
        worker.fill(&warm_topics, records.min(WARM_UP_RECORDS)).await?;
        worker.remove(WARM_UP).await?;
        let sql = bench.postgres.sql("postgres").await?;
        wait_until("the warm-up has ended", DEADLINE, async || {
            sql.run(&format!("SELECT pg_drop_replication_slot('{}')", warm_up_slot(slot))).await.map(|()| true)
        })
        .await?;
        warm_topics.remove().await?;

        let ends = bench.topics.ends()?;
        let before = count(&ends)?;
        worker.create(slot, &self.connector(bench, slot, bench.workload.name)).await?;
        let watch = Watch::begin_with_reader(sampler, &sql, slot, worker.process.id(), bench.broker()).await?;
        worker.fill(&bench.topics, before + records).await?;
        let drained = watch.end_in_kafka()?;
        worker.stop().await?;
        let found = count(&ends)? - before;
        ensure!(found == records, "{found} records came of {:?}", bench.written);
        Ok(drained)
    }
}

/// The slot from which a worker is warmed up for another.
pub(crate) fn warm_up_slot(slot: &str) -> String {
    format!("{slot}_{WARM_UP}")
}

/// A running Kafka Connect.
struct Worker {
    process: Process,
    port: u16,
}

impl Worker {
    async fn start(tuning: Tuning, bench: &Bench<'_>, slot: &str) -> Result<Self> {
        let home = home()?;
        let port = free_port()?;
        let folder = bench.kit.folder();
        let offsets = folder.join(format!("connect-{slot}.offsets")).display().to_string();
        let properties = folder.join(format!("connect-{slot}.properties"));
        std::fs::write(&properties, tuning.worker(bench, port, &offsets, &home.join("plugins").display().to_string()))?;
        let classes = format!("{}/libs/*", home.display());
        let program = ["-cp", &classes, "org.apache.kafka.connect.cli.ConnectStandalone", &properties.display().to_string()];
        let launch = Launch::new("java", folder.join("connect.log")).arguments(&JAVA_OPTIONS).arguments(&program);
        let mut process = Process::start("Kafka Connect", &launch)?;
        wait_until("Kafka Connect answers", START_DEADLINE, async || {
            Ok(process.ended()?.is_some() || rest::request(port, "GET", "/connectors", "").await?.0 == 200)
        })
        .await?;
        process.ensure_running()?;
        Ok(Worker { process, port })
    }

    async fn create(&self, name: &str, settings: &Value) -> Result {
        let path = format!("/connectors/{name}/config");
        let (status, answer) = rest::request(self.port, "PUT", &path, &settings.to_string()).await?;
        ensure!(status == 201, "Kafka Connect does not take the connector ({status}): {answer}");
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result {
        let (status, answer) = rest::request(self.port, "DELETE", &format!("/connectors/{name}"), "").await?;
        ensure!(status == 204, "Kafka Connect does not stop the connector ({status}): {answer}");
        Ok(())
    }

    /// Waits until topics have taken so many records.
    async fn fill(&mut self, topics: &Topics, records: u64) -> Result {
        let ends = topics.ends()?;
        let began = Instant::now();
        let mut looked = began;
        while count(&ends)? < records {
            ensure!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {records} records are in Kafka");
            if looked.elapsed() > LIFE_INTERVAL {
                self.ensure_working().await?;
                looked = Instant::now();
            }
            tokio::time::sleep(topics.interval()).await;
        }
        Ok(())
    }

    /// Fails when a connector or its task has failed, and says why.
    async fn ensure_working(&mut self) -> Result {
        self.process.ensure_running()?;
        let (_, answer) = rest::request(self.port, "GET", "/connectors?expand=status", "").await?;
        ensure!(!answer.contains("FAILED"), "the connector has failed: {answer}");
        Ok(())
    }

    /// Ends it. Sometimes a worker does not end when it is told to: then it is killed, since nothing is measured any more.
    async fn stop(mut self) -> Result {
        self.process.signal(Signal::TERM)?;
        if self.process.wait(STOP_PATIENCE).await.is_err() {
            println!("Kafka Connect does not end by itself, and is killed");
            self.process.signal(Signal::KILL)?;
            self.process.wait(START_DEADLINE).await?;
        }
        Ok(())
    }
}

/// Where it is; fails with what to do where it is not.
pub(crate) fn home() -> Result<PathBuf> {
    let home = repository().join(".cache/connect");
    ensure!(home.join("libs").exists(), "there is no Kafka Connect in {}: run scripts/install-connect.sh", home.display());
    Ok(home)
}
