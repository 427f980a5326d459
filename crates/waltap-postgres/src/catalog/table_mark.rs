//! Whether a table is still what it was.

use tokio_postgres::Client;
use waltap_error::Result;

use crate::refusal::refused;

/// What changes with every change of a table's columns, indexes, identity, name or partitions: the transactions that wrote its rows of the catalog.
/// ANALYZE and VACUUM write these rows in place. `None` when the table is gone.
pub async fn table_mark(client: &Client, table: u32) -> Result<Option<String>> {
    let query = "
SELECT concat_ws(' ', c.xmin, c.relnamespace, n.nspname, c.relreplident,
       (SELECT string_agg(concat_ws(':', a.attnum, a.xmin), ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid),
       (SELECT string_agg(concat_ws(':', x.indexrelid, x.xmin), ',' ORDER BY x.indexrelid) FROM pg_index x WHERE x.indrelid = c.oid),
       (SELECT string_agg(t.relid::oid::text, ',' ORDER BY t.relid) FROM pg_partition_tree(c.oid) t))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1";
    let row = client.query_opt(query, &[&table]).await;
    row.and_then(|row| row.map(|row| row.try_get(0)).transpose())
        .map_err(|error| refused("asking whether a table has changed", error))
}
