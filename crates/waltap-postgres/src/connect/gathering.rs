//! Letting bytes come together while there is much to read.
//!
//! PostgreSQL's walsender gives each change to the kernel by itself. Who waits for the next byte makes the server wake a reader for every
//! change, which takes it longer than decoding does: a backlog then comes at half the speed, or less. So while the stream flows it is read
//! late; while it trickles, at its first byte.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::alarm::Alarm;

/// A read that takes this much was worth its while, and the next one follows at once.
pub(super) const WELL_FILLED_BYTES: usize = 64 * 1024;

/// How long bytes come together. Longer ones gain little more, and an event that comes with many others may wait for as long.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// The same on a unix socket. There each change takes a buffer of its own, of which a sender may fill some 170 (`net.core.wmem_default`);
/// then it stands still until we read.
pub(super) const PAUSE_ON_UNIX_SOCKET: Duration = Duration::from_micros(200);

/// Over how long it is seen whether the stream flows.
const LOOK: Duration = Duration::from_millis(1);

/// From so many bytes a second on a stream flows: some ten thousand rows. Below, the server has time enough to wake us.
const FLOWING_BYTES_PER_SECOND: f64 = 2e6;

/// When the stream is to be read next.
#[derive(Debug)]
pub(super) struct Gathering {
    flow: Flow,
    pause: Duration,
    alarm: Alarm,
    is_pausing: bool,
}

impl Gathering {
    /// Fails when the process has no file descriptor left for the timer.
    pub(super) fn new(pause: Duration) -> io::Result<Gathering> {
        Ok(Gathering { flow: Flow::begun(Instant::now()), pause, alarm: Alarm::new()?, is_pausing: false })
    }

    /// Is ready when it is worth while to read.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_pausing {
            ready!(self.alarm.poll_rung(context));
            self.is_pausing = false;
        }
        Poll::Ready(())
    }

    /// So many bytes were read just now, and whether that was all there was. Says whether more are to come together before the next read.
    pub(super) fn note(&mut self, count: usize, was_all: bool) -> bool {
        let flows = self.flow.note(count, Instant::now());
        self.is_pausing = flows && was_all && count < WELL_FILLED_BYTES && self.alarm.set(self.pause).is_ok();
        self.is_pausing
    }
}

/// How much the stream has brought lately.
#[derive(Debug)]
struct Flow {
    since: Instant,
    bytes: usize,
    flows: bool,
}

impl Flow {
    fn begun(now: Instant) -> Flow {
        Flow { since: now, bytes: 0, flows: false }
    }

    /// Says whether the stream flows.
    fn note(&mut self, count: usize, now: Instant) -> bool {
        self.bytes += count;
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= LOOK {
            self.flows = self.bytes as f64 >= FLOWING_BYTES_PER_SECOND * elapsed.as_secs_f64();
            (self.since, self.bytes) = (now, 0);
        }
        self.flows
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

    #[tokio::test]
    async fn reading_waits_only_while_the_stream_flows_and_reads_are_small() {
        let mut gathering = Gathering::new(PAUSE).unwrap();
        let flowing = || Flow { since: Instant::now(), bytes: 0, flows: true };
        assert!(!gathering.note(10, true), "the first bytes after a rest");
        gathering.flow = flowing();
        assert!(gathering.note(10, true));
        let began = Instant::now();
        std::future::poll_fn(|context| gathering.poll_ready(context)).await;
        assert!(began.elapsed() >= PAUSE, "{:?}", began.elapsed());
        gathering.flow = flowing();
        assert!(!gathering.note(WELL_FILLED_BYTES, true), "much at once");
        gathering.flow = flowing();
        assert!(!gathering.note(10, false), "there was no room for more");
    }
}
