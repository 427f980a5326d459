//! What is done when: drawn from a seed, so that a run that failed can be had again.

use std::time::Duration;

use waltap_tests::{Direction, Random, Side};

use crate::fault::{Fault, Wire, WireFault};

/// The longest wait before a fault: long enough that a capture comes to its stream in between, short enough that it is often caught before.
const WAIT_MILLIS_MAX: u64 = 1500;

/// What there is to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    KillWaltap,
    StopWaltap,
    PauseWaltap,
    KillBroker,
    PauseBroker,
    KillServer,
    PostgresWire,
    KafkaWire,
    /// A wire is broken, and something is killed meanwhile.
    KillBehindWire,
}

/// How many kills there are to be: of waltap, the broker and the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) waltap: u64,
    pub(crate) broker: u64,
    pub(crate) server: u64,
}

/// One step: wait, then do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) after: Duration,
    pub(crate) fault: Fault,
    /// Done in the middle of the fault, when that lasts.
    pub(crate) meanwhile: Option<Fault>,
}

/// The steps of a run. Without a quota they never end.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    random: Random,
    weights: Vec<(Kind, u64)>,
    quota: Option<Quota>,
}

impl Plan {
    /// The plan of a seed: faults by their weights, or, where there is a quota, that many kills and nothing else.
    pub(crate) fn new(seed: u64, weights: &[(Kind, u64)], quota: Option<Quota>) -> Self {
        Plan { random: Random::new(seed), weights: weights.to_vec(), quota }
    }

    fn kind(&mut self) -> Option<Kind> {
        let weights = match &self.quota {
            None => self.weights.clone(),
            Some(left) => vec![(Kind::KillWaltap, left.waltap), (Kind::KillBroker, left.broker), (Kind::KillServer, left.server)],
        };
        let mut drawn = match weights.iter().map(|(_, weight)| weight).sum() {
            0 => return None,
            sum => self.random.below(sum),
        };
        let kind = weights.into_iter().find_map(|(kind, weight)| {
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it.then_some(kind)
        })?;
        if let Some(left) = &mut self.quota {
            match kind {
                Kind::KillBroker => left.broker -= 1,
                Kind::KillServer => left.server -= 1,
                _ => left.waltap -= 1,
            }
        }
        Some(kind)
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.random.below(most - least + 1))
    }

    fn kill(&mut self) -> Fault {
        match self.random.below(10) {
            0..6 => Fault::KillWaltap,
            6..8 => Fault::KillServer(self.millis(0, 300)),
            _ => Fault::KillBroker(self.millis(0, 300)),
        }
    }

    fn wire(&mut self, wire: Wire) -> Fault {
        let fault = match self.random.below(9) {
            0..2 => WireFault::Cut,
            2 => WireFault::Down,
            3 => WireFault::Late(self.millis(5, 80)),
            4 => WireFault::Narrow(2_000 + self.random.below(200_000)),
            5 => WireFault::Frozen,
            6 => WireFault::HalfFrozen(if self.random.percent(50) { Direction::Up } else { Direction::Down }),
            _ => WireFault::HalfClosed(if self.random.percent(50) { Side::Client } else { Side::Server }),
        };
        Fault::BreakWire(wire, fault, self.millis(100, 2500))
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let kind = self.kind()?;
        let after = self.millis(0, WAIT_MILLIS_MAX);
        let mut meanwhile = None;
        let fault = match kind {
            Kind::KillWaltap => Fault::KillWaltap,
            Kind::StopWaltap => Fault::StopWaltap,
            Kind::PauseWaltap => Fault::PauseWaltap(self.millis(100, 1500)),
            Kind::KillBroker => Fault::KillBroker(self.millis(0, 500)),
            Kind::PauseBroker => Fault::PauseBroker(self.millis(100, 2500)),
            Kind::KillServer => Fault::KillServer(self.millis(0, 500)),
            Kind::PostgresWire => self.wire(Wire::Postgres),
            Kind::KafkaWire => self.wire(Wire::Kafka),
            Kind::KillBehindWire => {
                meanwhile = Some(self.kill());
                let wire = if self.random.percent(50) { Wire::Postgres } else { Wire::Kafka };
                self.wire(wire)
            }
        };
        Some(Step { after, fault, meanwhile })
    }
}

#[test]
fn a_seed_gives_its_plan_again() {
    let weights = [(Kind::KillWaltap, 3), (Kind::PostgresWire, 2), (Kind::KillBehindWire, 1)];
    let plan = |seed| Plan::new(seed, &weights, None).take(200).collect::<Vec<_>>();
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    let kills = plan(7).iter().filter(|step| step.fault == Fault::KillWaltap).count();
    assert!((60..140).contains(&kills), "{kills} of 200");
}

#[test]
fn a_quota_is_met() {
    let steps: Vec<Step> = Plan::new(7, &[], Some(Quota { waltap: 20, broker: 5, server: 3 })).collect();
    let count = |is: fn(&Fault) -> bool| steps.iter().filter(|step| is(&step.fault)).count();
    assert_eq!(steps.len(), 28);
    assert_eq!(count(|fault| matches!(fault, Fault::KillWaltap)), 20);
    assert_eq!(count(|fault| matches!(fault, Fault::KillBroker(_))), 5);
    assert_eq!(count(|fault| matches!(fault, Fault::KillServer(_))), 3);
}
