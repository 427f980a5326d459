//! A test's frame: one folder for its logs, a time limit, and what to show when it fails.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::postgres::repository;
use crate::{
    Failure, Kafka, KafkaCluster, KafkaOptions, Output, Pair, Pooler, Postgres, PostgresOptions, Result, TempFolder, Waltap,
};

/// A test that hangs is ended; the long ones say how long they may take. The others take a minute or two, of a busy machine several times that.
const LIMIT: Duration = Duration::from_secs(600);

/// How much of each log a failed test shows.
const LOG_LINES_SHOWN: usize = 40;

/// Starts servers whose logs stand together in one folder.
#[derive(Debug)]
pub struct Kit {
    folder: TempFolder,
    limit: Duration,
    started: AtomicU32,
}

/// Runs a test within ten minutes. On failure the ends of all logs are printed, and the logs are kept in `target/e2e/NAME`.
pub fn run(name: &str, test: impl AsyncFnOnce(&Kit) -> Result) -> Result {
    run_within(name, LIMIT, test)
}

/// The same, with a time of one's own.
pub fn run_within(name: &str, limit: Duration, test: impl AsyncFnOnce(&Kit) -> Result) -> Result {
    let kit = Kit { folder: TempFolder::new()?, limit, started: AtomicU32::new(0) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // A failed assertion must not skip the logs.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            match tokio::time::timeout(kit.limit, Box::pin(test(&kit))).await {
                Ok(result) => result,
                Err(_) => Err(Failure::new(format!("{name} took longer than {limit:?}"))),
            }
        })
    }));
    // A reader that blocks on a paused broker must not hold the test up.
    runtime.shutdown_timeout(Duration::from_secs(5));
    if !matches!(outcome, Ok(Ok(()))) {
        kit.show_logs(name);
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

impl Kit {
    /// The folder of the logs, and of whatever else the test writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self, what: &str) -> PathBuf {
        self.folder.path().join(format!("{what}-{}.log", self.started.fetch_add(1, Ordering::Relaxed)))
    }

    /// Starts a PostgreSQL as the kit sets it.
    pub async fn postgres(&self) -> Result<Postgres> {
        self.postgres_with(PostgresOptions::default()).await
    }

    /// Starts a PostgreSQL of one's own setting.
    pub async fn postgres_with(&self, options: PostgresOptions) -> Result<Postgres> {
        Postgres::start(options, self.log("postgres")).await
    }

    /// Starts a primary with a standby that follows it.
    pub async fn pair(&self, options: PostgresOptions) -> Result<Pair> {
        Pair::start(options, [self.log("primary"), self.log("standby")]).await
    }

    /// Starts a pooler before a PostgreSQL, with settings of its own.
    pub async fn pooler(&self, postgres: &Postgres, settings: &[&str]) -> Result<Pooler> {
        Pooler::start(postgres, settings, self.log("pooler")).await
    }

    /// Starts a Kafka as the kit sets it.
    pub async fn kafka(&self) -> Result<Kafka> {
        self.kafka_with(KafkaOptions::default()).await
    }

    /// Starts a Kafka of one's own setting.
    pub async fn kafka_with(&self, options: KafkaOptions) -> Result<Kafka> {
        Kafka::start(options, self.log("kafka")).await
    }

    /// Starts a Kafka of three brokers.
    pub async fn kafka_cluster(&self) -> Result<KafkaCluster> {
        KafkaCluster::start(|| self.log("kafka")).await
    }

    /// Starts `waltap capture` from one to the other as superuser, with more arguments.
    pub fn capture(&self, postgres: &Postgres, kafka: &Kafka, more: &[&str]) -> Result<Waltap> {
        self.capture_within(&[], postgres, kafka, more)
    }

    /// The same, started by another program: see [`Waltap::start_within`].
    pub fn capture_within(&self, outer: &[&str], postgres: &Postgres, kafka: &Kafka, more: &[&str]) -> Result<Waltap> {
        self.capture_from(outer, &postgres.url("postgres"), kafka, more)
    }

    /// The same from a source of another name.
    pub fn capture_from(&self, outer: &[&str], source: &str, kafka: &Kafka, more: &[&str]) -> Result<Waltap> {
        let brokers = kafka.brokers();
        let arguments = [&["capture", "--source", source, "--brokers", &brokers], more].concat();
        Waltap::start_within(outer, &arguments, &[], self.folder(), &self.waltap_name())
    }

    /// Starts a waltap that stays, with its status server on a free port.
    pub fn waltap(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Waltap> {
        let name = self.waltap_name();
        Waltap::start(arguments, environment, self.folder(), &name)
    }

    /// Runs a waltap command to its end.
    pub async fn output(&self, arguments: &[&str], environment: &[(&str, &str)], deadline: Duration) -> Result<Output> {
        let name = self.waltap_name();
        Waltap::output(arguments, environment, self.folder(), &name, deadline).await
    }

    fn waltap_name(&self) -> String {
        format!("waltap-{}", self.started.fetch_add(1, Ordering::Relaxed))
    }

    fn show_logs(&self, name: &str) {
        let kept = repository().join("target/e2e").join(name);
        let _ = fs::remove_dir_all(&kept);
        let _ = fs::create_dir_all(&kept);
        let Ok(entries) = fs::read_dir(self.folder()) else { return };
        let mut logs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        logs.sort();
        for log in logs {
            let text = fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            if let Some(file) = log.file_name() {
                let _ = fs::copy(&log, kept.join(file));
                println!("---- {} ({} lines, kept in {})", file.display(), lines.len(), kept.display());
                println!("{}", shown.join("\n"));
            }
        }
    }
}
