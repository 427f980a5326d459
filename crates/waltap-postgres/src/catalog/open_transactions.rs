//! The transactions that the making of a slot waits for.

use tokio_postgres::Client;
use waltap_error::Result;

use crate::refusal::refused;

/// At most so many are named.
const NAMED_MAX: i64 = 5;

/// The oldest writing transactions of the server, in words: each with its process or, when it is prepared, its name.
pub async fn open_transactions(client: &Client) -> Result<Vec<String>> {
    let doing = "asking which transactions are open";
    let rows = client
        .query(
            "SELECT what FROM (
                SELECT format('process %s (%s in %s, since %s)', pid, usename, datname, xact_start::timestamptz(0)) AS what, age(backend_xid) AS age
                FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
                UNION ALL
                SELECT format('prepared transaction %L (%s in %s, since %s)', gid, owner, database, prepared::timestamptz(0)), age(transaction)
                FROM pg_prepared_xacts) open
             ORDER BY age DESC LIMIT $1",
            &[&NAMED_MAX],
        )
        .await
        .map_err(|error| refused(doing, error))?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| refused(doing, error))
}
