//! A snapshot for tables that join later: exported by a temporary slot, whose consistent point says where in the log it stands.

use std::sync::atomic::{AtomicU64, Ordering};

use waltap_error::{Code, Error, Result};
use waltap_postgres::catalog::{Table, tables_by_oid};
use waltap_postgres::replication::{CreatedSlot, ReplicationConnection, SlotOptions};

use super::Context;
use crate::snapshot::ExportedSnapshot;

/// Tables to be read, and the snapshot to read them under. It is open as long as this is held.
pub(crate) struct HeldSnapshot {
    pub(crate) tables: Vec<Table>,
    pub(crate) snapshot: ExportedSnapshot,
    /// The session of the temporary slot. Its next command, or its end, would close the snapshot.
    _holder: ReplicationConnection,
}

/// Makes one. The server waits for all transactions that are writing now, so this may take as long as the longest of them.
/// Tables that are gone by then, or not wanted, are left out.
pub(crate) async fn export(context: Context, tables: Vec<u32>) -> Result<HeldSnapshot> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("waltap_snapshot_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut holder = context.options().source.replication(&context.database).await?;
    let created = holder.create_slot(&name, SlotOptions { temporary: true, export_snapshot: true }).await?;
    let sql = context.options().source.sql(&context.database).await?;
    let mut tables = tables_by_oid(&sql, &tables).await?;
    tables.retain(|table| context.wants(table));
    Ok(HeldSnapshot { tables, snapshot: exported(created)?, _holder: holder })
}

/// The snapshot of a slot that was just made with one.
pub(crate) fn exported(created: CreatedSlot) -> Result<ExportedSnapshot> {
    let lsn = created.consistent_point;
    match created.snapshot_name {
        Some(name) => Ok(ExportedSnapshot { name, lsn }),
        None => Err(Error::transient(
            Code::SNAPSHOT,
            format!("the server made the slot {} without the snapshot asked for", created.name),
        )),
    }
}
