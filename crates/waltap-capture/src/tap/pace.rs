//! How large a Kafka transaction grows: of the events of milliseconds when little happens, of more the more there is to do.

use std::time::Duration;

use tokio::time::Instant;

/// A commit is put off for so many times what the last one took, unless that much time has passed since: committing then takes a fifth of
/// the time at most, however busy the stream.
const AMORTIZATION: u32 = 4;

/// When to commit. Knows no Kafka and no stream: it is told the time.
#[derive(Debug)]
pub(crate) struct Pace {
    latency_max: Duration,
    /// When the first event of the open transaction came.
    began: Option<Instant>,
    /// When the last commit ended.
    ended: Instant,
    /// How long the last commit took.
    cost: Duration,
}

impl Pace {
    pub(crate) fn new(latency_max: Duration, now: Instant) -> Self {
        Pace { latency_max, began: None, ended: now, cost: Duration::ZERO }
    }

    /// Notes that the open transaction has events. They may have come before the last commit ended, which says nothing of this transaction.
    pub(crate) fn note_events(&mut self, came: Instant) {
        self.began.get_or_insert(came.max(self.ended));
    }

    /// When to commit if nothing more comes; `None`: there is nothing to commit.
    pub(crate) fn when_idle(&self) -> Option<Instant> {
        self.began.map(|began| (self.ended + self.cost * AMORTIZATION).max(began).min(began + self.latency_max))
    }

    /// Whether to commit at the next end of a PostgreSQL transaction, whatever comes. Where a commit takes longer than the bound, half of the time
    /// is left for events: or each commit would hold no more than what came during the last one.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.age(now) >= self.latency_max.max(self.cost)
    }

    /// When the first event of the open transaction came.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// How old the first event is; zero when there is none.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began))
    }

    /// Notes a commit that began and ended so.
    pub(crate) fn committed(&mut self, started: Instant, ended: Instant) {
        self.cost = ended.saturating_duration_since(started);
        self.ended = ended;
        self.began = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn an_idle_stream_commits_at_once_and_a_busy_one_gathers() {
        let start = Instant::now();
        let at = |millis: u32| start + MILLISECOND * millis;
        let mut pace = Pace::new(MILLISECOND * 250, start);
        assert_eq!(pace.when_idle(), None);
        pace.note_events(at(100));
        pace.note_events(at(103));
        assert_eq!(pace.when_idle(), Some(at(100)), "the first one waits for nothing");
        pace.committed(at(104), at(114));
        assert_eq!(pace.when_idle(), None);
        // Right behind a commit of 10 ms: 40 ms are gathered.
        pace.note_events(at(115));
        assert_eq!(pace.when_idle(), Some(at(154)));
        assert!(!pace.is_overdue(at(364)));
        assert!(pace.is_overdue(at(365)));
        // Long after it: nothing is.
        pace.committed(at(160), at(170));
        pace.note_events(at(400));
        assert_eq!(pace.when_idle(), Some(at(400)));
        // However long a commit takes, the bound holds.
        pace.committed(at(400), at(1400));
        pace.note_events(at(1401));
        assert_eq!(pace.when_idle(), Some(at(1651)));
        // What came during a commit is not overdue behind it.
        pace.committed(at(1700), at(2100));
        pace.note_events(at(1750));
        assert!(!pace.is_overdue(at(2499)));
        assert!(pace.is_overdue(at(2500)));
    }
}
