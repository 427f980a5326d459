//! The simulated side of [`crate::source::KeyReader`], and which commits are visible.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::{Table, VisibleTransactions};
use waltap_postgres::copy::{ChunkRow, CopyError, KeyChunk, KeyColumn, KeyOperators, KeyPart, KeyRange};

use super::super::world::State;
use super::connection::Connection;

/// Reads by key. The one connection stands for both of the real one.
pub(crate) struct KeyReader {
    connection: Connection,
}

/// The key of every simulated table.
pub(super) fn key() -> Arc<[KeyColumn]> {
    let operator = |name: &str| format!("OPERATOR(pg_catalog.{name})");
    let operators = KeyOperators {
        less: operator("<"),
        less_or_equal: operator("<="),
        equal: operator("="),
        greater_or_equal: operator(">="),
        greater: operator(">"),
    };
    [KeyColumn {
        name: "id".to_owned(),
        type_name: "int8".to_owned(),
        collation: None,
        collation_version: None,
        descending: false,
        nulls_first: false,
        operators,
    }]
    .into()
}

impl KeyReader {
    pub(super) fn new(connection: Connection) -> Self {
        KeyReader { connection }
    }

    pub(crate) async fn read(&mut self, table: &Table, range: &KeyRange) -> Result<KeyChunk, CopyError> {
        let result = self.read_locked(table, range).await;
        let unlock = |state: &mut State, id: u64| {
            if let Some(session) = state.postgres.sessions.get_mut(&id) {
                session.locks.clear();
            }
        };
        self.connection.ask("ending a read by key", unlock).await.map_err(CopyError::Failed)?;
        result
    }

    async fn read_locked(&mut self, table: &Table, range: &KeyRange) -> Result<KeyChunk, CopyError> {
        let oid = table.oid;
        let lock = |state: &mut State, id: u64| {
            if let Some(session) = state.postgres.sessions.get_mut(&id) {
                session.locks.push(oid);
            }
            state.mark()
        };
        let low = self.connection.ask("marking the log", lock).await.map_err(CopyError::Failed)?;
        self.connection.world.postgres_moved();
        let visible = self.connection.ask("taking a snapshot", |state, _| state.visible()).await.map_err(CopyError::Failed)?;
        // What commits between the snapshot and the reading is not seen.
        let (rows, last_key, at_end) = {
            let read = |state: &mut State, id: u64| {
                let rows = state.postgres.wal.rows_seen(oid, &visible);
                state.note(|| format!("connection {id} reads {:?} of {}, which sees {visible:?}", range.part, table.name));
                chosen(rows, range)
            };
            self.connection.ask("reading by key", read).await.map_err(CopyError::Failed)?
        };
        let high = self.connection.ask("marking the log", |state, _| state.mark()).await.map_err(CopyError::Failed)?;
        self.connection.world.postgres_moved();
        Ok(KeyChunk { low, high, visible, rows, last_key, at_end })
    }

    pub(crate) async fn greatest_key(&mut self, table: &Table) -> Result<Option<Vec<String>>, CopyError> {
        let greatest = |state: &mut State, _| {
            let visible = state.visible();
            state.postgres.wal.rows_seen(table.oid, &visible).last().map(|(row, _)| vec![row.to_string()])
        };
        self.connection.ask("asking for the last key", greatest).await.map_err(CopyError::Failed)
    }
}

/// The rows of a range, its last key, and whether nothing is left of it.
fn chosen(rows: Vec<(i64, String)>, range: &KeyRange) -> (Vec<ChunkRow>, Option<Vec<String>>, bool) {
    let number = |key: &Option<Vec<String>>| key.as_ref().and_then(|key| key.first()?.parse::<i64>().ok());
    let row = |(row, value): (i64, String)| ChunkRow { line: format!("{row}\t{value}").into(), key: vec![row.to_string()] };
    match &range.part {
        KeyPart::Keys(keys) => {
            let rows = rows.into_iter().filter(|(row, _)| keys.contains(&vec![row.to_string()]));
            (rows.map(row).collect(), None, true)
        }
        KeyPart::Range { after, end } => {
            let (after, end) = (number(after), number(end));
            let wanted =
                rows.into_iter().filter(|(row, _)| after.is_none_or(|after| *row > after) && end.is_none_or(|end| *row <= end));
            let rows: Vec<ChunkRow> = wanted.take(range.rows as usize).map(row).collect();
            let at_end = (rows.len() as u64) < range.rows;
            let last_key = rows.last().map(|row| row.key.clone());
            (rows, last_key, at_end)
        }
    }
}

impl State {
    /// Writes a mark into the log.
    fn mark(&mut self) -> Lsn {
        self.postgres.wal.advance(56);
        self.postgres.wal.end()
    }

    /// What a snapshot of now sees.
    pub(super) fn visible(&mut self) -> VisibleTransactions {
        let now = self.now();
        self.postgres.late.retain(|(_, until)| *until > now);
        let mut running: BTreeSet<u64> = self.postgres.wal.open_transactions().into_iter().map(u64::from).collect();
        running.extend(self.postgres.late.iter().map(|(xid, _)| u64::from(*xid)));
        // Behind the last one that has ended.
        let next = u64::from(self.postgres.wal.next_xid());
        let xmax = (0..next).rev().find(|xid| !running.contains(xid)).map_or(0, |xid| xid + 1);
        let in_progress: Vec<u64> = running.iter().copied().filter(|xid| *xid < xmax).collect();
        VisibleTransactions { xmin: running.first().copied().unwrap_or(xmax).min(xmax), xmax, in_progress }
    }

    /// Whether a commit takes a while from the log to where others see it.
    pub(in crate::model) fn delay(&mut self, xid: u32) {
        let (percent, longest) = (self.profile.late_percent, self.profile.late_millis);
        if self.random.percent(percent) {
            let millis = self.random.between(1, longest);
            let until = self.now() + Duration::from_millis(millis);
            self.postgres.late.push((xid, until));
            self.note(|| format!("transaction {xid} is logged, and not visible for {millis} ms"));
        }
    }

    /// Transactions that are logged, and keep what they have locked.
    pub(in crate::model) fn late(&mut self) -> Vec<u32> {
        let now = self.now();
        self.postgres.late.retain(|(_, until)| *until > now);
        self.postgres.late.iter().map(|(xid, _)| *xid).collect()
    }
}

impl super::Sql {
    pub(crate) async fn chunk_key(&self) -> Result<Option<Arc<[KeyColumn]>>> {
        self.connection.ask("asking for a key", |_, _| Some(key())).await
    }

    pub(crate) async fn table_mark(&self, table: u32) -> Result<Option<String>> {
        let mark = |state: &mut State, _| state.postgres.wal.table(table).map(|table| table.name.clone());
        self.connection.ask("asking whether a table has changed", mark).await
    }

    pub(crate) async fn take_transaction_id(&self) -> Result<u64> {
        let take = |state: &mut State, _| {
            let xid = state.postgres.wal.begin();
            state.postgres.wal.abort(xid);
            u64::from(xid)
        };
        self.connection.ask("taking a transaction's id", take).await
    }

    /// They may: how long is up to the seed.
    pub(crate) async fn commits_wait_for_standbys(&self) -> Result<bool> {
        self.connection.ask("asking for standbys", |_, _| true).await
    }

    pub(crate) async fn check_condition(&self) -> Result<()> {
        Err(Error::configuration(Code::INTERNAL, "no seed has a condition"))
    }
}
