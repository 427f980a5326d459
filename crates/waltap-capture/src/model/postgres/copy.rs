//! The simulated side of [`crate::source::SnapshotSession`].

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::Table;
use waltap_postgres::copy::{Chunk, CopyError};

use super::super::world::State;
use super::Sql;
use super::connection::Connection;

pub(crate) struct SnapshotSession {
    sql: Sql,
    lsn: Lsn,
}

impl SnapshotSession {
    pub(super) fn new(sql: Sql, lsn: Lsn) -> Self {
        SnapshotSession { sql, lsn }
    }

    pub(crate) async fn copy(&self, table: &Table, chunk: &Chunk) -> Result<SnapshotRows, CopyError> {
        let read = |state: &mut State, id: u64| {
            if state.postgres.wal.has_changed_since(table.oid, self.lsn) {
                return None;
            }
            if let Some(session) = state.postgres.sessions.get_mut(&id) {
                session.locks.push(table.oid);
            }
            let rows = state.postgres.wal.rows_as_of(table.oid, self.lsn);
            let pages = chunk.pages;
            let on_page = |row: &i64| {
                let page = super::wal::page_of(*row);
                pages.is_none_or(|pages| page >= pages.from && pages.to.is_none_or(|to| page < to))
            };
            let lines = rows.iter().filter(|(row, _)| on_page(row)).map(|(row, value)| format!("{row}\t{value}\n").into_bytes());
            let lines: VecDeque<Vec<u8>> = lines.collect();
            state.note(|| format!("connection {id} copies {} rows of {} as of {}", lines.len(), table.name, self.lsn));
            Some(lines)
        };
        match self.sql.connection.ask("beginning a copy", read).await.map_err(CopyError::Failed)? {
            Some(lines) => Ok(SnapshotRows { connection: Arc::clone(&self.sql.connection), lines }),
            None => Err(CopyError::Changed(Error::transient(Code::SNAPSHOT, "the simulated table was altered"))),
        }
    }

    pub(crate) async fn end(self) -> Result<Sql> {
        let end = |state: &mut State, id: u64| {
            if let Some(session) = state.postgres.sessions.get_mut(&id) {
                session.reads = None;
                session.locks.clear();
            }
        };
        self.sql.connection.ask("ending the transaction of the snapshot", end).await?;
        Ok(self.sql)
    }
}

pub(crate) struct SnapshotRows {
    connection: Arc<Connection>,
    lines: VecDeque<Vec<u8>>,
}

impl SnapshotRows {
    pub(crate) async fn read_batch(&mut self, batch: &mut Vec<Bytes>) -> Result<bool, CopyError> {
        let count = self.connection.ask("copying", |state, _| state.random.between(1, 6)).await;
        let count = count.map_err(CopyError::Failed)? as usize;
        let lines = self.lines.drain(..count.min(self.lines.len())).map(Bytes::from);
        let before = batch.len();
        batch.extend(lines);
        Ok(batch.len() > before)
    }
}
