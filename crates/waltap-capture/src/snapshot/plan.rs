//! From tables to the pieces that workers read.

use std::collections::HashMap;
use std::sync::Arc;

use waltap_error::Result;
use waltap_event::TableShape;
use waltap_postgres::catalog::Table;
use waltap_postgres::copy::{Chunk, plan_chunks};

use super::worker::Job;
use crate::sink::{TableCount, Topic};
use crate::source::Sql;
use crate::tap::{Context, Route, TableVersion, TypeCache, routes, snapshot_shape};

/// How much of a table one worker reads at a time, in pages of 8 KiB: 256 MiB. Large enough that a COPY's start does not count, small
/// enough that several workers share a large table.
const CHUNK_PAGES_MAX: u32 = 32 * 1024;

/// A table, ready to be read.
#[derive(Debug)]
pub(crate) struct PlannedTable {
    pub(crate) table: Table,
    pub(crate) chunks: Vec<Chunk>,
    shape: Arc<TableShape>,
    route: Arc<Route>,
    version: Option<(Arc<Topic>, Arc<TableVersion>)>,
}

/// What the rows of a table become, and where they go.
pub(crate) struct RowTarget {
    pub(crate) table: Table,
    pub(crate) shape: Arc<TableShape>,
    pub(crate) route: Arc<Route>,
    /// What is to be told of the table before its rows, and where.
    pub(crate) version: Option<(Arc<Topic>, Arc<TableVersion>)>,
}

impl PlannedTable {
    /// Of a table whose rows are read in another way than by these pieces.
    pub(crate) fn into_target(self) -> RowTarget {
        RowTarget { table: self.table, shape: self.shape, route: self.route, version: self.version }
    }

    /// The pieces, as jobs for workers.
    pub(crate) fn jobs(&self, (number, count): (u32, Arc<TableCount>)) -> impl Iterator<Item = Job> {
        let table = Arc::new(self.table.clone());
        // The first piece tells what the table looks like.
        let mut version = self.version.clone();
        self.chunks.iter().map(move |chunk| Job {
            table: Arc::clone(&table),
            chunk: chunk.clone(),
            shape: Arc::clone(&self.shape),
            route: Arc::clone(&self.route),
            version: version.take(),
            number,
            count: Arc::clone(&count),
        })
    }
}

/// Measures tables and cuts them into pieces.
pub(crate) struct Planner<'a> {
    context: &'a Context,
    types: &'a mut TypeCache,
    sql: Sql,
}

impl<'a> Planner<'a> {
    pub(crate) async fn new(context: &'a Context, types: &'a mut TypeCache) -> Result<Self> {
        Ok(Self::with(context, types, context.sql().await?))
    }

    /// With a session that [`Planner::end`] gives back.
    pub(crate) fn with(context: &'a Context, types: &'a mut TypeCache, sql: Sql) -> Self {
        Planner { context, types, sql }
    }

    pub(crate) fn end(self) -> Sql {
        self.sql
    }

    pub(crate) async fn plan(&mut self, tables: Vec<Table>) -> Result<Vec<PlannedTable>> {
        let defaults = match self.context.options().format.reads_defaults() {
            true => self.sql.column_defaults(&tables.iter().map(|table| table.oid).collect::<Vec<_>>()).await?,
            false => HashMap::new(),
        };
        let schema_topic = self.context.schema_topic().await?.map(Arc::new);
        let mut shapes = Vec::with_capacity(tables.len());
        for table in &tables {
            let oids: Vec<u32> = table.published_columns().map(|column| column.type_oid).collect();
            self.types.learn(&self.sql, &oids).await?;
            shapes.push(Arc::new(snapshot_shape(self.context, table, defaults.get(&table.oid), self.types)?));
        }
        for (table, shape) in tables.iter().zip(&shapes) {
            self.context.covered.check(table.oid, shape)?;
        }
        let routes = routes(self.context, &shapes.iter().map(|shape| &**shape).collect::<Vec<_>>()).await?;
        let mut planned = Vec::with_capacity(tables.len());
        for ((table, shape), route) in tables.into_iter().zip(shapes).zip(routes) {
            let mut pages: HashMap<u32, u64> = self.sql.measure(&table).await?;
            self.sql.keep_plannable(&table, &mut pages, CHUNK_PAGES_MAX).await;
            if matches!(route, Route::Outbox(_)) {
                // Messages have an order, which pieces side by side would lose.
                pages.clear();
            }
            let mut chunks = plan_chunks(&table, &pages, self.sql.version_number(), CHUNK_PAGES_MAX);
            chunks.iter_mut().for_each(|chunk| chunk.oldest_first = matches!(route, Route::Outbox(_)));
            let version = match &schema_topic {
                Some(topic) => {
                    let types: Vec<(u32, i32)> =
                        table.published_columns().map(|column| (column.type_oid, column.type_modifier)).collect();
                    let version = TableVersion::of(&self.sql, table.oid, &shape, &types).await?;
                    Some((Arc::clone(topic), Arc::new(version)))
                }
                None => None,
            };
            planned.push(PlannedTable { table, chunks, shape, route: Arc::new(route), version });
        }
        Ok(planned)
    }
}
