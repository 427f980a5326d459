//! Whether much comes.

use std::time::{Duration, Instant};

/// Over how long it is seen whether the stream flows.
const LOOK: Duration = Duration::from_millis(1);

/// From so many bytes a second on a stream flows: some ten thousand rows. Below, the server has time enough to wake us.
const FLOWING_BYTES_PER_SECOND: f64 = 2e6;

/// How much the stream has brought lately.
#[derive(Debug)]
pub(crate) struct Flow {
    since: Instant,
    bytes: usize,
    flows: bool,
}

impl Flow {
    pub(crate) fn begun(now: Instant) -> Flow {
        Flow { since: now, bytes: 0, flows: false }
    }

    /// So many bytes came just now. Says whether the stream flows.
    pub(crate) fn note(&mut self, count: usize, now: Instant) -> bool {
        self.bytes += count;
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= LOOK {
            self.flows = self.bytes as f64 >= FLOWING_BYTES_PER_SECOND * elapsed.as_secs_f64();
            (self.since, self.bytes) = (now, 0);
        }
        self.flows
    }

    pub(crate) fn flows(&self) -> bool {
        self.flows
    }

    #[cfg(test)]
    pub(super) fn flowing(now: Instant) -> Flow {
        Flow { since: now, bytes: 0, flows: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads of so many bytes each, so often, and whether the stream flows then.
    fn after(flow: &mut Flow, now: &mut Instant, count: usize, every: Duration, times: u32) -> bool {
        (0..times).fold(false, |_, _| {
            *now += every;
            flow.note(count, *now)
        })
    }

    #[test]
    fn a_backlog_flows_and_single_transactions_do_not() {
        let mut now = Instant::now();
        let mut flow = Flow::begun(now);
        let micros = Duration::from_micros;
        assert!(!after(&mut flow, &mut now, 300, micros(1_000), 100), "a thousand a second");
        assert!(after(&mut flow, &mut now, 300, micros(30), 100), "thirty thousand a second, read one by one");
        assert!(after(&mut flow, &mut now, 30_000, micros(1_000), 100), "as many, read late");
        assert!(!after(&mut flow, &mut now, 300, micros(1_000), 2), "it is over");
        assert!(!after(&mut flow, &mut now, 300_000, Duration::from_secs(1), 1), "much after a rest");
    }
}
