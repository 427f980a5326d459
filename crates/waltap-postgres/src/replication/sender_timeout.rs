//! How long the server may hear nothing of us before it ends the stream: its `wal_sender_timeout`, where that suits a stream like ours.
//!
//! The setting is one for all who replicate from a server, but each connection may have its own. Without any, a connection that died without
//! a word keeps its slot in use until TCP gives it up, for hours. With a very short one, made for standbys on the same wire, every hiccup of
//! the network ends the stream. We are heard of at least every ten seconds, so nothing speaks against the usual minute.

use std::time::Duration;

/// What we ask for where the server's own does not suit: PostgreSQL's default.
const USUAL: Duration = Duration::from_secs(60);

/// Below this a pause of the network or of waltap's host is enough for the server to hang up.
pub(crate) const SHORTEST: Duration = Duration::from_secs(10);

/// Beyond this a slot is kept in use by a connection that is dead for longer than somebody who waits for it should have to.
const LONGEST: Duration = Duration::from_secs(120);

/// Where a setting comes from that somebody has chosen for this role, database or connection (`pg_settings.source`): it is kept.
pub(crate) const CHOSEN: &[&str] = &["database", "user", "database user", "client", "session"];

/// What to ask for in the place of the server's setting; `None`: it stays as it is. No setting: it is off.
pub(crate) fn own(setting: Option<Duration>, is_chosen: bool) -> Option<Duration> {
    let suits = setting.is_some_and(|timeout| (SHORTEST..=LONGEST).contains(&timeout));
    (!suits && !is_chosen).then_some(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_or_suits_is_kept() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(own(None, false), Some(USUAL));
        assert_eq!(own(seconds(5), false), Some(USUAL));
        assert_eq!(own(seconds(3_600), false), Some(USUAL));
        for kept in [10, 60, 120] {
            assert_eq!(own(seconds(kept), false), None);
        }
        for chosen in [None, seconds(1), seconds(3_600)] {
            assert_eq!(own(chosen, true), None);
        }
    }
}
