//! The opening of a session: everything from the first connection to a stream that is about to start.

use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::Sql;
use waltap_postgres::catalog::Table;
use waltap_postgres::replication::{ReplicationConnection, SlotOptions};
use waltap_postgres::slot;

use super::Context;
use super::discovery::{Look, look};
use super::export::{HeldSnapshot, export, exported};
use super::slot_plan::{SlotPlan, plan};
use crate::options::SnapshotMode;
use crate::progress::{Progress, SlotRecord, TableState};
use crate::snapshot::ExportedSnapshot;

/// What a session starts from.
pub(crate) enum Opening {
    /// No table is wanted here, and there is no slot: nothing to do until one appears.
    Idle,
    Ready(Box<Ready>),
}

pub(crate) struct Ready {
    pub(crate) look: Look,
    pub(crate) progress: Progress,
    /// Holds the new slot's snapshot, when there is one, until it streams.
    pub(crate) replication: ReplicationConnection,
    /// Where the slot stands.
    pub(crate) start: Lsn,
    pub(crate) record: SlotRecord,
    pub(crate) rows: Rows,
}

/// The rows to be read before, or while, the stream starts.
pub(crate) enum Rows {
    None,
    /// Under the snapshot of the slot that was just made.
    OfNewSlot {
        tables: Vec<Table>,
        snapshot: ExportedSnapshot,
    },
    /// Under a snapshot of its own.
    Later(HeldSnapshot),
}

/// Opens. The order matters: publication before slot, progress before slot, slot before rows.
pub(crate) async fn open(context: &Context) -> Result<Opening> {
    let source = &context.options().source;
    let mut sql = source.sql(&context.database).await?;
    let look = look(context, &mut sql, &[]).await?;
    let mut progress = Progress::load(context.store()).await?;
    context.board.facts().tables = look.tables.len();
    if look.tables.is_empty() && progress.slot.is_none() {
        return Ok(Opening::Idle);
    }
    let mut replication = source.replication(&context.database).await?;
    let system_id = replication.identify_system().await?.system_id;
    let found = slot::inspect(&sql, &context.slot).await?;
    let mode = context.options().snapshot;
    let plan = match context.is_temporary() {
        true => SlotPlan::Create,
        false => plan(&context.slot, &system_id, progress.slot.as_ref(), found.as_ref(), mode)?,
    };
    let names: Vec<(&str, &str)> = look.tables.iter().map(|table| (table.schema.as_str(), table.name.as_str())).collect();
    context.forget_topics();
    context.topics(&names).await?;
    let (start, rows) = match plan {
        SlotPlan::Create => create(context, &mut replication, &mut progress, &system_id, &look).await?,
        SlotPlan::Resume(start) => (start, resume(context, &sql, &mut progress, &look, start).await?),
    };
    let acknowledged = progress.slot.as_ref().and_then(|record| record.acknowledged).unwrap_or(start).max(start);
    let record = SlotRecord { system_id, slot: context.slot.clone(), acknowledged: Some(acknowledged) };
    if progress.slot.as_ref() != Some(&record) {
        progress.set_slot(record.clone()).await?;
    }
    Ok(Opening::Ready(Box::new(Ready { look, progress, replication, start, record, rows })))
}

async fn create(
    context: &Context,
    replication: &mut ReplicationConnection,
    progress: &mut Progress,
    system_id: &str,
    look: &Look,
) -> Result<(Lsn, Rows)> {
    let slot = context.slot.clone();
    // First the intention, so that a crash right after the making leaves a slot that is known to be ours, and unread.
    progress.set_slot(SlotRecord { system_id: system_id.to_owned(), slot: slot.clone(), acknowledged: None }).await?;
    let initial = context.options().snapshot == SnapshotMode::Initial;
    let options = SlotOptions { temporary: context.is_temporary(), export_snapshot: initial };
    let created = replication.create_slot(&slot, options).await?;
    let start = created.consistent_point;
    tracing::info!(database = context.database, slot, lsn = %start, "made the slot");
    if !initial || look.tables.is_empty() {
        return Ok((start, Rows::None));
    }
    Ok((start, Rows::OfNewSlot { tables: look.tables.to_vec(), snapshot: exported(created)? }))
}

async fn resume(context: &Context, sql: &Sql, progress: &mut Progress, look: &Look, start: Lsn) -> Result<Rows> {
    let server = slot::inspect(sql, &context.slot).await?.map_or(start, |state| state.server_lsn);
    progress.keep(|oid| look.tables.iter().any(|table| table.oid == oid), server, start).await?;
    tracing::info!(database = context.database, slot = context.slot, lsn = %start, "going on with the slot");
    let tables = unread(context, progress, &look.tables);
    if tables.is_empty() {
        return Ok(Rows::None);
    }
    let tables = tables.iter().map(|table| table.oid).collect();
    Ok(Rows::Later(export(context.clone(), tables).await?))
}

/// The tables of which rows have still to be read.
pub(crate) fn unread(context: &Context, progress: &Progress, tables: &[Table]) -> Vec<Table> {
    if context.options().snapshot != SnapshotMode::Initial {
        return Vec::new();
    }
    let is_read = |table: &&Table| {
        progress.table(table.oid).is_some_and(|record| record.state == TableState::Done && record.left.is_none())
    };
    tables.iter().filter(|table| !is_read(table)).cloned().collect()
}

/// Reads all tables once, for `--snapshot only`: a temporary slot for a snapshot that is the same for all of them, and no stream.
pub(crate) async fn open_once(context: &Context) -> Result<(Progress, HeldSnapshot)> {
    let sql = context.options().source.sql(&context.database).await?;
    let all = waltap_postgres::catalog::tables(&sql).await?;
    let tables: Vec<Table> = all.into_iter().filter(|table| context.wants(table)).collect();
    context.board.facts().tables = tables.len();
    // Nothing is remembered: a run that was cut off is begun again, as a whole.
    let progress = Progress::load(crate::progress::Store::new(None, &context.options().name, &context.database)).await?;
    let held = export(context.clone(), tables.iter().map(|table| table.oid).collect()).await?;
    Ok((progress, held))
}

/// The server ended the stream without an error.
pub(crate) fn ended_by_server() -> Error {
    Error::transient(Code::CONNECTION_LOST, "the server ended the stream: it is shutting down, or its timeline has changed")
}
