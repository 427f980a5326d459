//! How fast a backlog is drained: by PostgreSQL's own client, by the barest one, by decoding alone, and by waltap and Debezium all the way into
//! Kafka.
//!
//! Every contender drains the same log, from a slot of its own that was made before the log was written, in turns, round by round, and each
//! round in another order.

mod capture;
mod clients;
mod connect;
mod contender;
mod mq_bridge;
mod path;
mod replay;
mod report;
mod rest;
mod topics;
mod watch;
mod workload;

use std::time::{Duration, Instant};

use waltap_bench::lines::Lines;
use waltap_bench::servers::{kafka_options, postgres_options};
use waltap_bench::{parameters, table};
use waltap_tests::{Kafka, Kit, Postgres, Result, Sql, run_within};

use capture::PLAIN;
use contender::{CONTENDERS, Contender};
use path::{PATHS, Path, Route};
use report::Report;
use topics::Topics;
use workload::{WORKLOADS, Workload, Written};

/// The database that is drained. Each workload has it anew.
const DATABASE: &str = "bench";

/// What clients without a publication of their own read.
const PUBLICATION: &str = "bench_all";

/// What is asked for on the command line.
#[derive(Clone)]
struct Wanted {
    rounds: usize,
    size: f64,
    workloads: Vec<Workload>,
    contenders: Vec<Contender>,
    paths: Vec<Path>,
}

impl Wanted {
    /// `ROUNDS`, `SIZE`, `WORKLOADS`, `CONTENDERS` and `PATHS` (parts of names, with commas). Without `PATHS` the way is direct.
    fn from_environment() -> Result<Self> {
        Ok(Wanted {
            rounds: parameters::rounds()?,
            size: parameters::size()?,
            workloads: parameters::chosen("WORKLOADS", WORKLOADS, |workload| workload.name.to_owned())?,
            contenders: parameters::chosen("CONTENDERS", CONTENDERS, Contender::name)?,
            paths: match parameters::text("PATHS") {
                Some(_) => parameters::chosen("PATHS", PATHS, Path::name)?,
                None => vec![Path::Direct],
            },
        })
    }

    /// Whether Kafka has a part in what any contender does.
    fn fill_topics(&self) -> bool {
        self.contenders.iter().any(Contender::fills_topics)
    }

    /// Those for whom a path is another than the direct one.
    fn contenders_by(&self, path: Path) -> Vec<Contender> {
        let chosen = self.contenders.iter().filter(|contender| path == Path::Direct || contender.takes_a_path());
        chosen.copied().collect()
    }
}

/// Besides those of the turns: what a server needs for itself, and who asks it how far it is.
const SPARE_SLOTS: usize = 20;

/// A capture has some for its catalog and its publications.
const CONNECTIONS_A_SLOT: usize = 5;

/// So that what a turn has left is soon removed.
const RETENTION_CHECK: (&str, &str) = ("log.retention.check.interval.ms", "5000");

/// The servers, and who starts more of them, with one workload.
struct Bench<'a> {
    postgres: &'a Postgres,
    kafka: &'a Kafka,
    kit: &'a Kit,
    route: &'a Route,
    workload: Workload,
    topics: Topics,
    written: Written,
}

impl Bench<'_> {
    /// Kafka's process.
    fn broker(&self) -> u32 {
        self.kafka.id().unwrap_or_default()
    }
}

fn main() -> Result {
    let wanted = Wanted::from_environment()?;
    // Not after an hour.
    wanted.contenders.iter().try_for_each(Contender::ensure_installed)?;
    let mut lines = Lines::of("drain")?;
    println!("{}; {} rounds in turns, size {}", table::machine(), wanted.rounds, wanted.size);
    run_within("bench_drain", Duration::from_secs(12 * 3_600), async |kit| {
        // Debezium has two in each of its turns.
        let slots = wanted.rounds * wanted.contenders.len() * 2 + SPARE_SLOTS;
        let settings =
            postgres_options().set("max_replication_slots", &slots.to_string()).set("max_wal_senders", &slots.to_string());
        let settings = settings.set("max_connections", &(slots * CONNECTIONS_A_SLOT).to_string());
        let (settings, certificates) = path::reachable(settings, &wanted.paths, kit)?;
        let postgres = kit.postgres_with(settings).await?;
        let kafka = kit.kafka_with(kafka_options().set(RETENTION_CHECK.0, RETENTION_CHECK.1)).await?;
        for workload in &wanted.workloads {
            for path in &wanted.paths {
                let began = Instant::now();
                let route = Route::open(*path, kit, &postgres, certificates.as_ref()).await?;
                let wanted = Wanted { contenders: wanted.contenders_by(*path), ..wanted.clone() };
                let report = measure(kit, (&postgres, &kafka), &route, *workload, &wanted, &mut lines).await?;
                report.print(&wanted.contenders);
                println!("{}: {:.1} minutes", workload.name, began.elapsed().as_secs_f64() / 60.0);
            }
        }
        lines.print_place();
        Ok(())
    })
}

async fn measure(
    kit: &Kit,
    (postgres, kafka): (&Postgres, &Kafka),
    route: &Route,
    workload: Workload,
    wanted: &Wanted,
    lines: &mut Lines,
) -> Result<Report> {
    let server = postgres.sql("postgres").await?;
    server.run(&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")).await?;
    let sql = postgres.create_database(DATABASE).await?;
    workload.prepare(kit, postgres, &sql, wanted.size).await?;
    sql.run(&format!("CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES")).await?;
    let topics = Topics::create(kafka, workload.name, &workload.tables()).await?;
    let mut bench = Bench { postgres, kafka, kit, route, workload, topics, written: Written::default() };
    prepare_slots(&bench, &sql, wanted).await?;

    let before = postgres.written().await?;
    bench.written = workload.write(kit, postgres, &sql, wanted.size).await?;
    let end = server.value("SELECT pg_current_wal_lsn()").await?;
    let log_bytes = postgres.written().await? - before;
    // So that a keepalive, or a change, comes that is behind the end.
    sql.run("SELECT pg_logical_emit_message(true, 'bench', 'the end'); SELECT pg_switch_wal(); CHECKPOINT").await?;
    if wanted.fill_topics() {
        replay::warm_up(&bench, &end).await?;
    }
    let mut report = Report::new(workload, route.path, bench.written.rows, log_bytes);
    for round in 0..wanted.rounds {
        let mut order = wanted.contenders.clone();
        order.rotate_left(round % wanted.contenders.len());
        for contender in order {
            let drained = contender.drain(&bench, round, &end).await;
            let drained = drained.map_err(|failure| failure.while_doing(format!("{}, round {round}", contender.name())))?;
            report.add(round, contender, drained, lines)?;
        }
    }
    bench.topics.remove().await?;
    Ok(report)
}

/// A slot for each turn, all at the same place of the log.
async fn prepare_slots(bench: &Bench<'_>, sql: &Sql, wanted: &Wanted) -> Result {
    let turns = || (0..wanted.rounds).flat_map(|round| wanted.contenders.iter().map(move |contender| (contender, round)));
    let mut captures: Vec<_> =
        turns().filter_map(|(contender, round)| Some((contender.manner()?, contender.slot(bench, round)))).collect();
    if wanted.fill_topics() {
        captures.push((PLAIN, replay::warm_up_capture(bench)));
    }
    capture::prepare(bench, sql, &captures).await?;
    bench.topics.empty().await?;
    // Behind the last row that waltap has sent of them.
    for (contender, round) in turns() {
        contender.prepare(bench, sql, round).await?;
    }
    Ok(())
}
