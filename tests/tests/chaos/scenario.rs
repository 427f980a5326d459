//! The two courses that a scenario can take: faults while a capture streams, and faults while captures read what is there.

use std::time::Instant;

use waltap_tests::checker::Delivery;
use waltap_tests::{Kit, PostgresOptions, Random, Result, run_within};

use crate::budget::Budget;
use crate::plan::{Kind, Plan, Step};
use crate::stage::{Stage, TO_THE_END};
use crate::summary::Summary;
use crate::workload::{self, Mix, Writers};

/// How many write at once.
const WRITERS: u64 = 3;

/// The rows of each kind that are there before a capture whose snapshot is broken.
const ROWS_BEFORE: u64 = 15_000;

/// How fast a snapshot may go that is to be broken: some seconds for the rows above.
const SNAPSHOT_BYTES_PER_SECOND: u64 = 1_500_000;

/// How often a snapshot is broken before it is let through, at most.
const BREAKS_MAX: u64 = 5;

/// A scenario.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) delivery: Delivery,
    pub(crate) budget: Budget,
    pub(crate) weights: Vec<(Kind, u64)>,
    pub(crate) mix: Mix,
    pub(crate) postgres: PostgresOptions,
}

impl Scenario {
    /// The usual workload on the usual server.
    pub(crate) fn new(name: &'static str, delivery: Delivery, budget: Budget, weights: &[(Kind, u64)]) -> Self {
        let postgres = PostgresOptions::default();
        Scenario { name, delivery, budget, weights: weights.to_vec(), mix: Mix::USUAL, postgres }
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
            workload::create(&stage.postgres, "stream", 100).await?;
            let mut waltap = stage.capture("stream")?;
            waltap.wait_streaming().await?;
            let sampler = stage.watch("stream")?;
            let writers = Writers::start(stage.postgres.port(), "stream", WRITERS, self.mix, budget.seed);
            let began = Instant::now();
            for step in Plan::new(budget.seed, &self.weights, budget.quota) {
                if budget.quota.is_none() && began.elapsed() + step.after > budget.breaking {
                    break;
                }
                self.take(&mut stage, &mut waltap, began, step).await?;
            }
            let verdict = stage.judge("stream", waltap, writers, sampler, TO_THE_END).await?;
            let mut summary = Summary::new(name, *delivery, budget.seed);
            summary.add(&verdict);
            summary.print(stage.deeds);
            stage.ensure_faultless("stream", &verdict).await?;
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
            while plan.peek().is_some() && (budget.quota.is_some() || began.elapsed() < budget.breaking) {
                round += 1;
                let database = format!("round_{round}");
                workload::create(&stage.postgres, &database, ROWS_BEFORE).await?;
                let writers = Writers::start(stage.postgres.port(), &database, WRITERS, self.mix, budget.seed + round);
                stage.postgres_wire.throttle(Some(SNAPSHOT_BYTES_PER_SECOND));
                let mut waltap = stage.capture(&database)?;
                let sampler = stage.watch(&database)?;
                let breaks = 1 + random.below(BREAKS_MAX) as usize;
                for step in plan.by_ref().take(breaks) {
                    self.take(&mut stage, &mut waltap, began, step).await?;
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
            summary.ensure_telling(stage.deeds)
        })
    }

    async fn take(&self, stage: &mut Stage<'_>, waltap: &mut waltap_tests::Waltap, began: Instant, step: Step) -> Result {
        tokio::time::sleep(step.after).await;
        let meanwhile = step.meanwhile.map_or_else(String::new, |kill| format!(", meanwhile {kill}"));
        println!("  {:7.3} s  {}{meanwhile}", began.elapsed().as_secs_f64(), step.fault);
        waltap.process().ensure_running()?;
        stage.inflict(waltap, step.fault, step.meanwhile).await
    }
}
