//! What is asked of the tap while it works: tables to be read again, and not to be any more.

use std::sync::Arc;

use tokio::sync::watch;
use waltap_error::{Kind, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::{Table, quoted_name};

use super::super::chunks::{begun, is_lock_timeout};
use super::Session;
use crate::clock::unix_millis;
use crate::options::SnapshotMode;
use crate::progress::{ChunkAnswer, TableRecord, TableState};
use crate::requests::{Ask, Requested, answered};

/// Why nothing is read in chunks from a standby.
const ON_STANDBY: &str = "the source is a standby, which cannot write the marks in the log between which rows are read: ask again once it is a \
                          primary, or read the table anew with another capture";

/// Waits until something else is asked; for ever once nobody can. Cancel safe.
pub(super) async fn asked(requested: &mut watch::Receiver<Arc<Requested>>) {
    if requested.changed().await.is_err() {
        std::future::pending().await
    }
}

impl Session<'_> {
    /// Makes what is asked its own, so that it is done through any crash, and deletes the asks. What was taken before is known by its id.
    pub(super) async fn take_asks(&mut self) -> Result<()> {
        let requested = Arc::clone(&self.requested.borrow_and_update());
        if requested.asks.is_empty() || self.context.is_temporary() {
            return Ok(());
        }
        let context = self.context;
        let mut ids = Vec::new();
        // The deletion of others is on its way.
        for (id, ask) in requested.asks.iter().filter(|(id, _)| !context.answered.has(id)) {
            // Nothing else of these tables may be on its way.
            self.settle_chunk_records().await?;
            match ask {
                Ask::Snapshot { tables, condition, .. } => self.take_snapshot_ask(id, tables, condition.as_deref()).await?,
                Ask::Cancel { tables, .. } => self.cancel(tables).await?,
                Ask::Pause { tables, .. } => self.pause_tables(id, tables).await?,
                Ask::Resume { tables, .. } => self.resume_tables(id, tables).await?,
            }
            ids.push(id.clone());
        }
        answered(self.progress.store(), &ids).await?;
        context.answered.note(ids);
        Ok(())
    }

    async fn take_snapshot_ask(&mut self, id: &str, names: &[String], condition: Option<&str>) -> Result<()> {
        let mut records = Vec::new();
        for name in names {
            let Some(table) = self.catalog.iter().find(|table| table.quoted() == *name).cloned() else {
                tracing::warn!(
                    database = self.context.database,
                    table = name,
                    request = id,
                    "a table is to be read that is not captured"
                );
                continue;
            };
            if let Some(record) = self.asked_record(id, &table, condition).await? {
                if record.chunks.is_some() {
                    // What was asked before gives way.
                    self.drop_chunks(table.oid);
                }
                records.push((table.oid, record));
            }
        }
        self.progress.set_tables(records).await?;
        self.refresh_tables();
        self.resume_chunks();
        Ok(())
    }

    /// What progress is to say of a table that is to be read; `None` when it does already.
    async fn asked_record(&self, id: &str, table: &Table, condition: Option<&str>) -> Result<Option<TableRecord>> {
        let Some(before) = self.record_of(table) else { return Ok(None) };
        let is_known = before.chunks.as_ref().is_some_and(|chunks| chunks.id == id)
            || before.answer.as_ref().is_some_and(|answer| answer.id == id);
        if is_known {
            return Ok(None);
        }
        let refused = |reason: String| {
            tracing::warn!(
                database = self.context.database,
                table = table.display_name(),
                request = id,
                reason,
                "a request is refused"
            );
            let answer = ChunkAnswer { id: id.to_owned(), rows: 0, answered_at: unix_millis(), refused: Some(reason) };
            Ok(Some(TableRecord { answer: Some(answer), ..before.clone() }))
        };
        if self.context.recovery.is_standby() {
            return refused(ON_STANDBY.to_owned());
        }
        if let Some(paused) = before.paused {
            return refused(match paused.resumed {
                true => "it was paused, and has not caught up".to_owned(),
                false => "it is paused: waltap resume --table first".to_owned(),
            });
        }
        if before.state != TableState::Done {
            return refused("its rows are being read already, for the first time".to_owned());
        }
        if let Some(condition) = condition {
            let sql = self.context.sql().await?;
            // The stream waits meanwhile.
            sql.bound_lock_waits().await?;
            if let Err(error) = sql.check_condition(table, condition).await {
                return match error.kind() {
                    _ if is_lock_timeout(&error) => {
                        refused("the table is locked, so that its condition cannot be checked".to_owned())
                    }
                    Kind::Transient => Err(error),
                    _ => refused(error.report()),
                };
            }
        }
        // Keys that are still to be read again are so whatever is asked.
        let again = before.chunks.as_ref().map(|chunks| chunks.again.clone()).unwrap_or_default();
        let chunks = crate::progress::ChunkRecord { again, ..begun(id, condition) };
        Ok(Some(TableRecord { chunks: Some(chunks), ..before }))
    }

    /// What progress says of a captured table; `None` when its rows are to be read before anything else of it.
    pub(super) fn record_of(&self, table: &Table) -> Option<TableRecord> {
        match self.progress.table(table.oid).filter(|record| record.left.is_none()) {
            Some(record) => Some(record.clone()),
            // Nothing was to be read of it so far.
            None if self.context.options().snapshot == SnapshotMode::Never => Some(TableRecord {
                state: TableState::Done,
                leaves: table.leaves.iter().map(|leaf| leaf.oid).collect(),
                // One that left while it was paused may not have caught up.
                ..TableRecord::reading(table, Lsn::ZERO, self.progress.table(table.oid))
            }),
            None => None,
        }
    }

    /// Leaves off reading tables.
    async fn cancel(&mut self, names: &[String]) -> Result<()> {
        let mut records = Vec::new();
        for (oid, record) in self.progress.in_chunks() {
            let (true, Some(chunks)) = (names.contains(&quoted_name(&record.schema, &record.table)), &record.chunks) else {
                continue;
            };
            tracing::warn!(
                database = self.context.database,
                table = record.display_name(),
                rows = chunks.rows,
                "the reading of this table is cancelled: rows that were not sent are not"
            );
            let answer = ChunkAnswer {
                id: chunks.id.clone(),
                rows: chunks.rows,
                answered_at: unix_millis(),
                refused: Some("it was cancelled".to_owned()),
            };
            records.push((oid, TableRecord { state: TableState::Done, chunks: None, answer: Some(answer), ..record.clone() }));
        }
        for (oid, _) in &records {
            self.drop_chunks(*oid);
        }
        self.progress.set_tables(records).await?;
        self.refresh_tables();
        Ok(())
    }
}
