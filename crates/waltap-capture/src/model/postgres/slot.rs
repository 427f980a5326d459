//! A logical slot.

use waltap_pgoutput::Lsn;
use waltap_postgres::slot::SlotState;

#[derive(Clone, Debug)]
pub(in crate::model) struct Slot {
    pub(in crate::model) temporary: bool,
    /// The session that reads it, or makes it.
    pub(in crate::model) reader: Option<u64>,
    /// `None` while it is being made.
    pub(in crate::model) confirmed: Option<Lsn>,
    /// What a crash of the server goes back to: the place is only written to disk from time to time.
    written: Option<Lsn>,
}

impl Slot {
    /// A slot that this session is making.
    pub(super) fn in_the_making(temporary: bool, session: u64) -> Self {
        Slot { temporary, reader: Some(session), confirmed: None, written: None }
    }

    /// It is there, and on disk.
    pub(super) fn made(&mut self, point: Lsn) {
        (self.confirmed, self.written) = (Some(point), Some(point));
    }

    /// Takes a place that its reader has told.
    pub(super) fn confirm(&mut self, flush: Lsn, is_written: bool) {
        self.confirmed = self.confirmed.map(|confirmed| confirmed.max(flush));
        if is_written {
            self.written = self.confirmed;
        }
    }

    pub(super) fn forget_unwritten(&mut self) {
        self.confirmed = self.written;
    }

    pub(super) fn state(&self, name: &str, server_lsn: Lsn) -> SlotState {
        SlotState {
            name: name.to_owned(),
            plugin: Some("pgoutput".to_owned()),
            database: Some(super::super::DATABASE.to_owned()),
            temporary: self.temporary,
            two_phase: false,
            failover: false,
            synced: false,
            active: self.reader.is_some(),
            active_pid: self.reader.map(|reader| reader as i32),
            restart_lsn: self.written,
            confirmed_flush_lsn: self.confirmed,
            wal_status: None,
            safe_wal_bytes: None,
            invalidation: None,
            retained_bytes: None,
            server_lsn,
        }
    }
}
