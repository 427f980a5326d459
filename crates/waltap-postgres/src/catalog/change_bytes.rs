//! How large the changes of tables are.

use tokio_postgres::{Client, Error};

/// So many tables, of which most was changed, speak for all.
const TABLES_MAX: i64 = 20;

/// With fewer rows than that a table's size says nothing of its rows, but of what has changed in it since it was vacuumed.
const ROWS_MIN: f64 = 1000.0;

/// How many bytes an inserted or updated row, or the mark of a deleted one, takes on average in these tables, or leaves of tables: by what the server
/// has counted of their changes since its statistics began. `None` where that does not say, as on a standby or after a crash.
///
/// It is a guess. What is stored in line (TOAST) is taken as `pg_stats` has it, where the table was analyzed and the role may read it; else by the size of
/// the table, in which rows of more than half a page take a page each, and free space counts as rows. What is stored out of line is taken as it is
/// stored, which may be compressed. A deleted row is taken for nothing, and so is what is not known.
///
/// Takes a moment's ACCESS SHARE lock on the tables that speak for all; who has to wait long for one, or for the statistics, knows nothing.
pub async fn change_bytes(client: &Client, tables: &[u32]) -> Option<u64> {
    if tables.is_empty() {
        return None;
    }
    let asked = ask(client, tables).await;
    // Whatever has failed. Who needs the session next hears of it if it is broken.
    let ended = client.batch_execute("ROLLBACK").await;
    match ended.and(asked) {
        Ok(bytes) => bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        Err(error) => {
            tracing::debug!(%error, "it is not known how large changes are");
            None
        }
    }
}

async fn ask(client: &Client, tables: &[u32]) -> Result<Option<i64>, Error> {
    client.batch_execute(BEGIN).await?;
    client.query_one(CHANGE_BYTES, &[&tables, &TABLES_MAX, &ROWS_MIN]).await?.try_get(0)
}

// Up to PostgreSQL 14 a process waits for the one that collects statistics, for ten seconds if it must. The isolation is named since a role's own may
// have a transaction wait until others have ended.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '1s'";

// Rows are counted since the statistics began, which for a table that is older may be too few: the planner's number is then greater. Rows that would
// need more than two pages each are a sign of it too: what is longer is stored out of line, in pieces of some 2,000 bytes, which are counted like rows.
// (The manual's chapters on the cumulative statistics system and on TOAST.)
const CHANGE_BYTES: &str = "WITH counted AS MATERIALIZED (
         SELECT c.oid, n.nspname, c.relname, greatest(pg_stat_get_live_tuples(c.oid) + pg_stat_get_dead_tuples(c.oid), c.reltuples)::float8 AS rows,
                pg_stat_get_tuples_inserted(c.oid)::float8 AS inserted, pg_stat_get_tuples_updated(c.oid)::float8 AS updated,
                pg_stat_get_tuples_deleted(c.oid)::float8 AS deleted, pg_stat_get_tuples_inserted(c.reltoastrelid)::float8 AS pieces
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1)
     ), most AS MATERIALIZED (
         SELECT * FROM counted WHERE inserted + updated + deleted > 0 ORDER BY inserted + updated + deleted DESC LIMIT $2
     ), analyzed AS MATERIALIZED (
         SELECT most.*, (SELECT sum(s.avg_width * (1 - s.null_frac)) FROM pg_stats s
                         WHERE s.schemaname = nspname AND s.tablename = relname AND NOT s.inherited)::float8 AS width
         FROM most
     ), measured AS MATERIALIZED (
         SELECT *, CASE WHEN width IS NULL AND rows >= $3 THEN pg_relation_size(oid) / rows END AS by_size FROM analyzed
     )
     SELECT (sum((inserted + updated) * CASE WHEN by_size <= 2 * current_setting('block_size')::float8 THEN by_size ELSE coalesce(width, 0) END
                 + coalesce(pieces, 0) * 2000) / sum(inserted + updated + deleted))::int8
     FROM measured";
