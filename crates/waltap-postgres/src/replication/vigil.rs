//! Noticing that the other side has gone without a word.
//!
//! With every timed status we ask the server for an answer, so that it says something at least that often. When nothing at all comes for
//! much longer, the connection is half-open: a firewall has forgotten it, or a proxy has lost what stood behind it. TCP's own
//! watchfulness finds a dead host earlier; this finds the rest.

use std::time::{Duration, Instant};

use crate::connect::ServerVersion;

/// What counts as the server's patience when it has none configured: PostgreSQL's default.
const DEFAULT_SENDER_TIMEOUT: Duration = Duration::from_secs(60);

/// How many times its own patience a server may be silent.
const PATIENCE: u32 = 2;

/// The same before PostgreSQL 15. While those decode a large transaction of which nothing is published, they neither send nor read for as
/// long as it takes; cut off in the middle they would only begin again, for ever.
const PATIENCE_WITH_SILENT_DECODING: u32 = 20;

/// The first version that says something meanwhile.
const DECODES_ALOUD: u32 = 15;

/// How long the server was silent while somebody listened. Time in which nobody reads does not count: then it is we who are late.
#[derive(Debug)]
pub(super) struct Vigil {
    limit: Duration,
    silent: Duration,
}

impl Vigil {
    pub(super) fn new(sender_timeout: Option<Duration>, version: ServerVersion) -> Vigil {
        let patience = if version.major() >= DECODES_ALOUD { PATIENCE } else { PATIENCE_WITH_SILENT_DECODING };
        Vigil { limit: sender_timeout.unwrap_or(DEFAULT_SENDER_TIMEOUT) * patience, silent: Duration::ZERO }
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Begins to listen, and counts until it is dropped, be it because the listener was cancelled.
    pub(super) fn listen(&mut self) -> Listening<'_> {
        Listening { since: Instant::now(), vigil: self }
    }
}

/// Somebody listens.
pub(super) struct Listening<'a> {
    since: Instant,
    vigil: &'a mut Vigil,
}

impl Listening<'_> {
    /// How much longer silence is borne.
    pub(super) fn remaining(&self) -> Duration {
        self.vigil.limit.saturating_sub(self.vigil.silent)
    }

    /// Something was heard.
    pub(super) fn heard(mut self) {
        self.vigil.silent = Duration::ZERO;
        self.since = Instant::now();
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.vigil.silent += self.since.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_adds_up_over_cancelled_listeners_and_ends_with_a_word() {
        let mut vigil = Vigil::new(Some(Duration::from_secs(10)), ServerVersion::from_number(150_000));
        let whole = vigil.listen().remaining();
        assert_eq!(whole, Duration::from_secs(20));
        let mut listening = vigil.listen();
        // As if it had begun three seconds ago.
        listening.since -= Duration::from_secs(3);
        drop(listening);
        assert!(vigil.listen().remaining() <= Duration::from_secs(17));
        vigil.listen().heard();
        assert!(vigil.listen().remaining() > Duration::from_secs(19));
    }
}
