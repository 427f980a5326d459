//! The rows of tables that join while the stream runs, and of those that a crash or a change of the table left half read.
//!
//! A table of which nothing was sent is read while the stream waits; its changes come after. A table of which some rows were sent, one of
//! which may have been deleted since, is read once the stream has reached the new snapshot, so that the deletion comes first.

use std::sync::Arc;

use tokio::task::JoinHandle;
use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::Table;

use super::super::behind::end_of_pauses;
use super::super::chunks::{begin_joined, joined_in_chunks};
use super::super::discovery::Look;
use super::super::export::{HeldSnapshot, export};
use super::super::leaves::note_leaves;
use super::super::opening::unread;
use super::Session;
use crate::clock::unix_millis;
use crate::progress::{ChunkAnswer, TableRecord, TableState};
use crate::sabotage::{Sabotage, is_on};
use crate::snapshot::{ExportedSnapshot, Reading};
use crate::status::TapState;

/// A snapshot on its way, in a task of its own.
pub(super) struct Exporting {
    task: JoinHandle<Result<HeldSnapshot>>,
    /// Whether it is for a table whose changes are being sent.
    is_for_begun: bool,
}

impl Drop for Exporting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Exporting {
    async fn ready(&mut self) -> Result<HeldSnapshot> {
        (&mut self.task)
            .await
            .map_err(|error| Error::configuration(Code::INTERNAL, "exporting a snapshot broke").source(error))?
    }
}

/// Waits for ever when there is none. Cancel safe.
pub(super) async fn ready(exporting: &mut Option<Exporting>) -> Result<HeldSnapshot> {
    match exporting {
        Some(exporting) => exporting.ready().await,
        None => std::future::pending().await,
    }
}

