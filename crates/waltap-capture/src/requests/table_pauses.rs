//! Asking for tables to be paused, and to go on, and what becomes of it.

use waltap_error::Result;

use super::asking::{Asked, Asking};
use super::known::Known;
use super::record::Ask;
use crate::clock::unix_millis;
use crate::progress::Progress;

/// What became of a request for a table to be paused, or to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseState {
    /// The tap has not taken it yet.
    Waiting,
    /// The table goes on: what was withheld of it is being sent.
    CatchingUp,
    /// It is so.
    Done,
    /// The tap has passed it over, or somebody has asked for the opposite since.
    Refused,
}

impl Asking<'_> {
    /// Asks that changes of tables are withheld, until [`Asking::resume`].
    pub async fn pause(&self) -> Result<Vec<Asked>> {
        let known = Known::read(self.kafka, self.capture).await?;
        let found = self.captured(&known, None).await?;
        self.ask(&known, found, |tables| Ask::Pause { tables, at: unix_millis() }).await
    }

    /// Asks that what was withheld of tables is sent, and that they go with the others again.
    pub async fn resume(&self) -> Result<Vec<Asked>> {
        let known = Known::read(self.kafka, self.capture).await?;
        let found = self.captured(&known, None).await?;
        self.ask(&known, found, |tables| Ask::Resume { tables, at: unix_millis() }).await
    }

    /// What became of tables that were asked to be paused, or to go on, in the order of the requests.
    pub async fn pause_states(&self, asked: &[Asked], is_pause: bool) -> Result<Vec<Vec<PauseState>>> {
        self.became(asked, |progress, oid, _, is_asked| state(progress, oid, is_asked, is_pause)).await
    }
}

fn state(progress: &Progress, oid: u32, is_asked: bool, is_pause: bool) -> PauseState {
    let resumed = progress.table(oid).and_then(|record| record.paused).map(|paused| paused.resumed);
    match (resumed, is_pause) {
        _ if is_asked => PauseState::Waiting,
        (Some(false), true) | (None, false) => PauseState::Done,
        (Some(true), false) => PauseState::CatchingUp,
        (_, _) => PauseState::Refused,
    }
}

#[cfg(test)]
mod tests {
    use waltap_pgoutput::Lsn;

    use super::*;
    use crate::position::Position;
    use crate::progress::{PauseRecord, Store, TableRecord};

    #[tokio::test]
    async fn what_became_of_a_pause_stands_in_the_record_of_the_table() {
        let mut progress = Progress::load(Store::new(None, "waltap", "shop")).await.unwrap();
        let plain = br#"{"schema":"public","table":"t","state":"done","since":"0/10"}"#;
        let record = |resumed: Option<bool>| {
            let from = Position::after_message(Lsn(0x20));
            let paused = resumed.map(|resumed| PauseRecord { from, resumed, paused_at: 1 });
            TableRecord { paused, ..crate::progress::parse("k", plain).unwrap() }
        };
        for (resumed, paused, went_on) in [
            (None, PauseState::Refused, PauseState::Done),
            (Some(false), PauseState::Done, PauseState::Refused),
            (Some(true), PauseState::Refused, PauseState::CatchingUp),
        ] {
            progress.set_tables(vec![(5, record(resumed))]).await.unwrap();
            assert_eq!((state(&progress, 5, false, true), state(&progress, 5, false, false)), (paused, went_on));
            assert_eq!(state(&progress, 5, true, true), PauseState::Waiting);
        }
        assert_eq!(state(&progress, 6, false, false), PauseState::Done, "a table that is gone");
    }
}
