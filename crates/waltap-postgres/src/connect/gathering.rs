//! Letting bytes come together while there is much to read.
//!
//! PostgreSQL's walsender gives each change to the kernel by itself. Who waits for the next byte makes the server wake a reader for every
//! change, which takes it longer than decoding does: a backlog then comes at half the speed, or less. So while the stream flows it is read
//! late; while it trickles, at its first byte. Large messages fill what a sender may have on its way in a part of that time: they are read sooner.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::flow::Flow;
use super::message_sizes::{CurrentSize, Size};

/// A shorter one is no pause: setting the alarm takes as long.
const PAUSE_MIN: Duration = Duration::from_micros(10);

/// How bytes come together on a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// How long. Longer ones gain little more, and an event that comes with many others may wait for as long.
    pause: Duration,
    /// Of large messages so many bytes are enough, by measurement: they are few, and a sender soon has no room for more until we read. Over TCP that is more
    /// than the window, since what does not fit in waits in the sender's buffer.
    enough_bytes: usize,
}

/// Of huge ones so many, on any path: a handful.
const HUGE_ENOUGH_BYTES: usize = 32 * 1024;

pub(super) const OVER_TCP: Path = Path { pause: Duration::from_millis(1), enough_bytes: 128 * 1024 };

/// What comes before the window is full comes in a packet each, and should be the lesser part.
pub(super) const THROUGH_SMALL_WINDOW: Path = Path { pause: Duration::from_millis(2), ..OVER_TCP };

/// There each message takes a buffer of its own, of which a sender may fill some 170, or 208 KiB (`net.core.wmem_default`); then it stands still until we
/// read.
pub(super) const ON_UNIX_SOCKET: Path = Path { pause: Duration::from_micros(200), enough_bytes: 64 * 1024 };

/// When the stream is to be read next.
#[derive(Debug)]
pub(super) struct Gathering {
    flow: Flow,
    path: Path,
    messages: CurrentSize,
    alarm: Alarm,
    is_pausing: bool,
    /// When the last pause began, and how many bytes were read since.
    since: Instant,
    bytes: usize,
}

impl Gathering {
    /// Fails when the process has no file descriptor left for the timer.
    pub(super) fn new(path: Path, messages: CurrentSize) -> io::Result<Gathering> {
        let now = Instant::now();
        Ok(Gathering { flow: Flow::begun(now), path, messages, alarm: Alarm::new()?, is_pausing: false, since: now, bytes: 0 })
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
        self.bytes += count;
        self.flow.note(count, Instant::now())
    }

    /// There is nothing left to read. Says whether more is to come together before the next read, which `poll_ready` waits for then.
    pub(super) fn pause(&mut self) -> bool {
        let now = Instant::now();
        let pause = self.next_pause(now.saturating_duration_since(self.since));
        // Where nothing has come during the last pause, the next byte is waited for.
        self.is_pausing = self.bytes > 0 && self.flow.flows() && self.alarm.set(pause).is_ok();
        (self.since, self.bytes) = (now, 0);
        self.is_pausing
    }

    /// How long it takes for so many bytes to come, by how fast they came just now.
    fn until_come(&self, bytes: usize, elapsed: Duration) -> Duration {
        elapsed.mul_f64(bytes as f64 / self.bytes.max(1) as f64).clamp(PAUSE_MIN, self.path.pause)
    }

    /// How long the next pause is, after so long a time since the last one began.
    fn next_pause(&self, elapsed: Duration) -> Duration {
        let Path { pause, enough_bytes } = self.path;
        // As long as it takes for enough to come, by how fast it came just now.
        match self.messages.get() {
            Size::Small => pause,
            Size::Large => self.until_come(enough_bytes, elapsed),
            Size::Huge => self.until_come(HUGE_ENOUGH_BYTES, elapsed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reading_waits_once_nothing_is_left_of_a_stream_that_flows() {
        let mut gathering = Gathering::new(OVER_TCP, CurrentSize::default()).unwrap();
        gathering.note(10);
        assert!(!gathering.pause(), "the first bytes after a rest");
        gathering.flow = Flow::flowing(Instant::now());
        gathering.note(10);
        let began = Instant::now();
        assert!(gathering.pause());
        std::future::poll_fn(|context| gathering.poll_ready(context)).await;
        assert!(began.elapsed() >= OVER_TCP.pause, "{:?}", began.elapsed());
        gathering.flow = Flow::flowing(Instant::now());
        assert!(!gathering.pause(), "nothing has come meanwhile");
    }

    #[tokio::test]
    async fn large_messages_are_waited_for_until_enough_have_come() {
        let messages = CurrentSize::default();
        let mut gathering = Gathering::new(OVER_TCP, messages.clone()).unwrap();
        let millisecond = Duration::from_millis(1);
        gathering.note(4 * OVER_TCP.enough_bytes);
        assert_eq!(gathering.next_pause(millisecond), OVER_TCP.pause, "each small one costs the sender");
        messages.set(Size::Large);
        assert_eq!(gathering.next_pause(millisecond), millisecond / 4);
        messages.set(Size::Huge);
        assert_eq!(gathering.next_pause(millisecond), millisecond / 16);
        assert_eq!(gathering.next_pause(millisecond * 40), OVER_TCP.pause, "they come slowly");
    }
}
