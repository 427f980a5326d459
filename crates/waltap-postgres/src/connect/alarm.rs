//! A timer that is finer than tokio's, whose sleeps end with the next whole millisecond: twice as late as wanted, where that is one.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// One timer, for one wait at a time (timerfd_create(2)).
#[derive(Debug)]
pub(super) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// A timer that is not set. To be called within a runtime.
    pub(super) fn new() -> io::Result<Alarm> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(deprecated, reason = "what is in its place is unsafe, for types that might not own their file as OwnedFd does")]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Alarm(timer))
    }

    /// Rings after so long, and not for what it was set to before. At once is not possible: zero would switch it off.
    pub(super) fn set(&mut self, after: Duration) -> io::Result<()> {
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let first = Timespec::try_from(after.max(Duration::from_nanos(1))).map_err(io::Error::other)?;
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &Itimerspec { it_interval: once, it_value: first })?;
        Ok(())
    }

    /// Is ready when it has rung, once.
    pub(super) fn poll_rung(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            // An error could only be that of a runtime that ends, or of a file that is not ours: then there is nothing to wait for.
            let Ok(mut guard) = ready!(self.0.poll_read_ready(context)) else { return Poll::Ready(()) };
            let mut times = [0; 8];
            // Otherwise it was set anew meanwhile.
            if guard.try_io(|timer| Ok(rustix::io::read(timer, &mut times)?)).is_ok() {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn it_rings_once_each_time_also_for_who_comes_again() {
        let mut alarm = Alarm::new().unwrap();
        for after in [200, 3_000, 1_000].map(Duration::from_micros) {
            let began = Instant::now();
            alarm.set(after).unwrap();
            // Given up at once, and waited for again.
            tokio::select! {
                biased;
                () = poll_fn(|context| alarm.poll_rung(context)) => panic!("{after:?} is not over"),
                () = std::future::ready(()) => {}
            }
            poll_fn(|context| alarm.poll_rung(context)).await;
            assert!(began.elapsed() >= after, "{:?} of {after:?}", began.elapsed());
        }
        let silent = tokio::time::timeout(Duration::from_millis(5), poll_fn(|context| alarm.poll_rung(context))).await;
        assert!(silent.is_err(), "it rang twice");
    }
}
