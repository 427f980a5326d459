//! The log of the server that was reached, and how much of it is the one that was read before.

use waltap_error::Result;
use waltap_pgoutput::Lsn;
use waltap_postgres::replication::SystemIdentity;
use waltap_postgres::slot::SlotState;

use crate::progress::SlotRecord;
use crate::source::Replication;

/// The log of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerLog {
    /// The server's own number, the same for a primary and its standbys.
    pub(crate) system_id: String,
    /// Counts promotions.
    pub(crate) timeline: u32,
    /// Where it ends.
    pub(crate) end: Lsn,
    /// How it goes with the log that was read before.
    pub(crate) kinship: Kinship,
    /// Whether the server is a standby: then its log ends where it has come to so far.
    pub(crate) is_of_standby: bool,
}

/// How a server's log goes with the one that was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinship {
    /// It is the same, or nothing was read before.
    Same,
    /// The same up to there: then a standby became the primary, or the server was restored to an earlier time.
    UpTo(Lsn),
    /// It never was on the timeline that was read.
    Foreign,
}

impl ServerLog {
    /// Asks a server for its log, as it goes with what `record` knows.
    ///
    /// `found` is the slot. One of a standby stays with it when that is promoted, or follows another primary, and so does the stream: what was
    /// sent then may stand on a later timeline than the record knows. The server that has the slot has never lost what it sent from it.
    pub(crate) async fn ask(
        replication: &mut Replication,
        record: Option<&SlotRecord>,
        found: Option<&SlotState>,
        is_of_standby: bool,
    ) -> Result<Self> {
        let identity = replication.identify().await?;
        // Written before timelines were: taken for the same one.
        let before = record.filter(|record| record.system_id == identity.system_id).and_then(|record| record.timeline);
        let is_the_same = stays_with_its_server(record, found);
        let kinship = match before {
            Some(before) if before != identity.timeline && !is_the_same => {
                replication.timeline_history(identity.timeline).await?.left(before).map_or(Kinship::Foreign, Kinship::UpTo)
            }
            _ => Kinship::Same,
        };
        let SystemIdentity { system_id, timeline, wal_flush, .. } = identity;
        Ok(ServerLog { system_id, timeline, end: wal_flush, kinship, is_of_standby })
    }

    /// Of a place up to which all was read, what the server's log has too.
    pub(crate) fn shared(&self, acknowledged: Lsn) -> Lsn {
        match self.kinship {
            Kinship::UpTo(left) => acknowledged.min(left),
            _ => acknowledged,
        }
    }

    /// Where what was sent is not in the server's log any more; `None` when all of it is there. `last_event` is the last one that is known to
    /// have been sent: behind it the place that was acknowledged may have passed records of the server's own, which mean nothing.
    pub(super) fn lacks(&self, acknowledged: Lsn, last_event: Option<Lsn>) -> Option<Lsn> {
        let reached = last_event.map_or(acknowledged, |event| event.max(acknowledged));
        let is_there = match (self.kinship, last_event) {
            // The server has never told a place that it had not reached.
            (Kinship::Same, event) => acknowledged <= self.end && event.is_none_or(|event| event < self.end),
            (Kinship::UpTo(left), Some(event)) => event < left,
            (Kinship::UpTo(left), None) => acknowledged <= left,
            (Kinship::Foreign, _) => false,
        };
        (!is_there).then_some(reached)
    }
}

/// Whether the slot is one that a standby has for itself. One that standbys keep of a primary may be found on any of them.
fn stays_with_its_server(record: Option<&SlotRecord>, found: Option<&SlotState>) -> bool {
    record.is_some_and(|record| record.on_standby) && found.is_some_and(|found| !found.synced && !found.failover)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, record};
    use super::*;

    #[test]
    fn only_a_slot_of_the_standby_itself_speaks_for_its_log() {
        let of_standby = SlotRecord { on_standby: true, ..record(Some(100)) };
        let stays = |record: &SlotRecord, found: SlotState| stays_with_its_server(Some(record), Some(&found));
        assert!(stays(&of_standby, found(100)));
        assert!(!stays(&record(Some(100)), found(100)));
        assert!(!stays(&of_standby, SlotState { synced: true, failover: true, ..found(100) }));
        assert!(!stays(&of_standby, SlotState { failover: true, ..found(100) }), "of a primary, be the record right or wrong");
        assert!(!stays_with_its_server(Some(&of_standby), None));
    }
}
