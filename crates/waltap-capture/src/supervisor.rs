//! The supervisor: one tap a database, in one process. It looks for databases, starts taps, and lets one fail without the others.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use waltap_error::{Code, Error, Kind, Result};
use waltap_kafka::{PROGRESS_TOPIC_DEFAULT, Topics, probe};
use waltap_postgres::Sql;
use waltap_postgres::catalog::{Database, databases};
use waltap_postgres::slot::slot_name;

use crate::board::Board;
use crate::capture::Handle;
use crate::guard::{self, GivenUp};
use crate::kafka::{Cluster, ProgressTopic};
use crate::naming::TopicClaims;
use crate::options::{KafkaSinkOptions, Options, SinkOptions, SnapshotMode};
use crate::preflight::{self, Told};
use crate::requests::{self, Requests};
use crate::sabotage;
use crate::sink::Output;
use crate::source::Server;
use crate::status::TapState;
use crate::tap::{self, Context, Destination, Ended, KafkaDestination, Shared, stop_asked};

/// How long Kafka may take to answer when the capture starts, before that is said and tried again.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);

/// The first and the longest wait between two attempts to start.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(15);

/// How often databases are asked for at most.
const DATABASES_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// How often rates are measured.
const RATE_INTERVAL: Duration = Duration::from_secs(1);

/// The least that a tap's queue may hold, however many taps share the memory.
const QUEUE_BYTES_MIN: usize = 4 << 20;

/// The least of open transactions that a tap may hold in memory: below it every write to the disk would be a small one.
const SPILL_BYTES_MIN: usize = 64 << 10;

pub(crate) async fn run(options: Options, handle: Handle, mut shutdown: watch::Receiver<bool>) -> Result<()> {
    sabotage::start()?;
    let given_up = GivenUp::default();
    // They end with this future, however it ends.
    let mut guard = JoinSet::new();
    let mut watcher = JoinSet::new();
    // A look, or a run that only reads rows, keeps no slot: the one that bears its name belongs to a capture that streams.
    if matches!(options.sink, SinkOptions::Kafka(_)) && options.snapshot != SnapshotMode::Only {
        guard.spawn(guard::run(options.clone(), handle.clone(), given_up.clone()));
    }
    let start = start_patiently(&options, &handle, &given_up, &mut watcher);
    let started = tokio::select! {
        started = start => started?,
        () = stop_asked(&mut shutdown) => return Ok(()),
    };
    let (shared, sql, wanted) = started;
    let mut supervisor = Supervisor {
        shared,
        handle,
        shutdown,
        stop: watch::Sender::new(false),
        taps: JoinSet::new(),
        boards: HashMap::new(),
        known: BTreeSet::new(),
        first_failure: None,
        done: 0,
    };
    for database in wanted {
        supervisor.start_tap(database);
    }
    supervisor.watch(sql).await
}

/// Starts when both sides answer; waits, and says so, while one does not.
async fn start_patiently(
    options: &Options,
    handle: &Handle,
    given_up: &GivenUp,
    watcher: &mut JoinSet<()>,
) -> Result<(Arc<Shared>, Sql, Vec<String>)> {
    let mut delay = RETRY_MIN;
    let mut told = Told::default();
    loop {
        match start(options, handle, given_up, watcher, &mut told).await {
            Err(error) if error.kind() == Kind::Transient => {
                handle.set_start_error(Some(&error));
                tracing::warn!(
                    code = %error.code(),
                    error = error.report(),
                    remedy = error.remedy_text(),
                    retry_in = ?delay,
                    "the capture cannot start yet"
                );
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(RETRY_MAX);
            }
            result => {
                handle.set_start_error(result.as_ref().err());
                return result;
            }
        }
    }
}

