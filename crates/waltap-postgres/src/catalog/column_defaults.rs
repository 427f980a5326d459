//! Defaults of columns.

use std::collections::HashMap;

use tokio_postgres::Client;
use waltap_error::Result;

use super::stored_text::StoredText;
use crate::refusal::refused;

/// The defaults of a table's columns: by name, the expression as the server prints it. Names in it have their schema where the search path
/// does not lead to them.
pub type ColumnDefaults = HashMap<String, String>;

/// The defaults of these tables, by OID. Tables without any are not in it, nor are generated columns, nor
/// defaults that are not UTF-8.
pub async fn column_defaults(client: &Client, tables: &[u32]) -> Result<HashMap<u32, ColumnDefaults>> {
    let rows = client.query(DEFAULTS, &[&tables]).await.map_err(|error| refused("reading the defaults of columns", error))?;
    let mut defaults: HashMap<u32, ColumnDefaults> = HashMap::new();
    for row in rows {
        let read = || Ok((row.try_get("adrelid")?, row.try_get("attname")?, row.try_get("expression")?));
        let (table, column, expression): (u32, String, Option<StoredText>) =
            read().map_err(|error: tokio_postgres::Error| refused("reading the defaults of columns", error))?;
        if let Some(expression) = expression.and_then(StoredText::utf8) {
            defaults.entry(table).or_default().insert(column, expression);
        }
    }
    Ok(defaults)
}

// A default speaks of no other column, so it can be printed without its table: with it, newer versions lock the table, and wait for
// whoever alters it.
const DEFAULTS: &str = "SELECT d.adrelid, a.attname::text, pg_get_expr(d.adbin, 0) AS expression
     FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
     WHERE d.adrelid = ANY($1) AND a.attgenerated = '' AND NOT a.attisdropped";
