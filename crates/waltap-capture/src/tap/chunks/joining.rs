//! Tables that join while the capture runs, and are to be read in chunks.

use waltap_error::Result;
use waltap_postgres::catalog::Table;

use super::{begun, fitting_key};
use crate::options::{NewTables, SnapshotMode};
use crate::progress::{Progress, TableRecord};
use crate::source::Sql;
use crate::tap::Context;

/// What stands in the place of a request's id.
const JOINED: &str = "joined";

/// Has the tables of which nothing was read be read in chunks, where that was asked for and they have a key. Their changes are sent from now on.
pub(crate) async fn begin_joined(context: &Context, sql: &Sql, progress: &mut Progress, tables: &[Table]) -> Result<()> {
    let mut records = Vec::new();
    for table in tables.iter().filter(|table| progress.table(table.oid).is_none()) {
        if let Err(reason) = fitting_key(context, sql, table).await? {
            tracing::info!(
                database = context.database,
                table = table.display_name(),
                reason,
                "the rows of this table are read under an exported snapshot"
            );
            continue;
        }
        records.push((table.oid, TableRecord::in_chunks(table, begun(JOINED, None))));
    }
    progress.set_tables(records).await
}

/// Whether that was asked for, and can be.
pub(crate) fn joined_in_chunks(context: &Context) -> bool {
    let options = context.options();
    // A standby cannot write the marks around a chunk.
    let can_mark = !context.recovery.is_standby();
    options.chunks.new_tables == NewTables::Chunks && options.snapshot == SnapshotMode::Initial && can_mark
}
