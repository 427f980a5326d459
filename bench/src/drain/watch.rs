//! What a turn takes, looked at from the moment at which its slot is read.

use std::time::{Duration, Instant};

use waltap_bench::foreign::Foreign;
use waltap_bench::sampler::{Sampler, Usage};
use waltap_tests::{Result, Sql, wait_for};

use super::contender::DEADLINE;

/// What one turn took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drained {
    /// From the moment at which the slot is read until all is taken.
    pub(crate) took: Duration,
    /// Until all records were in Kafka, where they go there and that is known.
    pub(crate) in_kafka: Option<Duration>,
    /// What the contender used in that time; its most memory also before.
    pub(crate) contender: Usage,
    /// The process of the server that decodes and sends.
    pub(crate) walsender: Duration,
    pub(crate) broker: Duration,
    /// How many processors others took meanwhile.
    pub(crate) foreign_cores: f64,
}

/// The processes of a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    /// None: the server itself is all that works.
    pub(crate) contender: Option<u32>,
    /// None: nothing is read from the server.
    pub(crate) walsender: Option<u32>,
    pub(crate) broker: u32,
}

/// Runs from [`Watch::begin`] to [`Watch::end`].
pub(crate) struct Watch<'a> {
    sampler: &'a Sampler,
    cast: Cast,
    contender: Duration,
    broker: Duration,
    foreign: Foreign,
    began: Instant,
}

impl<'a> Watch<'a> {
    /// From now on. What a contender has used to start is not of the rows; the walsender has been at nothing else.
    pub(crate) fn begin(sampler: &'a Sampler, cast: Cast) -> Result<Self> {
        for process in [cast.contender, cast.walsender, Some(cast.broker)].into_iter().flatten() {
            sampler.watch(process);
        }
        let used = |process: Option<u32>| process.map(|process| sampler.usage(process).cpu).unwrap_or_default();
        let (contender, broker) = (used(cast.contender), used(Some(cast.broker)));
        Ok(Watch { sampler, cast, contender, broker, foreign: Foreign::now()?, began: Instant::now() })
    }

    /// The same, as soon as a slot is read.
    pub(crate) async fn begin_with_reader(
        sampler: &'a Sampler,
        sql: &Sql,
        slot: &str,
        contender: u32,
        broker: u32,
    ) -> Result<Self> {
        let question = format!("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}'");
        let walsender =
            wait_for("the slot is read", DEADLINE, async || Ok(sql.value(&question).await?.parse::<u32>().ok())).await?;
        Self::begin(sampler, Cast { contender: Some(contender), walsender: Some(walsender), broker })
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The end of those that are at their end when all is in Kafka.
    pub(crate) fn end_in_kafka(self) -> Result<Drained> {
        let drained = self.end()?;
        Ok(Drained { in_kafka: Some(drained.took), ..drained })
    }

    pub(crate) fn end(self) -> Result<Drained> {
        let took = self.began.elapsed();
        let used = |process: Option<u32>| process.map(|process| self.sampler.usage(process)).unwrap_or_default();
        let contender = used(self.cast.contender);
        Ok(Drained {
            took,
            in_kafka: None,
            contender: Usage { cpu: contender.cpu.saturating_sub(self.contender), ..contender },
            walsender: used(self.cast.walsender).cpu,
            broker: used(Some(self.cast.broker)).cpu.saturating_sub(self.broker),
            foreign_cores: self.foreign.cores()?,
        })
    }
}
