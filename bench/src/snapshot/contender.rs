//! Who reads the table.

use std::time::Duration;

use waltap_bench::log_times;
use waltap_bench::sampler::{Sampler, Usage};
use waltap_bench::servers::Meter;
use waltap_tests::{Failure, Launch, Process, Result, ensure, wait_until};

use super::{Bench, DATABASE, TABLE};

/// A turn that takes longer has broken.
const DEADLINE: Duration = Duration::from_secs(1_800);

/// What waltap logs when it begins to read rows, with the table's shape, its topic and its slot at hand,
const BEGUN: &str = "reading existing rows";

/// and when Kafka has confirmed the last of them.
const DONE: &str = "every existing row is confirmed";

/// One way to read a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// PostgreSQL's own client, to nowhere: what the ratios are against.
    Psql,
    /// COPY by a bare client, to nowhere.
    Bare,
    /// The barest program that brings the rows into Kafka as JSON.
    Barest,
    /// All the way, with a delivery.
    Waltap(&'static str),
}

pub(crate) const CONTENDERS: [Contender; 5] =
    [Contender::Psql, Contender::Bare, Contender::Barest, Contender::Waltap("at-least-once"), Contender::Waltap("exactly-once")];

/// What one turn took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// From the start of reading until all is read, or confirmed by Kafka.
    pub(crate) took: Duration,
    pub(crate) contender: Usage,
    /// The processes of PostgreSQL together, and the broker.
    pub(crate) servers: Meter,
}

impl Contender {
    pub(crate) fn name(&self) -> String {
        match self {
            Contender::Psql => "psql".to_owned(),
            Contender::Bare => "bare client".to_owned(),
            Contender::Barest => "barest into Kafka".to_owned(),
            Contender::Waltap(delivery) => format!("waltap {delivery}"),
        }
    }

    fn topic(&self, round: usize) -> String {
        format!("{}_{round}", self.name().replace(' ', "_"))
    }

    pub(crate) async fn turn(&self, bench: &Bench<'_>, round: usize) -> Result<Turn> {
        let topic = self.topic(round);
        if *self == Contender::Barest {
            bench.servers.kafka.topics().create(&topic, 1).await?;
        }
        let before = bench.servers.meter();
        let sampler = Sampler::start();
        let (took, contender) = match self {
            Contender::Psql => self.psql(bench, &sampler).await?,
            Contender::Bare => self.bare(bench, &sampler, &[]).await?,
            Contender::Barest => self.bare(bench, &sampler, &[&bench.servers.kafka.brokers(), &topic]).await?,
            Contender::Waltap(delivery) => self.waltap(bench, &sampler, delivery, &topic).await?,
        };
        sampler.stop()?;
        let servers = bench.servers.meter().since(&before);
        if matches!(self, Contender::Barest | Contender::Waltap(_)) {
            let records = bench.servers.kafka.topics().end(&topic).await?;
            ensure!(records >= i64::from(bench.rows), "{} records of {} rows are in {topic}", records, bench.rows);
            bench.servers.kafka.topics().delete(&topic).await?;
        }
        Ok(Turn { took, contender, servers })
    }

    /// By its own clock, since its start is not measured.
    async fn psql(&self, bench: &Bench<'_>, sampler: &Sampler) -> Result<(Duration, Usage)> {
        let out = bench.kit.folder().join("psql.out");
        let _ = std::fs::remove_file(&out);
        let copy = format!("COPY {TABLE} TO STDOUT");
        let mut launch = bench.servers.postgres.client("psql", bench.kit.folder().join("clients.log"));
        launch = launch.arguments(&["-X", "-d", DATABASE, "-o", "/dev/null", "-c", "\\timing on", "-c", &copy]);
        // The file is ours, and so must be who writes it.
        (launch.stdout, launch.user) = (Some(out.clone()), None);
        let usage = self.run(&launch, sampler).await?;
        let said = std::fs::read_to_string(&out)?;
        let millis = said.split_once("Time: ").and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<f64>().ok());
        let millis = millis.ok_or_else(|| Failure::new(format!("psql tells no time: {said}")))?;
        Ok((Duration::from_secs_f64(millis / 1_000.0), usage))
    }

    async fn bare(&self, bench: &Bench<'_>, sampler: &Sampler, sink: &[&str]) -> Result<(Duration, Usage)> {
        let out = bench.kit.folder().join("bare.out");
        let _ = std::fs::remove_file(&out);
        let program = std::env::current_exe()?.with_file_name("bare-snapshot");
        let address = format!("127.0.0.1:{}", bench.servers.postgres.port());
        let mut launch = Launch::new(program, bench.kit.folder().join("clients.log"));
        launch = launch.arguments(&[address.as_str(), DATABASE, TABLE]).arguments(sink);
        launch.stdout = Some(out.clone());
        let usage = self.run(&launch, sampler).await?;
        let said = std::fs::read_to_string(&out)?;
        let seconds = said.split_whitespace().next().and_then(|seconds| seconds.parse().ok());
        let seconds = seconds.ok_or_else(|| Failure::new(format!("the bare client tells no time: {said}")))?;
        Ok((Duration::from_secs_f64(seconds), usage))
    }

    async fn run(&self, launch: &Launch, sampler: &Sampler) -> Result<Usage> {
        let mut client = Process::start(&self.name(), launch)?;
        sampler.watch(client.id());
        let status = client.wait(DEADLINE).await?;
        ensure!(status.success(), "{} failed:\n{}", self.name(), client.log_tail(5));
        Ok(sampler.usage(client.id()))
    }

    /// By its log. What it has used before is not of the rows.
    async fn waltap(&self, bench: &Bench<'_>, sampler: &Sampler, delivery: &str, topic: &str) -> Result<(Duration, Usage)> {
        let name = topic.replace(['-', '.'], "_");
        let name = name.get(..name.len().min(24)).unwrap_or(&name);
        let table = format!("public.{TABLE}");
        let flags = ["--name", name, "--topic", topic, "--database", DATABASE, "--table", &table, "--snapshot", "only"];
        let more = [&flags[..], &["--delivery", delivery]].concat();
        let mut waltap = bench.kit.capture(&bench.servers.postgres, &bench.servers.kafka, &more)?;
        let process = waltap.process().id();
        sampler.watch(process);
        wait_until("rows are read", DEADLINE, async || {
            let log = waltap.log();
            Ok(log.contains(BEGUN) || log.contains(" ERROR "))
        })
        .await?;
        let before = sampler.usage(process).cpu;
        let code = waltap.wait_exit(DEADLINE).await?;
        let log = waltap.log();
        ensure!(code == 0, "waltap failed:\n{log}");
        let took = log_times::between(&log, BEGUN, DONE).ok_or_else(|| Failure::new(format!("waltap tells no time:\n{log}")))?;
        let used = sampler.usage(process);
        Ok((took, Usage { cpu: used.cpu.saturating_sub(before), ..used }))
    }
}
