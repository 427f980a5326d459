//! What a publication of the user's publishes of tables: some of their columns and rows, from PostgreSQL 15 on.

use std::collections::HashMap;

use tokio_postgres::{Client, Row};
use waltap_error::Result;

use super::inspect::missing;
use super::membership::membership;
use crate::catalog::Table;
use crate::connect::Sql;
use crate::refusal::refused;

/// The first version with column lists and row filters.
const FILTERS_VERSION: u32 = 150_000;

/// The first version that publishes generated columns: all stored ones, or those of a column list.
const GENERATED_VERSION: u32 = 180_000;

/// Of the tables, those that the publication publishes, with the columns and the rows that it publishes of them, so that a snapshot holds
/// no more than the stream.
pub async fn published(sql: &Sql, name: &str, mut tables: Vec<Table>) -> Result<Vec<Table>> {
    let Some(publication) = membership(sql, name).await? else { return Err(missing(sql, name).await?) };
    tables.retain(|table| publication.covers(table.oid));
    if sql.version().number() < FILTERS_VERSION {
        return Ok(tables);
    }
    let mut parts = parts(sql, name).await?;
    for table in &mut tables {
        if let Some(Part { columns, row_filter }) = parts.remove(&table.oid) {
            table.columns.retain(|column| columns.contains(&column.name));
            // Before, a column list could name a generated column in vain.
            if sql.version().number() >= GENERATED_VERSION {
                table.publish_generated();
            }
            table.row_filter = row_filter;
        }
    }
    Ok(tables)
}

/// What a publication publishes of a table.
pub(super) struct Part {
    /// The names of the columns.
    pub(super) columns: Vec<String>,
    /// Which rows, as an SQL condition; `None` for all.
    row_filter: Option<String>,
}

/// What a publication publishes of each table, by OID. For versions with column lists and row filters.
pub(super) async fn parts(client: &Client, name: &str) -> Result<HashMap<u32, Part>> {
    let doing = || format!("asking which columns and rows the publication {name} publishes");
    let rows = client.query(PUBLISHED, &[&name]).await.map_err(|error| refused(doing(), error))?;
    let read = |row: &Row| {
        let part = Part { columns: row.try_get("columns")?, row_filter: row.try_get("rowfilter")? };
        Ok((row.try_get("oid")?, part))
    };
    rows.iter().map(read).collect::<Result<_, tokio_postgres::Error>>().map_err(|error| refused(doing(), error))
}

const PUBLISHED: &str = "
SELECT c.oid, p.attnames::text[] AS columns, p.rowfilter
FROM pg_publication_tables p
JOIN pg_namespace n ON n.nspname = p.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
WHERE p.pubname = $1";