async fn start(
    options: &Options,
    handle: &Handle,
    given_up: &GivenUp,
    watcher: &mut JoinSet<()>,
    told: &mut Told,
) -> Result<(Arc<Shared>, Sql, Vec<String>)> {
    let sql = options.source.sql(options.source.maintenance_database()).await?;
    let wanted = preflight::before_start(options, &sql, told).await?;
    let destination = match &options.sink {
        SinkOptions::Stdout => Destination::Output(Output::start()?),
        SinkOptions::Kafka(kafka) => Destination::Kafka(Box::new(connect_kafka(kafka, wanted.len()).await?)),
    };
    let claims = TopicClaims::default();
    claims.claim(PROGRESS_TOPIC_DEFAULT, "", "", "progress")?;
    let mut options = options.clone();
    // One bound for the whole capture here too.
    let spill_memory = options.streaming.spill_memory / wanted.len().max(1);
    options.streaming.spill_memory = spill_memory.max(SPILL_BYTES_MIN);
    let server = Server::Postgres(Box::new(options.source.clone()));
    let (metrics, given_up) = (handle.metrics_handle().clone(), given_up.clone());
    let requests = match &destination {
        // What only reads rows once has no slot, and may run beside the capture of this name: nothing is requested of it.
        Destination::Kafka(kafka) if options.snapshot != SnapshotMode::Only => {
            let (requests, watching) = requests::watch(Arc::clone(&kafka.progress), &options.name).await?;
            watcher.spawn(watching);
            requests
        }
        _ => Requests::default(),
    };
    let shared = Shared { server, options, metrics, claims, destination, given_up, requests };
    Ok((Arc::new(shared), sql, wanted))
}

/// Waits for ever where the output is Kafka.
async fn output_closed(destination: &Destination) {
    match destination {
        Destination::Output(output) => output.closed().await,
        Destination::Kafka(_) => std::future::pending().await,
    }
}

async fn connect_kafka(kafka: &KafkaSinkOptions, taps: usize) -> Result<KafkaDestination> {
    let cluster = probe(&kafka.client, KAFKA_TIMEOUT).await?;
    tracing::info!(brokers = cluster.brokers, cluster = cluster.cluster_id, "Kafka answers");
    let progress =
        waltap_kafka::ProgressTopic::open(&kafka.client, PROGRESS_TOPIC_DEFAULT, kafka.replication_factor, KAFKA_TIMEOUT).await?;
    // One bound for the whole capture, shared out among the taps.
    let queue_bytes = (kafka.client.queue_bytes() / taps.max(1)).max(QUEUE_BYTES_MIN);
    let client = kafka.client.clone().with_queue_share(queue_bytes);
    Ok(KafkaDestination {
        cluster: Cluster::Kafka(Topics::new(&client)),
        cluster_id: cluster.cluster_id,
        options: KafkaSinkOptions { client, ..kafka.clone() },
        progress: Arc::new(ProgressTopic::Kafka(progress)),
    })
}

struct Supervisor {
    shared: Arc<Shared>,
    handle: Handle,
    shutdown: watch::Receiver<bool>,
    /// Tells the taps to stop.
    stop: watch::Sender<bool>,
    taps: JoinSet<Result<Ended>>,
    /// The board of each running tap.
    boards: HashMap<Id, Arc<Board>>,
    /// Databases that have, or had, a tap.
    known: BTreeSet<String>,
    first_failure: Option<Error>,
    done: usize,
}

impl Supervisor {
    fn start_tap(&mut self, database: String) {
        let options = &self.shared.options;
        // What is looked at on standard output must not touch the publications of a capture that runs under the same name.
        let name = match options.sink {
            SinkOptions::Kafka(_) => options.name.clone(),
            SinkOptions::Stdout => format!("{}_stdout_{}", options.name, std::process::id()),
        };
        let slot = slot_name(&name, &database);
        let board = Arc::new(Board::new(&database, &slot));
        self.handle.add(Arc::clone(&board));
        tracing::info!(database, slot, "starting a tap");
        let context = Context::new(Arc::clone(&self.shared), database.clone(), name, slot, Arc::clone(&board));
        self.known.insert(database);
        let task = self.taps.spawn(tap::run(context, self.stop.subscribe()));
        self.boards.insert(task.id(), board);
    }

