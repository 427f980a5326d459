//! How large a Kafka transaction grows: of the events of milliseconds when little happens, of more the more there is to do.

use std::time::Duration;

use tokio::time::Instant;

/// A commit is put off for so many times what the last one took, unless that much time has passed since: committing then takes a fifth of
/// the time at most, however busy the stream.
const AMORTIZATION: u32 = 4;

/// In a backlog a commit is put off for so many times what the last one took: where a transaction has many partitions the brokers have more to do
/// for it, before and after, than is seen here.
const BACKLOG_AMORTIZATION: u32 = 32;

/// But for no more than this part of the time by which the stream is behind. Who reads a backlog waits for its end, which is sooner with fewer
/// commits.
const BACKLOG_PART: u32 = 5;

/// What a commit is taken to cost at most that is much slower than the one before.
const COST_STEP: Duration = Duration::from_secs(1);

/// When to commit. Knows no Kafka and no stream: it is told the time.
#[derive(Debug)]
pub(crate) struct Pace {
    latency_max: Duration,
    /// How long transactions are gathered at most, whatever commits cost.
    age_max: Duration,
    /// When the first event of the open transaction came.
    began: Option<Instant>,
    /// When the last commit ended.
    ended: Instant,
    /// How long the last commit took, as far as that is believed.
    cost: Duration,
}

impl Pace {
    pub(crate) fn new(latency_max: Duration, age_max: Duration, now: Instant) -> Self {
        Pace { latency_max, age_max, began: None, ended: now, cost: Duration::ZERO }
    }

    /// Notes that the open transaction has events. They may have come before the last commit ended, which says nothing of this transaction.
    pub(crate) fn note_events(&mut self, came: Instant) {
        self.began.get_or_insert(came.max(self.ended));
    }

    /// When to commit if nothing more comes; `None`: there is nothing to commit. `late`: how far the stream is behind.
    pub(crate) fn when_idle(&self, late: Duration) -> Option<Instant> {
        self.began.map(|began| {
            let alone = (self.ended + self.cost * AMORTIZATION).max(began).min(began + self.latency_max);
            // In a backlog more comes.
            alone.max(began + self.in_backlog(late))
        })
    }

    /// Whether to commit at the next end of a PostgreSQL transaction, whatever comes. Where a commit takes longer than the bound, half of the time
    /// is left for events: or each commit would hold no more than what came during the last one.
    pub(crate) fn is_overdue(&self, late: Duration, now: Instant) -> bool {
        self.age(now) >= self.latency_max.max(self.cost).max(self.in_backlog(late))
    }

    /// How long the events of a stream that is `late` may wait, even past the bound: long where commits are dear.
    fn in_backlog(&self, late: Duration) -> Duration {
        (self.cost * BACKLOG_AMORTIZATION).min(late / BACKLOG_PART).min(self.age_max)
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
        // An outage of Kafka is no cost. What is really slow is so again.
        let most = (self.cost * 2).max(COST_STEP).min(self.age_max);
        self.cost = ended.saturating_duration_since(started).min(most);
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
        let mut pace = Pace::new(MILLISECOND * 250, MILLISECOND * 10_000, start);
        assert_eq!(pace.when_idle(Duration::ZERO), None);
        pace.note_events(at(100));
        pace.note_events(at(103));
        assert_eq!(pace.when_idle(Duration::ZERO), Some(at(100)), "the first one waits for nothing");
        pace.committed(at(104), at(114));
        assert_eq!(pace.when_idle(Duration::ZERO), None);
        // Right behind a commit of 10 ms: 40 ms are gathered.
        pace.note_events(at(115));
        assert_eq!(pace.when_idle(Duration::ZERO), Some(at(154)));
        assert!(!pace.is_overdue(Duration::ZERO, at(364)));
        assert!(pace.is_overdue(Duration::ZERO, at(365)));
        // Long after it: nothing is.
        pace.committed(at(160), at(170));
        pace.note_events(at(400));
        assert_eq!(pace.when_idle(Duration::ZERO), Some(at(400)));
        // However long a commit takes, the bound holds.
        pace.committed(at(400), at(1400));
        pace.note_events(at(1401));
        assert_eq!(pace.when_idle(Duration::ZERO), Some(at(1651)));
        // What came during a commit is not overdue behind it.
        pace.committed(at(1700), at(2100));
        pace.note_events(at(1750));
        assert!(!pace.is_overdue(Duration::ZERO, at(2499)));
        assert!(pace.is_overdue(Duration::ZERO, at(2500)));
        // One that Kafka was away for is no measure, until the next one is as slow.
        for (ended, due) in [(100_000, 101_000), (200_000, 202_000), (300_000, 304_000), (400_000, 408_000), (500_000, 510_000)] {
            pace.committed(at(ended - 90_000), at(ended));
            pace.note_events(at(ended));
            assert!(!pace.is_overdue(Duration::ZERO, at(due - 1)));
            assert!(pace.is_overdue(Duration::ZERO, at(due)));
        }
    }

    #[test]
    fn in_a_backlog_a_dear_commit_waits_for_a_part_of_what_the_stream_is_behind() {
        let start = Instant::now();
        let at = |millis: u32| start + MILLISECOND * millis;
        // When to commit in a lull, and when whatever comes, in milliseconds from the first event on.
        let due = |cost: u32, late: u32| {
            let mut pace = Pace::new(MILLISECOND * 250, MILLISECOND * 10_000, start);
            // Twice, to be believed.
            pace.committed(start, at(cost));
            pace.committed(start, at(cost));
            pace.note_events(at(cost));
            let in_lull = pace.when_idle(MILLISECOND * late).unwrap() - at(cost);
            let overdue = (0..40_000).find(|millis| pace.is_overdue(MILLISECOND * late, at(cost + millis)));
            (in_lull.as_millis(), overdue.unwrap())
        };
        assert_eq!(due(50, 0), (200, 250));
        assert_eq!(due(50, 500), (200, 250), "hardly behind, the bound holds");
        assert_eq!(due(50, 5_000), (1_000, 1_000));
        assert_eq!(due(50, 3_600_000), (1_600, 1_600), "a commit is a small part of the time by now");
        assert_eq!(due(5, 3_600_000), (160, 250), "a cheap one anyway");
        assert_eq!(due(2_000, 3_600_000), (10_000, 10_000), "not more than is given up at a stop");
    }
}
