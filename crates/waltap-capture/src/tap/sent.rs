//! The last event that this process has sent at least once, whatever became of its sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use waltap_pgoutput::Lsn;

/// Progress says what was acknowledged, which may be behind the last event (Kafka's reports come later) or before it (the server's own records
/// are acknowledged too). Where the server's log is another one after a failover, it is the last event that counts: so it is remembered, as
/// long as the process lives. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastSent(Arc<AtomicU64>);

impl LastSent {
    /// A session begins to stream, with `reached` as the place up to which something may have been sent before: where a table is paused, others
    /// have gone further than what is acknowledged. As long as nothing new is sent, the last event stands before that place, however far the
    /// server's own records are acknowledged.
    pub(super) fn begin(&self, reached: Lsn) {
        let before = reached.0.saturating_sub(1);
        // Where more is known already it stays.
        let _ = self.0.compare_exchange(0, before, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes the commit of the last transaction of a session that began with `acknowledged` as the place up to which all was sent before.
    pub(super) fn note(&self, commit: Lsn, acknowledged: Lsn) {
        // What came again says nothing of what came before it.
        if commit >= acknowledged {
            self.0.fetch_max(commit.0, Ordering::Relaxed);
        }
    }

    /// Where the last event stands, or before where; `None`: this process has not streamed yet.
    pub(super) fn get(&self) -> Option<Lsn> {
        Some(Lsn(self.0.load(Ordering::Relaxed))).filter(|commit| *commit > Lsn::ZERO)
    }

    /// Forgets it: the log that it stands in is given up.
    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::SnapshotMode;
    use crate::progress::SlotRecord;
    use crate::slot_plan::{Expected, Kinship, ServerLog, plan};

    #[test]
    fn only_what_is_new_counts() {
        let sent = LastSent::default();
        assert_eq!(sent.get(), None);
        sent.note(Lsn(10), Lsn(20));
        assert_eq!(sent.get(), None);
        sent.note(Lsn(30), Lsn(20));
        sent.note(Lsn(25), Lsn(20));
        assert_eq!(sent.get(), Some(Lsn(30)));
        sent.forget();
        assert_eq!(sent.get(), None);
    }

    #[test]
    fn a_process_that_has_sent_nothing_knows_that() {
        let sent = LastSent::default();
        sent.begin(Lsn(20));
        assert_eq!(sent.get(), Some(Lsn(19)));
        // The place has gone on with the server's own records.
        sent.begin(Lsn(50));
        assert_eq!(sent.get(), Some(Lsn(19)));
        sent.note(Lsn(60), Lsn(50));
        sent.begin(Lsn(70));
        assert_eq!(sent.get(), Some(Lsn(60)));
    }

    #[test]
    fn a_failover_after_a_restart_misses_what_others_had_beside_a_paused_table() {
        let record = SlotRecord {
            acknowledged: Some(Lsn(100)),
            delivered: Some(Lsn(200)),
            timeline: Some(1),
            ..SlotRecord::intended("7", "s")
        };
        let sent = LastSent::default();
        sent.begin(record.reached().unwrap());
        let loss = |left| {
            let kinship = Kinship::UpTo(Lsn(left));
            let log = ServerLog { system_id: "7".to_owned(), timeline: 2, end: Lsn(1_000), kinship, is_of_standby: false };
            let expected = Expected { slot: "s", record: Some(&record), sent: sent.get(), mode: SnapshotMode::Initial };
            plan(expected, &log, None).unwrap_err().report().contains("up to 0/C8")
        };
        assert_eq!([100, 150, 199, 200].map(loss), [true, true, true, false]);
    }
}
