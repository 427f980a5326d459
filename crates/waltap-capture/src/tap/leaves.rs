//! Leaves of partitioned tables that come and go while their root is captured.
//!
//! The stream tells nothing of either. A leaf that is attached with rows in it brings rows that no change ever announced: they are read. One
//! that joins empty, as those do that are made for the days to come, has all of its rows in the stream.

use waltap_error::Result;
use waltap_postgres::catalog::Table;

use super::Context;
use crate::progress::Progress;

/// Notes the leaves of captured tables that have gone, and those that are there now and empty. What is left new is to be read.
pub(crate) async fn note_leaves(context: &Context, progress: &mut Progress, tables: &[Table]) -> Result<()> {
    let mut records = Vec::new();
    for table in tables.iter().filter(|table| table.partitioned) {
        let Some(record) = progress.table(table.oid).filter(|_| progress.is_done(table.oid)) else { continue };
        let mut record = record.clone();
        let before = record.leaves.len();
        record.leaves.retain(|oid| table.leaves.iter().any(|leaf| leaf.oid == *oid));
        let gone = before - record.leaves.len();
        if gone > 0 {
            tracing::info!(
                database = context.database,
                table = table.display_name(),
                partitions = gone,
                "partitions were detached or dropped: their rows stay in the topic"
            );
        }
        let new: Vec<_> = progress.new_leaves(table).cloned().collect();
        let mut added = false;
        if !new.is_empty() {
            let sql = context.sql().await?;
            let pages = sql.measure(&Table { leaves: new.clone(), ..table.clone() }).await?;
            let empty = new.iter().map(|leaf| leaf.oid).filter(|oid| pages.get(oid) == Some(&0));
            let known = record.leaves.len();
            record.leaves.extend(empty);
            added = record.leaves.len() > known;
        }
        if gone > 0 || added {
            records.push((table.oid, record));
        }
    }
    progress.set_tables(records).await
}
