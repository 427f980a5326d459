//! One reader for a slot, also while nobody streams it.

use tokio_postgres::Client;
use waltap_error::Result;

use crate::connect::Sql;
use crate::refusal::refused;

/// Lets the server notice within some fifteen seconds that the host at the other end is gone, and set the lock free; its own defaults take
/// two hours. Only TCP has these; on another socket they do nothing.
const NOTICE_A_DEAD_HOST: &str =
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 5; SET tcp_user_timeout = 15000";

/// Tries to become the one process that works with a slot, for as long as the session lives: an advisory lock of its database (PostgreSQL
/// manual, "Advisory Locks"). The server itself knows only who streams a slot, not who is still reading the rows that come before.
/// `false`: another session has it.
pub async fn claim(client: &Client, slot: &str) -> Result<bool> {
    let doing = || format!("claiming the slot {slot}");
    let row = client
        .query_one("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", &[&claimed(slot)])
        .await
        .map_err(|error| refused(doing(), error))?;
    let is_ours = row.try_get(0).map_err(|error| refused(doing(), error))?;
    if is_ours {
        client.batch_execute(NOTICE_A_DEAD_HOST).await.map_err(|error| refused(doing(), error))?;
    }
    Ok(is_ours)
}

/// Whether a session that had the claim still is the server's process that has it. Behind a pooler it may not be, though it is alive. Asked
/// often, so nothing is looked at that costs the server anything: the lock lives as long as the process.
pub async fn is_same_process(sql: &Sql, slot: &str) -> Result<bool> {
    sql.query_one("SELECT pg_backend_pid() = $1", &[&sql.process_id()])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| refused(format!("asking for the claim on the slot {slot}"), error))
}

/// Whether this session has the claim. Behind a pooler that changes the server's process it may not, though it is alive.
pub async fn holds_claim(sql: &Sql, slot: &str) -> Result<bool> {
    const HELD: &str = "
WITH key AS (SELECT hashtextextended($1, 0) AS key)
SELECT pg_backend_pid() = $2 AND EXISTS (
  SELECT FROM pg_locks l, key
  WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.granted AND l.objsubid = 1
    AND ((l.classid::int8 << 32) | l.objid::int8) = key.key)";
    sql.query_one(HELD, &[&claimed(slot), &sql.process_id()])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| refused(format!("asking for the claim on the slot {slot}"), error))
}

/// Of slots, each with its database, those that somebody has claimed. To be asked in any database of the server.
pub async fn claimed_slots(client: &Client, slots: &[(String, String)]) -> Result<Vec<String>> {
    const CLAIMED: &str = "
SELECT s.slot
FROM unnest($1::text[], $2::text[], $3::text[]) AS s (slot, claimed, database)
WHERE EXISTS (
  SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND d.datname = s.database
    AND ((l.classid::int8 << 32) | l.objid::int8) = hashtextextended(s.claimed, 0))";
    let doing = "asking which slots are claimed";
    let names: Vec<&str> = slots.iter().map(|(slot, _)| slot.as_str()).collect();
    let claims: Vec<String> = names.iter().map(|slot| claimed(slot)).collect();
    let databases: Vec<&str> = slots.iter().map(|(_, database)| database.as_str()).collect();
    let rows = client.query(CLAIMED, &[&names, &claims, &databases]).await.map_err(|error| refused(doing, error))?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| refused(doing, error))
}

/// Ends the connection that reads a slot, if it is one of our role whose name begins so. Says whether there was one.
pub async fn terminate_reader(client: &Client, slot: &str, name: &str) -> Result<bool> {
    const TERMINATE: &str = "
SELECT coalesce(bool_or(pg_terminate_backend(a.pid)), false)
FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid
WHERE s.slot_name = $1 AND a.usename = current_user AND starts_with(a.application_name, $2)";
    client
        .query_one(TERMINATE, &[&slot, &name])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| refused(format!("ending the connection that reads the slot {slot}"), error))
}

fn claimed(slot: &str) -> String {
    format!("waltap slot {slot}")
}
