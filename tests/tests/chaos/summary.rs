//! What a scenario did and saw, in one line.

use waltap_tests::checker::Delivery;
use waltap_tests::{Result, ensure};

use crate::stage::Deeds;
use crate::verdict::Verdict;

/// Sums up the verdicts of a scenario.
#[derive(Debug)]
pub(crate) struct Summary {
    name: &'static str,
    delivery: Delivery,
    seed: u64,
    captures: u64,
    sum: Verdict,
}

impl Summary {
    pub(crate) fn new(name: &'static str, delivery: Delivery, seed: u64) -> Self {
        Summary { name, delivery, seed, captures: 0, sum: Verdict::default() }
    }

    pub(crate) fn add(&mut self, verdict: &Verdict) {
        self.captures += 1;
        self.sum.report.events += verdict.report.events;
        self.sum.report.repeats += verdict.report.repeats;
        self.sum.report.transactions += verdict.report.transactions;
        self.sum.tally.committed += verdict.tally.committed;
        self.sum.tally.aborted += verdict.tally.aborted;
        self.sum.tally.unknown += verdict.tally.unknown;
        self.sum.lag_bytes_max = self.sum.lag_bytes_max.max(verdict.lag_bytes_max);
        self.sum.samples += verdict.samples;
    }

    pub(crate) fn print(&self, deeds: Deeds) {
        let Summary { name, delivery, seed, captures, sum: Verdict { report, tally, lag_bytes_max, samples } } = self;
        println!(
            "chaos {name}, {delivery}, seed {seed}: kills of waltap {}, broker {}, server {}, other faults {}; captures {captures}; \
             transactions committed {}, rolled back {}, cut off {}; events {}, repeats {}; slot's lag at most {} kB; {samples} samples",
            deeds.waltap_kills,
            deeds.broker_kills,
            deeds.server_kills,
            deeds.other,
            tally.committed,
            tally.aborted,
            tally.unknown,
            report.events,
            report.repeats,
            lag_bytes_max / 1000,
        );
    }

    /// A run that did nothing, or saw nothing, shows nothing.
    pub(crate) fn ensure_telling(&self, deeds: Deeds) -> Result {
        let faults = deeds.waltap_kills + deeds.broker_kills + deeds.server_kills + deeds.other;
        let Verdict { report, tally, samples, .. } = &self.sum;
        ensure!(faults > 0, "nothing was broken");
        ensure!(
            tally.committed > 0 && tally.aborted > 0,
            "the writers committed {} and rolled back {}",
            tally.committed,
            tally.aborted
        );
        ensure!(report.events > 0 && *samples > 0, "{} events and {samples} samples", report.events);
        Ok(())
    }
}
