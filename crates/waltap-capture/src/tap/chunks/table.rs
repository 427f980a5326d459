//! A table that is about to be read in chunks: its key, and what its rows become.

use std::sync::Arc;

use waltap_error::Result;
use waltap_event::TableShape;
use waltap_postgres::catalog::{ReplicaIdentity, Table};
use waltap_postgres::copy::KeyColumn;

use crate::sink::Topic;
use crate::snapshot::Planner;
use crate::source::Sql;
use crate::tap::{Context, Route, TableVersion, TypeCache, prepare};

/// A table as it was when it was last looked at.
pub(crate) struct ChunkTable {
    pub(crate) table: Table,
    pub(crate) key: Arc<[KeyColumn]>,
    /// The names of its columns, and of its key's.
    pub(crate) columns: Arc<[String]>,
    pub(crate) key_columns: Arc<[String]>,
    pub(crate) shape: Arc<TableShape>,
    pub(crate) prepared: waltap_event::Table,
    pub(crate) topic: Topic,
    pub(crate) version: Option<(Arc<Topic>, Arc<TableVersion>)>,
    /// Changes with the table.
    pub(crate) mark: String,
}

/// What came of looking at a table.
pub(crate) enum Looked {
    Table(Arc<ChunkTable>),
    /// It is not there any more, or not captured.
    Gone,
    /// It cannot be read in chunks, for this reason.
    Unfit(&'static str),
}

impl ChunkTable {
    /// Looks at a table.
    pub(crate) async fn look(context: &Context, sql: Sql, oid: u32) -> Result<(Sql, Looked)> {
        let Some(mark) = sql.table_mark(oid).await? else { return Ok((sql, Looked::Gone)) };
        let Some(table) = context.tables(&sql, &[oid]).await?.pop() else { return Ok((sql, Looked::Gone)) };
        let key = match fitting_key(context, &sql, &table).await? {
            Ok(key) => key,
            Err(reason) => return Ok((sql, Looked::Unfit(reason))),
        };
        let mut types = TypeCache::default();
        let mut planner = Planner::with(context, &mut types, sql);
        let planned = planner.plan(vec![table]).await?.pop();
        let sql = planner.end();
        let Some(target) = planned.map(crate::snapshot::PlannedTable::into_target) else { return Ok((sql, Looked::Gone)) };
        let Route::Topic(topic) = &*target.route else { return Ok((sql, Looked::Unfit(OUTBOX))) };
        let looked = ChunkTable {
            key,
            columns: target.table.published_columns().map(|column| column.name.clone()).collect(),
            key_columns: [].into(),
            prepared: prepare(context, &target.shape)?,
            shape: target.shape,
            topic: topic.clone(),
            version: target.version,
            table: target.table,
            mark,
        };
        let key_columns = looked.key.iter().map(|column| column.name.clone()).collect();
        Ok((sql, Looked::Table(Arc::new(ChunkTable { key_columns, ..looked }))))
    }

    /// The versions of the collations that order its key.
    pub(crate) fn collations(&self) -> Vec<Option<String>> {
        self.key.iter().map(|column| column.collation_version.clone()).collect()
    }
}

/// Rows of an outbox have an order that their key does not tell.
const OUTBOX: &str = "its rows are messages, whose order is not that of a key";

/// The key by which a table can be read in chunks, or why it has none.
pub(crate) async fn fitting_key(
    context: &Context,
    sql: &Sql,
    table: &Table,
) -> Result<std::result::Result<Arc<[KeyColumn]>, &'static str>> {
    if context.options().outbox(&table.schema, &table.name).is_some() {
        return Ok(Err(OUTBOX));
    }
    // Otherwise an update does not tell which row it was.
    if !table.has_usable_identity() || table.replica_identity == ReplicaIdentity::Nothing {
        return Ok(Err("its updates and deletes are not published, for want of a replica identity"));
    }
    Ok(sql.chunk_key(table).await?.ok_or("it has no key that its changes tell"))
}
