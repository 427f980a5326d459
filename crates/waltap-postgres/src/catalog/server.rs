//! Facts of the server and of the role that we are.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use waltap_error::{Code, Error, Result};

use crate::refusal::{is_state, refused};
use crate::replication::sender_timeout::CHOSEN;

/// Roles whose members may replicate although they have no REPLICATION attribute: how managed services give the right.
pub const REPLICATION_ROLES: &[&str] = &["rds_replication"];

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `server_version_num`, as 150004.
    pub version_num: u32,
    /// `server_version`, as the server writes it.
    pub version: String,
    /// The identity of the cluster, where the role may ask for it here; IDENTIFY_SYSTEM always tells.
    pub system_identifier: Option<u64>,
    /// `wal_level`.
    pub wal_level: String,
    /// `max_replication_slots`.
    pub replication_slots_max: u32,
    /// Slots there are, of any kind.
    pub replication_slots_used: u32,
    /// `max_wal_senders`.
    pub wal_senders_max: u32,
    /// WAL senders at work.
    pub wal_senders_used: u32,
    /// `wal_sender_timeout`; `None` when it is off.
    pub wal_sender_timeout: Option<Duration>,
    /// Whether that was chosen for this role or database, and not for the whole server.
    pub sender_timeout_is_chosen: bool,
    /// `max_slot_wal_keep_size` in bytes; `None` when there is no limit.
    pub slot_wal_keep_bytes_max: Option<u64>,
    /// The size of a page, in which tables are counted.
    pub block_bytes: u32,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// The role that we are.
    pub role: Role,
}

/// The role that a connection runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it has the REPLICATION attribute.
    pub replication: bool,
    /// The role of [`REPLICATION_ROLES`] that it is a member of.
    pub replication_through: Option<String>,
}

impl Role {
    /// Whether it may open replication connections and make slots.
    pub fn may_replicate(&self) -> bool {
        self.superuser || self.replication || self.replication_through.is_some()
    }
}

impl Server {
    /// The major version: 15 for 150004.
    pub fn major(&self) -> u32 {
        self.version_num / 10_000
    }
}

/// Asks the server for its facts.
pub async fn server(client: &Client) -> Result<Server> {
    const DOING: &str = "asking the server for its settings";
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int4 AS version_num,
                    current_setting('server_version') AS version,
                    current_setting('wal_level') AS wal_level,
                    current_setting('max_replication_slots')::int4 AS slots_max,
                    (SELECT count(*) FROM pg_replication_slots)::int4 AS slots_used,
                    current_setting('max_wal_senders')::int4 AS senders_max,
                    (SELECT count(*) FROM pg_stat_replication)::int4 AS senders_used,
                    (SELECT setting::int8 FROM pg_settings WHERE name = 'wal_sender_timeout') AS sender_timeout_ms,
                    (SELECT source FROM pg_settings WHERE name = 'wal_sender_timeout') AS sender_timeout_source,
                    (SELECT setting::int8 FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS slot_wal_keep_mib,
                    current_setting('block_size')::int4 AS block_bytes,
                    pg_is_in_recovery() AS in_recovery,
                    r.rolname, r.rolsuper, r.rolreplication,
                    (SELECT g.rolname FROM pg_roles g
                     WHERE g.rolname = ANY($1) AND pg_has_role(r.oid, g.oid, 'MEMBER') LIMIT 1) AS replication_through
             FROM pg_roles r WHERE r.rolname = current_user",
            &[&REPLICATION_ROLES],
        )
        .await
        .map_err(|error| refused(DOING, error))?;
    let system_identifier = system_identifier(client).await?;
    let read = || -> Result<Server, tokio_postgres::Error> {
        let count = |name: &str| row.try_get::<_, i32>(name).map(|count| u32::try_from(count).unwrap_or(0));
        let sender_timeout_ms: Option<i64> = row.try_get("sender_timeout_ms")?;
        let sender_timeout_source: Option<&str> = row.try_get("sender_timeout_source")?;
        let slot_wal_keep_mib: Option<i64> = row.try_get("slot_wal_keep_mib")?;
        Ok(Server {
            version_num: count("version_num")?,
            version: row.try_get("version")?,
            system_identifier,
            wal_level: row.try_get("wal_level")?,
            replication_slots_max: count("slots_max")?,
            replication_slots_used: count("slots_used")?,
            wal_senders_max: count("senders_max")?,
            wal_senders_used: count("senders_used")?,
            wal_sender_timeout: positive(sender_timeout_ms).map(Duration::from_millis),
            sender_timeout_is_chosen: sender_timeout_source.is_some_and(|source| CHOSEN.contains(&source)),
            // Minus one stands for no limit, and zero for a limit of nothing.
            slot_wal_keep_bytes_max: slot_wal_keep_mib
                .and_then(|mib| u64::try_from(mib).ok())
                .map(|mib| mib.saturating_mul(1 << 20)),
            block_bytes: count("block_bytes")?,
            in_recovery: row.try_get("in_recovery")?,
            role: Role {
                name: row.try_get("rolname")?,
                superuser: row.try_get("rolsuper")?,
                replication: row.try_get("rolreplication")?,
                replication_through: row.try_get("replication_through")?,
            },
        })
    };
    let server = read().map_err(|error| refused(DOING, error))?;
    if server.version_num == 0 {
        return Err(Error::configuration(Code::SERVER_VERSION, "the server names no version"));
    }
    Ok(server)
}

/// Tells servers apart of which one is a copy of the other.
pub(crate) const SERVER_START: &str = "SELECT pg_catalog.pg_postmaster_start_time()::text";

/// When the server was started. No two servers have the same answer, also where one is a copy of the other. `None`: the role may not ask.
pub async fn server_start(client: &Client) -> Result<Option<String>> {
    match client.query_one(SERVER_START, &[]).await.and_then(|row| row.try_get(0)) {
        Ok(start) => Ok(Some(start)),
        Err(error) if is_state(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Ok(None),
        Err(error) => Err(refused("asking the server when it was started", error)),
    }
}

/// Asked apart from the rest, because managed services may take this function from ordinary roles.
async fn system_identifier(client: &Client) -> Result<Option<u64>> {
    match client.query_one("SELECT system_identifier FROM pg_control_system()", &[]).await {
        // The server keeps it unsigned and shows it signed.
        Ok(row) => Ok(row.try_get::<_, i64>(0).ok().map(|identifier| identifier as u64)),
        Err(error) if is_state(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Ok(None),
        Err(error) => Err(refused("asking the server for its system identifier", error)),
    }
}

fn positive(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0)
}
