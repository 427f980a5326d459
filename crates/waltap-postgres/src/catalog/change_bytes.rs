//! How large the changes of tables are.

use tokio_postgres::Client;

/// So many tables, of which most was changed, speak for all.
const TABLES_MAX: i64 = 20;

/// How many bytes an inserted or updated row, or the mark of a deleted one, takes on average in these tables, or leaves of tables: by what the server
/// has counted of their changes, and how large they are now. `None` where that does not say, as on a standby or after a crash.
///
/// It is a guess, and rather too small: values are taken as they are stored, which may be compressed; an update is taken not to touch those that
/// are stored out of line (TOAST); a deleted row is taken for nothing. Takes a moment's ACCESS SHARE lock on the tables that speak for all; who has to
/// wait for one knows nothing.
pub async fn change_bytes(client: &Client, tables: &[u32]) -> Option<u64> {
    let asked = async {
        client.batch_execute("BEGIN READ ONLY; SET LOCAL lock_timeout = '100ms'").await?;
        let row = client.query_one(CHANGE_BYTES, &[&tables, &TABLES_MAX]).await;
        client.batch_execute("ROLLBACK").await?;
        row?.try_get::<_, Option<i64>>(0)
    };
    match asked.await {
        Ok(bytes) => bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        // Who needs the session next hears of it if it is broken.
        Err(error) => {
            tracing::debug!(%error, "it is not known how large changes are");
            None
        }
    }
}

// Rows are counted since the statistics began, which for a table that is older may be too few: the planner's number is then greater. Rows that
// would need more than two pages each are a sign of it too: what is longer is stored out of line. (The manual's chapters on the
// cumulative statistics system and on TOAST.)
const CHANGE_BYTES: &str = "WITH counted AS MATERIALIZED (
         SELECT c.oid, greatest(pg_stat_get_live_tuples(c.oid) + pg_stat_get_dead_tuples(c.oid), c.reltuples)::float8 AS rows,
                pg_stat_get_tuples_inserted(c.oid)::float8 AS inserted, pg_stat_get_tuples_updated(c.oid)::float8 AS updated,
                pg_stat_get_tuples_deleted(c.oid)::float8 AS deleted
         FROM pg_class c WHERE c.oid = ANY($1)
     ), most AS MATERIALIZED (
         SELECT * FROM counted WHERE rows > 0 AND inserted + updated + deleted > 0 ORDER BY inserted + updated + deleted DESC LIMIT $2
     ), measured AS MATERIALIZED (
         SELECT *, pg_relation_size(oid)::float8 AS in_line, pg_table_size(oid)::float8 AS whole FROM most
     )
     SELECT (sum((inserted * whole + updated * in_line) / rows) / sum(inserted + updated + deleted))::int8
     FROM measured WHERE in_line <= 2 * rows * current_setting('block_size')::float8";
