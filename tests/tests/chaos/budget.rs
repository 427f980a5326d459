//! How long, how much, and from which seed: told by the environment.

use std::time::Duration;

use waltap_tests::Random;

use crate::plan::Quota;

/// How long each scenario breaks things unless told otherwise. What it takes to start and to check comes on top: all of them together take some
/// four minutes on two busy processors.
const SECONDS_DEFAULT: u64 = 6;

/// What a scenario may take beside its faults: starting, coming to the end, and checking.
const FRAME: Duration = Duration::from_secs(480);

/// What one kill of a quota takes at most, with the restart.
const KILL: Duration = Duration::from_secs(20);

/// What a scenario may spend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) seed: u64,
    /// How long things are broken, where there is no quota.
    pub(crate) breaking: Duration,
    pub(crate) quota: Option<Quota>,
}

impl Budget {
    /// `CHAOS_SECONDS`, `CHAOS_SEED`.
    pub(crate) fn of_time() -> Self {
        let seconds = number("CHAOS_SECONDS").unwrap_or(SECONDS_DEFAULT);
        let seed = number("CHAOS_SEED").unwrap_or_else(Random::seed);
        Budget { seed, breaking: Duration::from_secs(seconds), quota: None }
    }

    /// The same, and `KILLS`, `BROKER_KILLS` and `SERVER_KILLS` for scenarios that only kill. They are those of one delivery, of which the
    /// stream and the snapshot take half each.
    pub(crate) fn of_kills() -> Self {
        let half = |variable| number(variable).map(|kills| kills.div_ceil(2));
        let (waltap, broker, server) = (half("KILLS"), half("BROKER_KILLS"), half("SERVER_KILLS"));
        let quota = waltap.or(broker).or(server).map(|_| Quota {
            waltap: waltap.unwrap_or(0),
            broker: broker.unwrap_or(0),
            server: server.unwrap_or(0),
        });
        Budget { quota, ..Budget::of_time() }
    }

    /// When a scenario has hung.
    pub(crate) fn limit(&self) -> Duration {
        let kills = self.quota.map_or(0, |quota| quota.waltap + quota.broker + quota.server);
        FRAME + self.breaking * 3 + KILL * u32::try_from(kills).unwrap_or(u32::MAX)
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
