//! waltap, whole way into Kafka.

use std::time::Duration;

use waltap_bench::sampler::Sampler;
use waltap_tests::{Result, Sql, TopicEnds, Waltap, ensure, wait_until};

use super::contender::DEADLINE;
use super::topics::count;
use super::watch::{Drained, Watch};
use super::workload::Written;
use super::{Bench, DATABASE};

/// How it captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) delivery: &'static str,
    pub(crate) format: &'static str,
    pub(crate) over_socket: bool,
}

/// What is read beside other contenders: its records are produced again.
pub(crate) const PLAIN: Manner = Manner { delivery: "at-least-once", format: "native", over_socket: false };

impl Manner {
    /// How many records it makes of the changes. None: Kafka's marks of transactions stand between them.
    fn records(&self, written: Written) -> Option<u64> {
        let tombstones = if self.format == "debezium" { written.deletes } else { 0 };
        (self.delivery != "exactly-once").then_some(u64::from(written.rows) + u64::from(tombstones))
    }

    /// Starts it, under the name that its slot has.
    pub(crate) fn start(&self, bench: &Bench<'_>, name: &str) -> Result<Waltap> {
        let brokers = bench.kafka.brokers();
        let source = match self.over_socket {
            true => format!(
                "host={} port={} user=postgres dbname=postgres",
                bench.postgres.socket_folder().display(),
                bench.postgres.port()
            ),
            false => bench.route.connection("postgres"),
        };
        let topic = format!("{}.{{schema}}.{{table}}", bench.workload.name);
        let mut arguments = vec!["capture", "--source", &source, "--brokers", &brokers, "--name", name, "--topic", &topic];
        arguments.extend(["--database", DATABASE, "--snapshot", "never", "--delivery", self.delivery, "--format", self.format]);
        bench.kit.waltap(&arguments, &[])
    }

    /// Drains up to the end, which is when PostgreSQL knows that Kafka has confirmed all. Tells how many records that made, too.
    pub(crate) async fn capture_all(&self, bench: &Bench<'_>, sampler: &Sampler, name: &str, end: &str) -> Result<Drained> {
        let sql = bench.postgres.sql("postgres").await?;
        let slot = slot(&sql, name).await?;
        let ends = bench.topics.ends()?;
        let before = count(&ends)?;
        let mut waltap = self.start(bench, name)?;
        let process = waltap.process().id();
        let watch = Watch::begin_with_reader(sampler, &sql, &slot, process, bench.broker()).await?;
        let wanted = self.records(bench.written);
        let in_kafka = match wanted {
            Some(records) => Some(filled(bench, &ends, before + records, &watch).await?),
            None => None,
        };
        confirmed(&sql, &slot, end).await?;
        let drained = Drained { in_kafka, ..watch.end()? };
        waltap.stop_cleanly().await?;
        let records = count(&ends)? - before;
        ensure!(wanted.is_none_or(|wanted| records == wanted), "{records} records came of {:?}", bench.written);
        Ok(drained)
    }
}

/// Waits until the topics have taken so many records, and says when that was.
async fn filled(bench: &Bench<'_>, ends: &TopicEnds, records: u64, watch: &Watch<'_>) -> Result<Duration> {
    while count(ends)? < records {
        let waited = watch.elapsed();
        ensure!(waited < DEADLINE, "not within {DEADLINE:?}: {records} records are in Kafka");
        tokio::time::sleep(bench.topics.interval()).await;
    }
    Ok(watch.elapsed())
}

/// Its slot, whose name ends in a number.
pub(crate) async fn slot(sql: &Sql, name: &str) -> Result<String> {
    sql.value(&format!("SELECT slot_name FROM pg_replication_slots WHERE starts_with(slot_name, 'waltap_{name}_')")).await
}

/// Makes the slots of captures, all at the same place of the log, and lets each send a row of every table, as a connector has that has been
/// at work.
pub(crate) async fn prepare(bench: &Bench<'_>, sql: &Sql, captures: &[(Manner, String)]) -> Result {
    let mut running = Vec::new();
    for (manner, name) in captures {
        running.push(manner.start(bench, name)?);
    }
    for waltap in &mut running {
        waltap.wait_streaming_within(DEADLINE).await?;
    }
    sql.run(&bench.workload.one_row_each()).await?;
    let end = sql.value("SELECT pg_current_wal_lsn()").await?;
    for (_, name) in captures {
        confirmed(sql, &slot(sql, name).await?, &end).await?;
    }
    for waltap in &mut running {
        waltap.stop_cleanly().await?;
    }
    Ok(())
}

/// Waits until PostgreSQL may forget everything up to a place.
async fn confirmed(sql: &Sql, slot: &str, end: &str) -> Result {
    let question = format!("SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{slot}'");
    wait_until("everything is confirmed", DEADLINE, async || Ok(sql.value(&question).await? == "t")).await
}
