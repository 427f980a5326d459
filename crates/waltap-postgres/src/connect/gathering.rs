//! Letting bytes come together while there is much to read.
//!
//! PostgreSQL's walsender gives each change to the kernel by itself. Who waits for the next byte makes the server wake a reader for every
//! change, which takes it longer than decoding does: a backlog then comes at half the speed, or less. So while the stream flows it is read
//! late; while it trickles, at its first byte.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::flow::Flow;

/// How long bytes come together. Longer ones gain little more, and an event that comes with many others may wait for as long.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// The same where the window is small: what comes before the window is full comes in a packet each, and should be the lesser part.
pub(super) const PAUSE_WITH_SMALL_WINDOW: Duration = Duration::from_millis(2);

/// The same on a unix socket. There each change takes a buffer of its own, of which a sender may fill some 170 (`net.core.wmem_default`);
/// then it stands still until we read.
pub(super) const PAUSE_ON_UNIX_SOCKET: Duration = Duration::from_micros(200);

/// When the stream is to be read next.
#[derive(Debug)]
pub(super) struct Gathering {
    flow: Flow,
    pause: Duration,
    alarm: Alarm,
    is_pausing: bool,
    /// Whether anything was read since the last pause.
    has_come: bool,
}

impl Gathering {
    /// Fails when the process has no file descriptor left for the timer.
    pub(super) fn new(pause: Duration) -> io::Result<Gathering> {
        Ok(Gathering { flow: Flow::begun(Instant::now()), pause, alarm: Alarm::new()?, is_pausing: false, has_come: false })
    }

    /// Is ready when it is worth while to read.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_pausing {
            ready!(self.alarm.poll_rung(context));
            self.is_pausing = false;
        }
        Poll::Ready(())
    }

    /// So many bytes were read just now. Says whether the stream flows.
    pub(super) fn note(&mut self, count: usize) -> bool {
        self.has_come = true;
        self.flow.note(count, Instant::now())
    }

    /// There is nothing left to read. Says whether more is to come together before the next read, which `poll_ready` waits for then.
    pub(super) fn pause(&mut self) -> bool {
        // Where nothing has come during the last pause, the next byte is waited for.
        self.is_pausing = self.has_come && self.flow.flows() && self.alarm.set(self.pause).is_ok();
        self.has_come = false;
        self.is_pausing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reading_waits_once_nothing_is_left_of_a_stream_that_flows() {
        let mut gathering = Gathering::new(PAUSE).unwrap();
        gathering.note(10);
        assert!(!gathering.pause(), "the first bytes after a rest");
        gathering.flow = Flow::flowing(Instant::now());
        gathering.note(10);
        let began = Instant::now();
        assert!(gathering.pause());
        std::future::poll_fn(|context| gathering.poll_ready(context)).await;
        assert!(began.elapsed() >= PAUSE, "{:?}", began.elapsed());
        gathering.flow = Flow::flowing(Instant::now());
        assert!(!gathering.pause(), "nothing has come meanwhile");
    }
}
