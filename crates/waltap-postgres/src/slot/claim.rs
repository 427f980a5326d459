//! One reader for a slot, also while nobody streams it.

use tokio_postgres::Client;
use waltap_error::Result;

use crate::refusal::refused;

/// Tries to become the one process that works with a slot, for as long as the session lives: an advisory lock of its database (PostgreSQL
/// manual, "Advisory Locks"). The server itself knows only who streams a slot, not who is still reading the rows that come before.
/// `false`: another session has it.
pub async fn claim(client: &Client, slot: &str) -> Result<bool> {
    client
        .query_one("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", &[&format!("waltap slot {slot}")])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| refused(format!("claiming the slot {slot}"), error))
}
