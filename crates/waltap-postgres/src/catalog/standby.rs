//! Whether the server is a standby, and what keeps a slot of it alive there.

use tokio_postgres::Client;
use waltap_error::Result;

use crate::refusal::refused;

/// PostgreSQL 16 was the first whose standbys decode (manual, "Logical Decoding Concepts").
pub const DECODING_STANDBYS: u32 = 160_000;

/// The settings of a standby by which its primary learns which rows a slot still needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standby {
    /// `hot_standby_feedback`.
    pub gives_feedback: bool,
    /// `primary_slot_name`: the physical slot that keeps the feedback while the two are not connected.
    pub physical_slot: Option<String>,
}

/// Whether the server is a standby now.
pub async fn is_standby(client: &Client) -> Result<bool> {
    let asked = client.query_one("SELECT pg_is_in_recovery()", &[]).await.and_then(|row| row.try_get(0));
    asked.map_err(|error| refused("asking the server whether it is a standby", error))
}

/// The settings of a standby; `None`: it is a primary.
pub async fn standby(client: &Client) -> Result<Option<Standby>> {
    const ASK: &str = "
SELECT current_setting('hot_standby_feedback')::bool AS gives_feedback,
       nullif(current_setting('primary_slot_name'), '') AS physical_slot
WHERE pg_is_in_recovery()";
    let asked = client.query_opt(ASK, &[]).await.and_then(|row| {
        let read = |row: tokio_postgres::Row| {
            Ok(Standby { gives_feedback: row.try_get("gives_feedback")?, physical_slot: row.try_get("physical_slot")? })
        };
        row.map(read).transpose()
    });
    asked.map_err(|error| refused("asking the standby for its settings", error))
}
