//! How far behind the stream is: how old a transaction was when the server sent the end of it, however much is on its way since.
//!
//! The server's clock tells both times, so ours is of no account. On a standby the one is the primary's, and of a transaction that was replicated
//! from elsewhere it is the origin's.

use std::time::Duration;

use waltap_pgoutput::PgTime;

#[derive(Debug, Default)]
pub(crate) struct Lateness {
    /// When the last message was sent.
    sent_at: PgTime,
    /// Of the last transaction.
    last: Duration,
    /// Whether a keepalive has come since the last message.
    is_quiet: bool,
}

impl Lateness {
    pub(super) fn note_message(&mut self, sent_at: PgTime) {
        (self.sent_at, self.is_quiet) = (sent_at, false);
    }

    /// The server sends one before it waits for more log; others, too, on its way through transactions that are none of ours.
    pub(super) fn note_keepalive(&mut self) {
        self.is_quiet = true;
    }

    /// The last message was the end of a transaction.
    pub(super) fn note_commit(&mut self, commit_time: PgTime) {
        self.last = self.sent_at.since(commit_time);
    }

    /// While more comes.
    pub(crate) fn busy(&self) -> Duration {
        self.last
    }

    /// When nothing more comes for now: behind a keepalive, that may be all there is.
    pub(crate) fn in_lull(&self) -> Duration {
        if self.is_quiet { Duration::ZERO } else { self.last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_stream_is_late_by_the_age_of_what_it_sends() {
        let mut lateness = Lateness::default();
        lateness.note_message(PgTime(100 * SECOND));
        assert_eq!(lateness.busy(), Duration::ZERO, "no transaction has ended");
        lateness.note_commit(PgTime(70 * SECOND));
        lateness.note_message(PgTime(101 * SECOND));
        assert_eq!(
            (lateness.busy(), lateness.in_lull()),
            (Duration::from_secs(30), Duration::from_secs(30)),
            "until the next one ends"
        );
        lateness.note_keepalive();
        assert_eq!((lateness.busy(), lateness.in_lull()), (Duration::from_secs(30), Duration::ZERO));
        lateness.note_message(PgTime(102 * SECOND));
        assert_eq!(lateness.in_lull(), Duration::from_secs(30), "there was more");
        lateness.note_commit(PgTime(103 * SECOND));
        assert_eq!(lateness.busy(), Duration::ZERO, "of a clock that is ahead");
    }
}
