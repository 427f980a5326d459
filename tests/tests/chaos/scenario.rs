//! The two courses that a scenario can take: faults while a capture streams, and faults while captures read what is there.

use std::time::Instant;

use waltap_tests::checker::Delivery;
use waltap_tests::{Kit, PostgresOptions, Random, Result, run_within};

use crate::budget::Budget;
use crate::plan::{Kind, Plan, Step};
use crate::snapshot;
use crate::stage::{Deeds, Stage, TO_THE_END};
use crate::streamed::Watcher;
use crate::summary::Summary;
use crate::workload::{self, Mix, Writers};

/// How many write at once.
const WRITERS: u64 = 3;

/// The rows of each kind that are there before a capture whose snapshot is broken.
const ROWS_BEFORE: u64 = 15_000;

/// How fast a snapshot may go that is to be broken, on each of its connections: some seconds for the rows above.
const SNAPSHOT_BYTES_PER_SECOND: u64 = 500_000;

/// How often a snapshot is broken before it is let through, at most.
const BREAKS_MAX: u64 = 5;

/// How many of a hundred breaks of a snapshot do not wait until its rows are sent, and so meet what comes before: waltap takes a second or two
/// from its start to its first row, and would hardly ever get there otherwise.
const BREAKS_BEFORE_ROWS: u64 = 20;

/// How many captures a short scenario goes on for until one kill at least has fallen into a snapshot.
const ROUNDS_UNTIL_MET: u64 = 6;

/// A scenario.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) delivery: Delivery,
    pub(crate) budget: Budget,
    pub(crate) weights: Vec<(Kind, u64)>,
    pub(crate) mix: Mix,
    pub(crate) postgres: PostgresOptions,
    /// For transactions that are to come while they are open: what waltap may keep of them in memory.
    pub(crate) spill_memory: Option<&'static str>,
}

impl Scenario {
    /// The usual workload on the usual server.
    pub(crate) fn new(name: &'static str, delivery: Delivery, budget: Budget, weights: &[(Kind, u64)]) -> Self {
        let postgres = PostgresOptions::default();
        Scenario { name, delivery, budget, weights: weights.to_vec(), mix: Mix::USUAL, postgres, spill_memory: None }
    }

    fn run(&self, course: impl AsyncFnOnce(&Kit) -> Result) -> Result {
        let Scenario { name, delivery, budget, .. } = self;
        println!("chaos {name}, {delivery}: seed {}; CHAOS_SEED={} brings this plan again", budget.seed, budget.seed);
        let outcome = run_within(&format!("chaos_{name}_{delivery}"), budget.limit(), course);
        outcome.map_err(|failure| failure.while_doing(format!("chaos {name}, {delivery}, CHAOS_SEED={}", budget.seed)))
    }

    /// Faults while one capture streams.
    pub(crate) fn in_the_stream(&self) -> Result {
        self.run(async |kit| {
            let Scenario { name, delivery, budget, .. } = self;
            let mut stage = Stage::set(kit, *delivery, self.postgres.clone()).await?;
            if let Some(bytes) = self.spill_memory {
                stage.with_arguments(&["--spill-memory", bytes]);
            }
            workload::create(&stage.postgres, "stream", 100).await?;
            let mut waltap = stage.capture("stream")?;
            waltap.wait_streaming().await?;
            let sampler = stage.watch("stream")?;
            let watcher = self.spill_memory.map(|_| Watcher::start(stage.postgres.port(), "stream", waltap.http_port()));
            let writers = Writers::start(stage.postgres.port(), "stream", WRITERS, self.mix, budget.seed);
            let began = Instant::now();
            for step in Plan::new(budget.seed, &self.weights, budget.quota) {
                if budget.quota.is_none() && began.elapsed() + step.after > budget.breaking {
                    break;
                }
                self.wait_for(&mut waltap, began, step).await?;
                stage.inflict(&mut waltap, step.fault, step.meanwhile).await?;
            }
            let verdict = stage.judge("stream", waltap, writers, sampler, TO_THE_END).await?;
            let mut summary = Summary::new(name, *delivery, budget.seed);
            summary.add(&verdict);
            summary.print(stage.deeds);
            stage.ensure_faultless("stream", &verdict).await?;
            if let Some(watcher) = watcher {
                watcher.stop().await?.ensure_telling()?;
            }
            summary.ensure_telling(stage.deeds)
        })
    }

    /// Faults while captures read the rows that are there: one capture after the other, each of a database of its own.
    pub(crate) fn in_the_snapshot(&self) -> Result {
        self.run(async |kit| {
            let Scenario { name, delivery, budget, .. } = self;
            let mut stage = Stage::set(kit, *delivery, self.postgres.clone()).await?;
            let mut summary = Summary::new(name, *delivery, budget.seed);
            let mut plan = Plan::new(budget.seed, &self.weights, budget.quota).peekable();
            let mut random = Random::new(budget.seed);
            let began = Instant::now();
            let mut round = 0;
            let mut met = Deeds::default();
            let goes_on = |round: u64, met: Deeds| {
                budget.quota.is_some() || began.elapsed() < budget.breaking || (met.kills() == 0 && round < ROUNDS_UNTIL_MET)
            };
            while plan.peek().is_some() && goes_on(round, met) {
                round += 1;
                let database = format!("round_{round}");
                workload::create(&stage.postgres, &database, ROWS_BEFORE).await?;
                let writers = Writers::start(stage.postgres.port(), &database, WRITERS, self.mix, budget.seed + round);
                stage.postgres_wire.throttle(Some(SNAPSHOT_BYTES_PER_SECOND));
                let mut waltap = stage.capture(&database)?;
                let sampler = stage.watch(&database)?;
                for _ in 0..=random.below(BREAKS_MAX) {
                    if !random.percent(BREAKS_BEFORE_ROWS) && !snapshot::wait_for_rows(&stage, &waltap, &database).await? {
                        break;
                    }
                    let Some(step) = plan.next() else { break };
                    self.wait_for(&mut waltap, began, step).await?;
                    let (sends_rows, before) = (snapshot::sends_rows(&waltap).await, stage.deeds);
                    stage.inflict(&mut waltap, step.fault, step.meanwhile).await?;
                    if sends_rows && !snapshot::is_done(&stage, &database).await? {
                        met.add(&stage.deeds.since(&before));
                    }
                }
                stage.postgres_wire.heal();
                waltap.wait_streaming().await?;
                let verdict = stage.judge(&database, waltap, writers, sampler, TO_THE_END).await?;
                summary.add(&verdict);
                stage.ensure_faultless(&database, &verdict).await.map_err(|failure| failure.while_doing(&database))?;
                let slot =
                    format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{database}'");
                stage.postgres.sql("postgres").await?.run(&slot).await?;
            }
            summary.print(stage.deeds);
            println!(
                "  while rows of a snapshot were sent: kills of waltap {}, broker {}, server {}",
                met.waltap_kills, met.broker_kills, met.server_kills
            );
            snapshot::ensure_met(met, budget.quota)?;
            summary.ensure_telling(stage.deeds)
        })
    }

    /// Waits until it is time for a step, and says what comes.
    async fn wait_for(&self, waltap: &mut waltap_tests::Waltap, began: Instant, step: Step) -> Result {
        tokio::time::sleep(step.after).await;
        let meanwhile = step.meanwhile.map_or_else(String::new, |kill| format!(", meanwhile {kill}"));
        println!("  {:7.3} s  {}{meanwhile}", began.elapsed().as_secs_f64(), step.fault);
        waltap.process().ensure_running()
    }
}