impl Session<'_> {
    /// Takes a new look at the catalog: tables that have joined are to be read.
    pub(super) async fn follow(&mut self, look: Look) -> Result<()> {
        self.catalog = look.tables;
        let catalog = Arc::clone(&self.catalog);
        let captured = |oid: u32| catalog.iter().any(|table| table.oid == oid);
        let (server, confirmed) = {
            let mut facts = self.context.board.facts();
            facts.tables = self.catalog.len();
            (facts.server, facts.confirmed)
        };
        self.settle_chunk_records().await?;
        let resumed = self.progress.keep(captured, server, confirmed).await?;
        self.begins_anew |= !resumed.is_empty();
        end_of_pauses(self.context, &resumed);
        let gone = self.chunks.jobs.iter().map(|job| job.oid).filter(|oid| !self.progress.is_in_chunks(*oid));
        for oid in gone.collect::<Vec<_>>() {
            self.drop_chunks(oid);
        }
        self.context.release_topics(&self.progress, &self.catalog).await?;
        note_leaves(self.context, &mut self.progress, &self.catalog).await?;
        let catalog = Arc::clone(&self.catalog);
        self.read_joined_in_chunks(&catalog).await?;
        self.export_unread();
        Ok(())
    }

    /// Has tables that have joined be read in chunks, where that was asked for.
    async fn read_joined_in_chunks(&mut self, tables: &[Table]) -> Result<()> {
        let is_new = |table: &Table| self.progress.table(table.oid).is_none();
        if !joined_in_chunks(self.context) || !tables.iter().any(is_new) {
            return Ok(());
        }
        let sql = self.context.sql().await?;
        begin_joined(self.context, &sql, &mut self.progress, tables).await?;
        self.refresh_tables();
        self.resume_chunks();
        Ok(())
    }

    /// Begins to export a snapshot for tables that have rows to be read, unless one is on its way: then they come after it.
    pub(super) fn export_unread(&mut self) {
        if self.exporting.is_none() && self.held.is_none() {
            let tables = unread(self.context, &self.progress, &self.catalog);
            if !tables.is_empty() {
                let names: Vec<String> = tables.iter().map(Table::display_name).collect();
                tracing::info!(database = self.context.database, tables = names.join(", "), "rows of tables are to be read");
                let is_for_begun = tables.iter().any(|table| self.progress.table(table.oid).is_some());
                let tables = tables.iter().map(|table| table.oid).collect();
                let task = tokio::spawn(export(self.context.clone(), tables));
                self.exporting = Some(Exporting { task, is_for_begun });
            }
        }
        self.show_state();
    }

    /// Whether the stream waits for a snapshot on its way. A table of which something was sent is read when the stream reaches its snapshot: if
    /// the stream had passed that place, rows would come behind newer changes of theirs, and deleted ones would come back. What has come
    /// before the snapshot was asked for stands before it in the log, and needs not wait.
    pub(super) fn awaits_snapshot(&self) -> bool {
        self.exporting.as_ref().is_some_and(|exporting| exporting.is_for_begun) && !is_on(Sabotage::PassSnapshot)
    }

    /// A change came of a table of which nothing was read. Nothing of it is sent before its rows, so the stream waits for them.
    pub(super) async fn read_first(&mut self, oid: u32) -> Result<()> {
        if joined_in_chunks(self.context) {
            let sql = self.context.sql().await?;
            let tables = self.context.tables(&sql, &[oid]).await?;
            self.read_joined_in_chunks(&tables).await?;
        }
        if self.progress.table(oid).is_none() {
            // The snapshot may be waited for longer than a Kafka transaction may last, and what came before the table's rows is committed before them
            // anyway.
            self.commit().await?;
        }
        while self.progress.table(oid).is_none() {
            // What is on its way comes first: it may hold this table, and others that would be asked for next.
            let held = match &mut self.exporting {
                Some(exporting) => {
                    let held = exporting.ready().await?;
                    self.exporting = None;
                    held
                }
                None => {
                    let held = export(self.context.clone(), vec![oid]).await?;
                    if held.tables.is_empty() {
                        tracing::warn!(
                            database = self.context.database,
                            oid,
                            "a table that had just joined is gone: its changes are left out"
                        );
                        self.stream.tables.leave_out(oid);
                        return Ok(());
                    }
                    held
                }
            };
            self.take_over(held, Some(oid)).await?;
        }
        self.export_unread();
        Ok(())
    }

    /// Reads what can be read now under a snapshot, and holds it for the rest: tables of which rows were sent, or that took the name of a
    /// table whose last changes may be on their way still. Those came before when the stream has `reached` the table's first change.
    pub(super) async fn take_over(&mut self, mut held: HeldSnapshot, reached: Option<u32>) -> Result<()> {
        if !held.gone.is_empty() {
            // Or they would be asked for again, until the next look.
            self.catalog = self.catalog.iter().filter(|table| !held.gone.contains(&table.oid)).cloned().collect();
        }
        let waits = |table: &Table| {
            self.progress.table(table.oid).is_some()
                || (reached != Some(table.oid) && self.progress.has_predecessor(table.oid, &table.schema, &table.name))
        };
        let (begun, fresh): (Vec<Table>, Vec<Table>) =
            unread(self.context, &self.progress, &held.tables).into_iter().partition(waits);
        self.read_under(fresh, &held.snapshot).await?;
        if !begun.is_empty() {
            tracing::info!(
                database = self.context.database,
                lsn = %held.snapshot.lsn,
                tables = begun.len(),
                "streaming up to a new snapshot, for tables of which something was sent before"
            );
            held.tables = begun;
            self.held = Some(held);
        }
        self.show_state();
        Ok(())
    }

    /// Reads the tables for which a snapshot was held, now that the stream has reached it.
    pub(super) async fn read_held(&mut self, held: HeldSnapshot) -> Result<()> {
        // One of them may have been emptied since.
        let tables = unread(self.context, &self.progress, &held.tables);
        self.read_under(tables, &held.snapshot).await?;
        self.export_unread();
        Ok(())
    }

    /// Reads the rows of tables while the stream waits.
    async fn read_under(&mut self, tables: Vec<Table>, snapshot: &ExportedSnapshot) -> Result<()> {
        if tables.is_empty() {
            return Ok(());
        }
        self.context.board.set_state(TapState::Snapshot);
        self.commit_before_rows().await?;
        let sink = Arc::clone(&self.stream.sink);
        let reading = Reading { context: self.context, sink: &sink, reports: &self.reports, snapshot };
        reading.read(&mut self.progress, &mut self.types, tables).await?;
        self.rows_committed();
        self.refresh_tables();
        Ok(())
    }

    /// Notes that a table has no rows that would have to be read, since the transaction that commits there empties it. Before the truncate
    /// is sent: the changes that follow it would otherwise be sent, forgotten by a crash, and not taken back by the snapshot read then.
    pub(super) async fn record_emptied(&mut self, oid: u32, commit: Lsn) -> Result<()> {
        let (schema, table) = self.stream.tables.name(oid)?;
        tracing::info!(
            database = self.context.database,
            table = format!("{schema}.{table}"),
            "a table was emptied before its rows were read"
        );
        // One that was attached since this look will be read.
        let leaves = self.catalog.iter().find(|table| table.oid == oid).map_or(&[][..], |table| &table.leaves);
        let leaves = leaves.iter().map(|leaf| leaf.oid).collect();
        let paused = self.progress.table(oid).and_then(|record| record.paused);
        let answer = self.progress.table(oid).and_then(|record| match &record.chunks {
            Some(chunks) => {
                Some(ChunkAnswer { id: chunks.id.clone(), rows: chunks.rows, answered_at: unix_millis(), refused: None })
            }
            None => record.answer.clone(),
        });
        let record = TableRecord {
            schema,
            table,
            state: TableState::Done,
            since: commit,
            leaves,
            left: None,
            chunks: None,
            paused,
            answer,
            marked_anew: None,
        };
        self.settle_chunk_records().await?;
        self.drop_chunks(oid);
        // What was sent of it before counts as done from then on: a crash would not bring it again.
        self.see_through().await?;
        self.progress.set_tables(vec![(oid, record)]).await?;
        self.refresh_tables();
        Ok(())
    }

    /// Waits until everything that was sent is in Kafka.
    async fn see_through(&mut self) -> Result<()> {
        if self.stream.sink.is_transactional() {
            return self.commit().await;
        }
        self.stream.sink.flush().await?;
        while self.stream.in_flight() > 0 {
            tokio::select! {
                biased;
                error = self.delivery.failed() => return Err(error),
                () = self.reports.for_stream() => self.settle()?,
            }
        }
        Ok(())
    }

    pub(super) fn refresh_tables(&mut self) {
        self.stream.tables.refresh(self.context.options().snapshot, &self.progress);
        self.move_snapshot_horizon();
    }

    fn show_state(&mut self) {
        self.standing.note(self.progress.has_unread());
        self.move_snapshot_horizon();
        self.context.board.set_state(match self.held.is_some() || self.exporting.is_some() {
            true => TapState::Snapshot,
            false => TapState::Streaming,
        });
    }
}