    async fn watch(mut self, sql: Sql) -> Result<()> {
        let mut sql = Some(sql);
        let interval = self.shared.options.discovery_interval.max(DATABASES_INTERVAL_MIN);
        let mut look = tokio::time::interval(interval);
        let mut rates = tokio::time::interval(RATE_INTERVAL);
        loop {
            tokio::select! {
                Some(ended) = self.taps.join_next_with_id() => self.ended(ended),
                () = stop_asked(&mut self.shutdown) => break,
                () = output_closed(&self.shared.destination) => {
                    tracing::info!("nobody reads standard output any more");
                    break;
                }
                _ = look.tick() => self.look_for_databases(&mut sql).await,
                _ = rates.tick() => self.measure_rates(),
            }
            if self.is_done() {
                return Ok(());
            }
            if self.nothing_works() {
                break;
            }
        }
        self.stop().await
    }

    /// Lets every tap drain, and gives the first failure.
    async fn stop(mut self) -> Result<()> {
        self.stop.send_replace(true);
        while let Some(ended) = self.taps.join_next_with_id().await {
            self.ended(ended);
        }
        match self.first_failure {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn ended(&mut self, ended: Result<(Id, Result<Ended>), JoinError>) {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) if error.is_cancelled() => return,
            Err(error) => {
                let id = error.id();
                (id, Err(Error::configuration(Code::INTERNAL, "a tap broke").source(error)))
            }
        };
        let board = self.boards.remove(&id);
        match result {
            Ok(Ended::SnapshotDone) => self.done += 1,
            Ok(Ended::Asked) => {}
            Err(error) => {
                if let Some(board) = board {
                    if board.facts().state != TapState::Failed {
                        tracing::error!(database = board.database(), error = error.report(), "the tap has stopped");
                        board.fail(&error, TapState::Failed);
                    }
                    // Made anew, a database is a new one.
                    if error.code() == Code::NO_DATABASE {
                        self.known.remove(board.database());
                    } else if !self.taps.is_empty() && !*self.shutdown.borrow() {
                        tracing::warn!(
                            database = board.database(),
                            "the other databases go on; this one is not tried again by itself: restart waltap once it is mended"
                        );
                    }
                }
                self.first_failure.get_or_insert(error);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.shared.options.snapshot == SnapshotMode::Only && self.taps.is_empty() && self.first_failure.is_none()
    }

    /// Whether something failed and nothing is left that works.
    fn nothing_works(&self) -> bool {
        let is_over = |state: TapState| matches!(state, TapState::Failed | TapState::Idle | TapState::Stopped);
        self.first_failure.is_some() && self.handle.boards().iter().all(|board| is_over(board.facts().state))
    }

    fn measure_rates(&self) {
        let now = Instant::now();
        for board in self.handle.boards() {
            board.tick(now);
        }
    }

    /// Starts taps for databases that are new. A server that does not answer is the taps' matter; here it is only tried again.
    async fn look_for_databases(&mut self, sql: &mut Option<Sql>) {
        let options = &self.shared.options;
        if options.snapshot == SnapshotMode::Only {
            return;
        }
        let found = match self.list(sql).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(error = error.report(), "looking for new databases failed; trying again");
                *sql = None;
                return;
            }
        };
        for database in found {
            if database.may_connect
                && !self.known.contains(&database.name)
                && self.shared.options.databases.matches(&database.name)
            {
                tracing::info!(database = database.name, "a new database is there");
                self.start_tap(database.name);
            }
        }
    }

    async fn list(&self, sql: &mut Option<Sql>) -> Result<Vec<Database>> {
        let sql = match sql {
            Some(sql) => sql,
            none => {
                let source = &self.shared.options.source;
                none.insert(source.sql(source.maintenance_database()).await?)
            }
        };
        databases(sql).await
    }
}
