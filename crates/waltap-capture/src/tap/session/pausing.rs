//! Tables that are paused and go on, while the tap works.
//!
//! A pause takes effect where it is taken. A table that goes on, and one that is paused again while it catches up, needs the stream from another
//! place: progress says so, and then the session ends in order and another one begins.

use waltap_error::Result;
use waltap_postgres::catalog::Table;

use super::Session;
use super::delivery::Delivery;
use crate::clock::unix_millis;
use crate::position::Position;
use crate::progress::{PauseRecord, TableRecord};
use crate::status::{PausedTable, PausedTableState};

impl Session<'_> {
    /// Begins with what progress says of tables that are behind, before anything is taken from the stream.
    pub(super) fn begin_behind(&mut self) {
        for (oid, record, paused) in self.progress.behind() {
            self.stream.put_behind(oid, paused.from, !paused.resumed);
            let (database, table) = (&self.context.database, record.display_name());
            match paused.resumed {
                false => warn_of_pause(database, &table, paused.from),
                true => tracing::info!(
                    database,
                    table,
                    since = %paused.from.commit_lsn,
                    "what was withheld of the table is sent now, before the changes of others"
                ),
            }
        }
        self.show_paused();
    }

    /// Pauses tables from the next place between two transactions on.
    pub(super) async fn pause_tables(&mut self, id: &str, names: &[String]) -> Result<()> {
        let from = self.stream.boundary();
        let (mut records, mut fresh) = (Vec::new(), Vec::new());
        for name in names {
            let Some(table) = self.named(name, id) else { continue };
            let Some(record) = self.record_to_pause(&table, id) else { continue };
            match record.paused {
                Some(paused) if !paused.resumed => {}
                // What was sent of it since counts, and what was not goes on to be withheld.
                Some(paused) => {
                    let paused = PauseRecord { resumed: false, ..paused };
                    records.push((table.oid, TableRecord { paused: Some(paused), ..record }));
                    self.begins_anew = true;
                }
                None => {
                    let paused = PauseRecord { from, resumed: false, paused_at: unix_millis() };
                    records.push((table.oid, TableRecord { paused: Some(paused), ..record }));
                    fresh.push((table.oid, table.display_name()));
                }
            }
        }
        self.record_tables(records).await?;
        for (oid, table) in fresh {
            self.stream.put_behind(oid, from, true);
            warn_of_pause(&self.context.database, &table, from);
        }
        self.show_paused();
        Ok(())
    }

    /// Lets tables go on.
    pub(super) async fn resume_tables(&mut self, id: &str, names: &[String]) -> Result<()> {
        let mut records = Vec::new();
        for name in names {
            let Some(table) = self.named(name, id) else { continue };
            let Some(record) = self.progress.table(table.oid).cloned() else { continue };
            if let Some(paused) = record.paused.filter(|paused| !paused.resumed) {
                tracing::info!(database = self.context.database, table = table.display_name(), "the table goes on");
                records.push((table.oid, TableRecord { paused: Some(PauseRecord { resumed: true, ..paused }), ..record }));
            }
        }
        self.begins_anew |= !records.is_empty();
        self.record_tables(records).await?;
        self.show_paused();
        Ok(())
    }

    fn named(&self, name: &str, id: &str) -> Option<Table> {
        let table = self.catalog.iter().find(|table| table.quoted() == *name).cloned();
        if table.is_none() {
            let database = &self.context.database;
            tracing::warn!(database, table = name, request = id, "a table is to be paused, or to go on, that is not captured");
        }
        table
    }

    /// What progress says of a table that can be paused.
    fn record_to_pause(&self, table: &Table, id: &str) -> Option<TableRecord> {
        let refused = |reason| {
            let table = table.display_name();
            tracing::warn!(database = self.context.database, table, request = id, reason, "a pause is refused");
            None
        };
        if self.context.options().streaming.two_phase {
            return refused("with --two-phase the server does not send again what was prepared before");
        }
        match self.record_of(table) {
            Some(record) if record.paused.is_none() && !self.progress.reads_nothing(table, &record) => {
                refused("rows of it are being read: pause it when they are, or cancel that")
            }
            Some(record) => Some(record),
            None => refused("its rows are to be read first"),
        }
    }

    /// Records tables; with Kafka transactions in one of them, so that whoever was fenced cannot do it.
    async fn record_tables(&mut self, records: Vec<(u32, TableRecord)>) -> Result<()> {
        match self.delivery {
            _ if records.is_empty() => Ok(()),
            Delivery::ExactlyOnce(_) => self.commit_with(records).await,
            Delivery::AtLeastOnce(_) => self.progress.set_tables(records).await,
        }
    }

    /// Whether a table has caught up that was paused, of which progress does not know yet.
    pub(super) fn has_caught_up(&self) -> bool {
        let is_amid = self.stream.is_in_transaction() && matches!(self.delivery, Delivery::ExactlyOnce(_));
        // What the next session begins with stands already.
        !self.begins_anew && !is_amid && !self.stream.caught_up(self.in_kafka()).is_empty()
    }

    /// Tables that have caught up go with the others again.
    pub(super) async fn end_catching_up(&mut self) -> Result<()> {
        // Rows of one may have been asked for just before a crash, since when it is behind again. What is being told of them would put the
        // pause back.
        self.settle_chunk_records().await?;
        let oids = self.stream.caught_up(self.in_kafka());
        self.record_tables(self.progress.caught_up(&oids)).await?;
        self.stream.put_level(&oids);
        if let Some(slot) = &mut self.progress.slot {
            slot.behind.retain(|oid, _| !oids.contains(oid));
        }
        for oid in oids {
            let name = self.progress.table(oid).map(|record| record.display_name());
            tracing::info!(database = self.context.database, table = name, "the table has caught up");
        }
        self.show_paused();
        // Rows may have waited for it.
        self.export_unread();
        self.show_chunks();
        Ok(())
    }

    /// Up to where everything that was taken is in Kafka, or will be with the next commit.
    fn in_kafka(&self) -> Position {
        match self.delivery {
            Delivery::ExactlyOnce(_) => self.stream.passed(),
            Delivery::AtLeastOnce(_) => self.stream.confirmed(),
        }
    }

    fn show_paused(&self) {
        let shown = |(_, record, paused): (u32, &TableRecord, PauseRecord)| PausedTable {
            table: record.display_name(),
            state: if paused.resumed { PausedTableState::CatchingUp } else { PausedTableState::Paused },
            since_lsn: paused.from.commit_lsn.to_string(),
            paused_at: paused.paused_at,
        };
        let paused: Vec<PausedTable> = self.progress.behind().map(shown).collect();
        let kept = self.stream.withheld_from();
        let mut facts = self.context.board.facts();
        (facts.paused, facts.withheld_from) = (paused, kept);
    }
}

fn warn_of_pause(database: &str, table: &str, from: Position) {
    tracing::warn!(
        database,
        table,
        since = %from.commit_lsn,
        "the table is paused: its changes are withheld, and the slot keeps the server's log until waltap resume --table"
    );
}
