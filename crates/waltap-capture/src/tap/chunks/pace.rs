//! How fast rows are read in chunks.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

/// When a chunk waited longer than this for the stream, the next one has twice as many rows: a stream that is behind lets each chunk wait as
/// long as it is behind, whatever its size.
const LONG_WAIT: Duration = Duration::from_secs(1);

/// When it waited less than this, the next one has half as many, down to what was asked for.
const SHORT_WAIT: Duration = Duration::from_millis(200);

/// How often a chunk may be doubled. Its bytes are bounded besides.
const DOUBLINGS_MAX: u32 = 5;

/// After a chunk there is a rest, as long as the chunk took, and no longer than this: half of the time belongs to the stream alone.
const REST_MAX: Duration = Duration::from_secs(1);

/// At most so many rows a second, counted over all tables of a tap, and a rest after each chunk where the stream has something to do.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Option<NonZeroU64>,
    /// When the next chunk may begin.
    due: Option<Instant>,
    /// Since when the rows of a chunk wait for the stream.
    waits_since: Option<Instant>,
    doublings: u32,
    /// When the chunk that is under way was asked for, and how many events the stream had brought.
    begun: Option<(u64, Instant)>,
}

impl Pace {
    pub(crate) fn new(rate: Option<NonZeroU64>) -> Self {
        Pace { rate, due: None, waits_since: None, doublings: 0, begun: None }
    }

    /// Notes that a chunk is asked for, and how many events the stream has brought.
    pub(crate) fn begun(&mut self, events: u64, now: Instant) {
        self.begun = Some((events, now));
    }

    /// Notes that its rows are sent. The server, Kafka and this process have all worked for it; nobody is in a hurry for rows that were there
    /// before, and somebody may be for the next change. Without any change nobody would gain by a rest.
    pub(crate) fn sent(&mut self, events: u64, now: Instant) {
        if let Some((before, since)) = self.begun.take()
            && events > before
        {
            let rest = now.saturating_duration_since(since).min(REST_MAX);
            self.due = Some(self.due.unwrap_or(now).max(now + rest));
        }
    }

    /// Notes rows that were read: what follows waits for the time that they are due.
    pub(crate) fn note(&mut self, rows: u64, now: Instant) {
        self.waits_since = Some(now);
        if let Some(rate) = self.rate {
            let owed = Duration::from_secs_f64(rows as f64 / rate.get() as f64);
            self.due = Some(self.due.map_or(now, |due| due.max(now)) + owed);
        }
    }

    /// Notes that the stream has come to where the rows were read.
    pub(crate) fn reached(&mut self, now: Instant) {
        match self.waits_since.take().map(|since| now.saturating_duration_since(since)) {
            Some(waited) if waited > LONG_WAIT => self.doublings = (self.doublings + 1).min(DOUBLINGS_MAX),
            Some(waited) if waited < SHORT_WAIT => self.doublings = self.doublings.saturating_sub(1),
            _ => {}
        }
    }

    /// When the next chunk may begin, if not now.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it may begin now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// How many rows a chunk may have: more than `rows` where the stream is behind, and no more than may come in a second.
    pub(crate) fn rows_max(&self, rows: NonZeroU64) -> NonZeroU64 {
        let rows = rows.saturating_mul(NonZeroU64::MIN.saturating_add((1 << self.doublings) - 1));
        self.rate.map_or(rows, |rate| rate.min(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_take_their_time() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(NonZeroU64::new(1_000));
        assert!(pace.is_due(start));
        pace.note(500, start);
        assert!(!pace.is_due(start + second / 4) && pace.is_due(start + second / 2));
        pace.note(1_000, start + second / 4);
        assert!(!pace.is_due(start + second) && pace.is_due(start + second * 3 / 2), "what was owed is not forgotten");
        pace.note(1, start + second * 100);
        assert!(pace.is_due(start + second * 101), "and nothing is saved up");
        let mut unbounded = Pace::new(None);
        unbounded.note(u64::MAX, start);
        assert!(unbounded.is_due(start));
        assert_eq!(pace.rows_max(NonZeroU64::new(5_000).unwrap()).get(), 1_000);
    }

    #[test]
    fn a_busy_stream_has_half_of_the_time() {
        let start = Instant::now();
        let [short, long] = [20, 10_000].map(Duration::from_millis);
        let mut pace = Pace::new(None);
        pace.begun(7, start);
        pace.sent(7, start + short);
        assert!(pace.is_due(start + short), "nothing has come");
        pace.begun(7, start);
        pace.sent(8, start + short);
        assert!(!pace.is_due(start + short + short / 2) && pace.is_due(start + short * 2));
        pace.begun(8, start);
        pace.sent(9, start + long);
        assert!(!pace.is_due(start + long) && pace.is_due(start + long + REST_MAX));
    }

    #[test]
    fn a_stream_that_is_behind_makes_chunks_larger() {
        let (mut now, rows) = (Instant::now(), NonZeroU64::new(2_048).unwrap());
        let mut pace = Pace::new(None);
        let mut after = |pace: &mut Pace, waited: Duration| {
            pace.note(1, now);
            now += waited;
            pace.reached(now);
            pace.rows_max(rows).get()
        };
        let long = Duration::from_secs(10);
        assert_eq!(after(&mut pace, Duration::ZERO), 2_048);
        assert_eq!([after(&mut pace, long), after(&mut pace, long)], [4_096, 8_192]);
        assert_eq!(after(&mut pace, Duration::from_millis(500)), 8_192);
        assert_eq!(after(&mut pace, Duration::ZERO), 4_096);
        assert_eq!((0..9).map(|_| after(&mut pace, long)).last(), Some(65_536));
    }
}
