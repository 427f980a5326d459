//! The state of a slot as the server shows it, the same from PostgreSQL 13 to 18.

use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, Row};
use waltap_error::Result;
use waltap_pgoutput::Lsn;

use crate::refusal::refused;

/// A logical slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotState {
    /// Its name.
    pub name: String,
    /// The output plugin; `pgoutput` for ours.
    pub plugin: Option<String>,
    /// The database that it decodes.
    pub database: Option<String>,
    /// Whether it vanishes with its session.
    pub temporary: bool,
    /// Whether somebody reads it.
    pub active: bool,
    /// Whether it sends transactions when they are prepared.
    pub two_phase: bool,
    /// Whether standbys keep it too.
    pub failover: bool,
    /// Whether the server is a standby and keeps it for its primary: nobody can read it before the server is promoted.
    pub synced: bool,
    /// The server process that reads it.
    pub active_pid: Option<i32>,
    /// From where the server keeps its log for it.
    pub restart_lsn: Option<Lsn>,
    /// Up to where its reader has confirmed.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// How its log is kept; `None` when the server does not say.
    pub wal_status: Option<WalStatus>,
    /// How many bytes may still be written before the slot is in danger; `None` without a limit.
    pub safe_wal_bytes: Option<i64>,
    /// Set when it is of no use any more.
    pub invalidation: Option<Invalidation>,
    /// Bytes of log that the server keeps for it.
    pub retained_bytes: Option<u64>,
    /// Where the server's log ended when this was asked.
    pub server_lsn: Lsn,
}

/// `pg_replication_slots.wal_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalStatus {
    /// Within `max_wal_size`.
    Reserved,
    /// Beyond it, and still kept.
    Extended,
    /// About to be removed.
    Unreserved,
    /// Removed.
    Lost,
}

impl WalStatus {
    /// The server's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            WalStatus::Reserved => "reserved",
            WalStatus::Extended => "extended",
            WalStatus::Unreserved => "unreserved",
            WalStatus::Lost => "lost",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [WalStatus::Reserved, WalStatus::Extended, WalStatus::Unreserved, WalStatus::Lost]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// Why a slot is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalidation {
    /// The server's word (`wal_removed`, `rows_removed`, `wal_level_insufficient`, `idle_timeout`), or what can be told of an older server.
    pub reason: String,
}

impl Invalidation {
    /// What keeps the next slot from the same end, where it is not a matter of how much log a slot may hold back: the reasons that only a
    /// standby has.
    pub fn prevention(&self) -> Option<&'static str> {
        const FEEDBACK: &str = "on the standby: ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf(); with a physical slot of \
                                the primary as primary_slot_name, so that the primary keeps the rows that a slot of the standby needs";
        match self.reason.as_str() {
            "rows_removed" => Some(FEEDBACK),
            "wal_level_insufficient" => Some("wal_level must stay logical on the primary"),
            // What PostgreSQL 16 calls either.
            CONFLICTING => Some(FEEDBACK),
            _ => None,
        }
    }
}

/// What can be told of PostgreSQL 16: the primary removed rows that the slot of its standby needed, or has a lower `wal_level` now.
const CONFLICTING: &str = "conflicting with recovery";

/// The slot of that name, if there is one.
pub async fn inspect(client: &Client, name: &str) -> Result<Option<SlotState>> {
    let slots = read(client, "s.slot_name = $1", name).await?;
    Ok(slots.into_iter().next())
}

/// Slots of this server for which `condition` holds; `argument` is its `$1`.
pub(super) async fn read(client: &Client, condition: &str, argument: &str) -> Result<Vec<SlotState>> {
    let doing = || format!("asking for the state of the replication slots {argument}");
    // Columns that only newer servers have are fetched through jsonb, which gives null for what is not there.
    let query = format!(
        "SELECT s.slot_name::text AS name, s.plugin::text AS plugin, s.database::text AS database, s.temporary, s.active, s.active_pid,
                s.restart_lsn, s.confirmed_flush_lsn, s.wal_status, s.safe_wal_size,
                coalesce((to_jsonb(s) ->> 'two_phase')::bool, false) AS two_phase,
                coalesce((to_jsonb(s) ->> 'failover')::bool, false) AS failover,
                -- After a promotion it stays true and means nothing.
                pg_is_in_recovery() AND coalesce((to_jsonb(s) ->> 'synced')::bool, false) AS synced,
                to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason,
                coalesce((to_jsonb(s) ->> 'conflicting')::bool, false) AS conflicting,
                CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS server_lsn
         FROM pg_replication_slots s
         WHERE s.slot_type = 'logical' AND {condition}
         ORDER BY s.slot_name"
    );
    let rows = client.query(&query, &[&argument]).await.map_err(|error| refused(doing(), error))?;
    rows.iter().map(state).collect::<Result<_, _>>().map_err(|error| refused(doing(), error))
}

fn state(row: &Row) -> Result<SlotState, tokio_postgres::Error> {
    let lsn = |column: &str| row.try_get::<_, Option<PgLsn>>(column).map(|lsn| lsn.map(|lsn| Lsn(lsn.into())));
    let restart_lsn = lsn("restart_lsn")?;
    let server_lsn = lsn("server_lsn")?.unwrap_or_default();
    let wal_status = row.try_get::<_, Option<&str>>("wal_status")?.and_then(WalStatus::from_word);
    Ok(SlotState {
        name: row.try_get("name")?,
        plugin: row.try_get("plugin")?,
        database: row.try_get("database")?,
        temporary: row.try_get("temporary")?,
        active: row.try_get("active")?,
        two_phase: row.try_get("two_phase")?,
        failover: row.try_get("failover")?,
        synced: row.try_get("synced")?,
        active_pid: row.try_get("active_pid")?,
        restart_lsn,
        confirmed_flush_lsn: lsn("confirmed_flush_lsn")?,
        wal_status,
        safe_wal_bytes: row.try_get("safe_wal_size")?,
        invalidation: invalidation(row.try_get("invalidation_reason")?, row.try_get("conflicting")?, wal_status),
        retained_bytes: restart_lsn.map(|restart| server_lsn.bytes_since(restart)),
        server_lsn,
    })
}

/// From 17 on the server names the reason; 16 tells a conflict on a standby from lost log; before, there is only lost log.
fn invalidation(reason: Option<String>, conflicting: bool, wal_status: Option<WalStatus>) -> Option<Invalidation> {
    let lost = wal_status == Some(WalStatus::Lost);
    let reason = reason.or_else(|| match (conflicting, lost) {
        (true, _) => Some(CONFLICTING.to_owned()),
        (false, true) => Some("wal_removed".to_owned()),
        (false, false) => None,
    })?;
    Some(Invalidation { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_tells_invalidation() {
        let reason = |reason: Option<&str>, conflicting, status| {
            invalidation(reason.map(str::to_owned), conflicting, status).map(|invalidation| invalidation.reason)
        };
        assert_eq!(reason(None, false, Some(WalStatus::Reserved)), None);
        assert_eq!(reason(None, false, Some(WalStatus::Unreserved)), None);
        assert_eq!(reason(None, false, None), None);
        assert_eq!(reason(None, false, Some(WalStatus::Lost)).as_deref(), Some("wal_removed"));
        assert_eq!(reason(None, true, Some(WalStatus::Lost)).as_deref(), Some("conflicting with recovery"));
        assert_eq!(reason(Some("idle_timeout"), false, Some(WalStatus::Lost)).as_deref(), Some("idle_timeout"));
    }
}
