//! What a row goes through from the moment at which its commit is sent.

use std::time::Duration;

use waltap_bench::reader::{self, Isolation};
use waltap_bench::sampler::usage;
use waltap_bench::statistics::{quantile, sorted};
use waltap_tests::{Failure, Result, wait_until};

use super::clock::{now_micros, sent};
use super::writers::Written;
use super::{Bench, DATABASE, floor, writers};

/// Rows of so many first seconds do not count: connections, caches and topics are fresh.
const WARM_UP_SECONDS: u32 = 2;

/// A start takes no longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// One way to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Commit to a bare client of a slot: no Kafka.
    Slot,
    /// Producer to consumer: no PostgreSQL.
    Broker,
    /// Commit to consumer, with a delivery.
    Waltap(&'static str),
}

pub(crate) const CONTENDERS: [Contender; 4] =
    [Contender::Slot, Contender::Broker, Contender::Waltap("at-least-once"), Contender::Waltap("exactly-once")];

/// What one turn gave, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) median: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) slowest: f64,
    /// Half of the commits were answered so long after they were sent, and 99 of 100. NaN where nothing was committed.
    pub(crate) answered: (f64, f64),
    /// So much later than due 99 of 100 commits were sent at the most.
    pub(crate) late_p99: f64,
    /// Processor time of waltap for each row, in microseconds; NaN for others.
    pub(crate) cpu_micros: f64,
}

impl Contender {
    pub(crate) fn name(&self) -> String {
        match self {
            Contender::Slot => "commit to bare client".to_owned(),
            Contender::Broker => "producer to consumer".to_owned(),
            Contender::Waltap(delivery) => format!("waltap {delivery}"),
        }
    }

    /// One round at a rate, in a table, with a slot and a topic of its own.
    pub(crate) async fn turn(&self, bench: &Bench<'_>, rate: u32, round: usize) -> Result<Turn> {
        let slug = match self {
            Contender::Slot => "slot".to_owned(),
            Contender::Broker => "broker".to_owned(),
            Contender::Waltap(delivery) => delivery.replace('-', "_"),
        };
        let name = format!("l{rate}_{slug}_{round}");
        let count = rate * (bench.seconds + WARM_UP_SECONDS);
        let sql = bench.servers.postgres.sql(DATABASE).await?;
        sql.run(&format!("CREATE TABLE {name} (id bigint PRIMARY KEY, sent bigint)")).await?;
        let (latencies, written, cpu_micros) = match self {
            Contender::Slot => self.slot(bench, &name, rate, count).await?,
            Contender::Broker => self.broker(bench, &name, rate, count).await?,
            Contender::Waltap(delivery) => self.waltap(bench, delivery, &name, rate, count).await?,
        };
        sql.run(&format!("DROP TABLE {name}")).await?;
        // Rows come in about the order of their numbers.
        let latencies = sorted(latencies.into_iter().skip((rate * WARM_UP_SECONDS) as usize).map(|micros| micros / 1_000.0));
        let (answered, late) = (sorted(written.answered), sorted(written.late));
        Ok(Turn {
            median: quantile(&latencies, 0.5),
            p90: quantile(&latencies, 0.9),
            p99: quantile(&latencies, 0.99),
            slowest: quantile(&latencies, 1.0),
            answered: (quantile(&answered, 0.5) / 1_000.0, quantile(&answered, 0.99) / 1_000.0),
            late_p99: quantile(&late, 0.99) / 1_000.0,
            cpu_micros,
        })
    }

    async fn slot(&self, bench: &Bench<'_>, name: &str, rate: u32, count: u32) -> Result<(Vec<f64>, Written, f64)> {
        let sql = bench.servers.postgres.sql(DATABASE).await?;
        sql.run(&format!("CREATE PUBLICATION {name} FOR TABLE {name}")).await?;
        sql.rows(&format!("SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")).await?;
        let (port, slot) = (bench.servers.postgres.port(), name.to_owned());
        let reading = tokio::task::spawn_blocking(move || floor::drain(port, DATABASE, &slot, &slot, count));
        let question = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{name}'");
        wait_until("the slot is read", DEADLINE, async || Ok(sql.value(&question).await? == "t")).await?;
        let written = write(bench, name, rate, count).await?;
        let latencies = reading.await??;
        wait_until("the slot is free", DEADLINE, async || {
            sql.rows(&format!("SELECT pg_drop_replication_slot('{name}')")).await.map(|_| true)
        })
        .await?;
        sql.run(&format!("DROP PUBLICATION {name}")).await?;
        Ok((latencies, written, f64::NAN))
    }

    async fn broker(&self, bench: &Bench<'_>, name: &str, rate: u32, count: u32) -> Result<(Vec<f64>, Written, f64)> {
        bench.servers.kafka.topics().create(name, 1).await?;
        let reading = read(bench, name, count);
        let (brokers, topic) = (bench.servers.kafka.brokers(), name.to_owned());
        tokio::task::spawn_blocking(move || floor::produce(&brokers, &topic, rate, count)).await??;
        Ok((reading.await??, Written::default(), f64::NAN))
    }

    async fn waltap(
        &self,
        bench: &Bench<'_>,
        delivery: &str,
        name: &str,
        rate: u32,
        count: u32,
    ) -> Result<(Vec<f64>, Written, f64)> {
        let table = format!("public.{name}");
        let flags = ["--name", name, "--topic", name, "--database", DATABASE, "--table", &table, "--snapshot", "never"];
        let more = [&flags[..], &["--delivery", delivery]].concat();
        let mut waltap = bench.kit.capture(&bench.servers.postgres, &bench.servers.kafka, &more)?;
        waltap.wait_streaming().await?;
        let process = waltap.process().id();
        let before = usage(process).unwrap_or_default().cpu;
        let reading = read(bench, name, count);
        let written = write(bench, name, rate, count).await?;
        let latencies = reading.await??;
        let used = usage(process).unwrap_or_default().cpu.saturating_sub(before);
        waltap.stop_cleanly().await?;
        let sql = bench.servers.postgres.sql(DATABASE).await?;
        // Its log must not be kept for the turns that come.
        sql.rows(&format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE starts_with(slot_name, 'waltap_{name}_')"
        ))
        .await?;
        Ok((latencies, written, used.as_secs_f64() * 1e6 / f64::from(count)))
    }
}

async fn write(bench: &Bench<'_>, table: &str, rate: u32, count: u32) -> Result<Written> {
    let (port, table) = (bench.servers.postgres.port(), table.to_owned());
    tokio::task::spawn_blocking(move || writers::write(port, DATABASE, &table, rate, count)).await?
}

/// Reads committed records until so many have come; gives the latency of each in microseconds.
fn read(bench: &Bench<'_>, topic: &str, count: u32) -> tokio::task::JoinHandle<Result<Vec<f64>>> {
    let (brokers, topic) = (bench.servers.kafka.brokers(), topic.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut latencies = Vec::with_capacity(count as usize);
        let mut foreign = None;
        reader::read(&brokers, &topic, Isolation::Committed, |value, _| {
            match sent(value) {
                Some(sent) => latencies.push(now_micros().saturating_sub(sent) as f64),
                None => foreign = Some(String::from_utf8_lossy(value).into_owned()),
            }
            foreign.is_none() && latencies.len() < count as usize
        })?;
        foreign.map_or(Ok(latencies), |value| Err(Failure::new(format!("a record that tells no time: {value}"))))
    })
}
