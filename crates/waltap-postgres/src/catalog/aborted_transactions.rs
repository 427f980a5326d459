//! Which transactions were rolled back.

use std::collections::HashSet;

use tokio_postgres::Client;
use waltap_error::{Code, Error, Result};

use crate::refusal::refused;

/// Of these transactions and subtransactions, those that were rolled back. One that is still in progress was not, also when its top-level
/// transaction has written its commit already: the server says so until that is complete, which may wait for a synchronous standby.
///
/// Ids of the stream have no epoch: it follows from the ids of now, of which none that still matters is half of all away. One that is greater
/// than them is not of the epoch before: `pg_snapshot_xmax` is behind the last that has ended, and subtransactions may have begun since.
pub async fn aborted_transactions(client: &Client, xids: &[u32]) -> Result<HashSet<u32>> {
    let doing = "asking which transactions were rolled back";
    let asked: Vec<i64> = xids.iter().copied().map(i64::from).collect();
    let rows = client
        .query(
            "SELECT xid, status FROM (
                SELECT xid, pg_xact_status((near + ((xid - near + 2147483648) & 4294967295) - 2147483648)::text::xid8) AS status
                FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8 AS near) now, unnest($1::int8[]) asked (xid)) told
             WHERE status = 'aborted' OR status IS NULL",
            &[&asked],
        )
        .await
        .map_err(|error| refused(doing, error))?;
    let mut aborted = HashSet::with_capacity(rows.len());
    for row in rows {
        let xid: i64 = row.try_get(0).map_err(|error| refused(doing, error))?;
        let status: Option<&str> = row.try_get(1).map_err(|error| refused(doing, error))?;
        if status.is_none() {
            return Err(Error::configuration(
                Code::SUBTRANSACTION_UNKNOWN,
                format!("the server does not know any more whether transaction {xid} was rolled back"),
            )
            .remedy("start with --streaming off: the server then sends each transaction after its commit, without what was rolled back"));
        }
        aborted.extend(u32::try_from(xid));
    }
    Ok(aborted)
}
