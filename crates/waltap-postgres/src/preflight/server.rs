//! The checks of what all databases of a server share.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_postgres::Client;
use waltap_error::{Code, Result};

use super::finding::Finding;
use crate::catalog::{Database, Server, databases, quoted_identifier, server};
use crate::slot::{SlotState, own_slots, slot_name};

/// The oldest server that waltap reads: it brought `publish_via_partition_root` and `wal_status`.
pub const OLDEST_VERSION: u32 = 130_000;

/// Below this a pause of the network or of waltap's host is enough for the server to hang up.
const SENDER_TIMEOUT_LOW: Duration = Duration::from_secs(10);

/// Below this a busy database outruns the limit while Kafka has an ordinary outage.
const SLOT_WAL_KEEP_LOW_BYTES: u64 = 10 << 30;

/// Slots and WAL senders beside those of the taps: a temporary one, under whose snapshot an interrupted snapshot is taken up again.
const TEMPORARY: u32 = 1;

/// What a capture wants of a server.
#[derive(Clone, Debug)]
pub struct ServerNeeds {
    /// The capture's name.
    pub capture: String,
    /// The chosen databases: one tap, so one slot and one WAL sender, each.
    pub databases: Vec<String>,
}

impl ServerNeeds {
    fn slots(&self) -> BTreeSet<String> {
        self.databases.iter().map(|database| slot_name(&self.capture, database)).collect()
    }
}

/// Everything that can be told without looking into a database.
pub async fn check_server(client: &Client, needs: &ServerNeeds) -> Result<Vec<Finding>> {
    let server = server(client).await?;
    let slots = own_slots(client).await?;
    let databases = databases(client).await?;
    let mut findings = judge_server(&server, needs, &slots);
    findings.extend(judge_databases(&server, needs, &databases));
    findings.extend(judge_slots(needs, &slots));
    Ok(findings)
}

/// Version, settings, rights and room of a server whose own slots of waltap are `slots`.
pub fn judge_server(server: &Server, needs: &ServerNeeds, slots: &[SlotState]) -> Vec<Finding> {
    vec![
        version(server),
        standby(server),
        wal_level(server),
        replication_right(server),
        free_slots(server, needs, slots),
        free_senders(server, needs, slots),
        sender_timeout(server),
        slot_wal_keep(server),
    ]
}

fn version(server: &Server) -> Finding {
    match server.version_num >= OLDEST_VERSION {
        true => Finding::ok(format!("PostgreSQL {}", server.version)),
        false => Finding::problem(Code::SERVER_VERSION, format!("PostgreSQL {} is older than 13", server.version))
            .remedy("upgrade the server to PostgreSQL 13 or later"),
    }
}

fn standby(server: &Server) -> Finding {
    match server.in_recovery {
        false => Finding::ok("the server is a primary"),
        true => Finding::problem(Code::STANDBY, "the server is a standby, on which no publication can be made")
            .remedy("add target_session_attrs=read-write to the source URL, with all hosts in it"),
    }
}

fn wal_level(server: &Server) -> Finding {
    match server.wal_level.as_str() {
        "logical" => Finding::ok("wal_level is logical"),
        level => Finding::problem(Code::WAL_LEVEL, format!("wal_level is {level}")).remedy(
            "ALTER SYSTEM SET wal_level = 'logical';\n-- then restart PostgreSQL; on a managed service set it in the parameter group (rds.logical_replication, cloudsql.logical_decoding)",
        ),
    }
}

fn replication_right(server: &Server) -> Finding {
    let role = &server.role;
    if role.may_replicate() {
        return Finding::ok(format!("the role {} may replicate", role.name));
    }
    let name = quoted_identifier(&role.name);
    Finding::problem(Code::REPLICATION_RIGHT, format!("the role {} may not replicate", role.name))
        .remedy(format!("ALTER ROLE {name} REPLICATION;\n-- on Amazon RDS and Aurora: GRANT rds_replication TO {name};"))
}

fn free_slots(server: &Server, needs: &ServerNeeds, slots: &[SlotState]) -> Finding {
    let wanted = needs.slots();
    let there = slots.iter().filter(|slot| wanted.contains(&slot.name)).count();
    let missing = count(wanted.len() - there) + TEMPORARY;
    let free = server.replication_slots_max.saturating_sub(server.replication_slots_used);
    let what = format!(
        "{missing} replication slots are needed and {free} of {} are free (max_replication_slots)",
        server.replication_slots_max
    );
    match free >= missing {
        true => Finding::ok(what),
        false => Finding::problem(Code::REPLICATION_SLOTS, what).remedy(format!(
            "ALTER SYSTEM SET max_replication_slots = {};\n-- then restart PostgreSQL; or drop slots that nobody needs: SELECT slot_name, active FROM pg_replication_slots;",
            server.replication_slots_used + missing
        )),
    }
}

fn free_senders(server: &Server, needs: &ServerNeeds, slots: &[SlotState]) -> Finding {
    let wanted = needs.slots();
    // What a running capture of the same name uses is no more than what it will use.
    let ours = count(slots.iter().filter(|slot| slot.active && wanted.contains(&slot.name)).count());
    let needed = (count(wanted.len()) + TEMPORARY).saturating_sub(ours);
    let free = server.wal_senders_max.saturating_sub(server.wal_senders_used);
    let what = format!("{needed} WAL senders are needed and {free} of {} are free (max_wal_senders)", server.wal_senders_max);
    match free >= needed {
        true => Finding::ok(what),
        false => Finding::problem(Code::WAL_SENDERS, what).remedy(format!(
            "ALTER SYSTEM SET max_wal_senders = {};\n-- then restart PostgreSQL",
            server.wal_senders_used + needed
        )),
    }
}

fn sender_timeout(server: &Server) -> Finding {
    match server.wal_sender_timeout {
        None => Finding::warning("wal_sender_timeout is off: after a broken connection the slot may stay in use for hours")
            .remedy("ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();"),
        Some(timeout) if timeout < SENDER_TIMEOUT_LOW => {
            Finding::warning(format!("wal_sender_timeout is {timeout:?}: short pauses of the network end the connection"))
                .remedy("ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();")
        }
        Some(timeout) => Finding::ok(format!("wal_sender_timeout is {timeout:?}")),
    }
}

fn slot_wal_keep(server: &Server) -> Finding {
    const GIB: u64 = 1 << 30;
    match server.slot_wal_keep_bytes_max {
        None => Finding::warning(
            "max_slot_wal_keep_size is not set: while the capture is stopped its slot keeps all log, until the disk is full",
        )
        .remedy("ALTER SYSTEM SET max_slot_wal_keep_size = '200GB'; SELECT pg_reload_conf(); -- less than the free disk space"),
        Some(bytes) if bytes < SLOT_WAL_KEEP_LOW_BYTES => Finding::warning(format!(
            "max_slot_wal_keep_size is {:.1} GiB: a stop longer than it takes to write that much makes the slot invalid",
            bytes as f64 / GIB as f64
        ))
        .code(Code::SLOT_INVALIDATED)
        .remedy("ALTER SYSTEM SET max_slot_wal_keep_size = '200GB'; SELECT pg_reload_conf(); -- less than the free disk space"),
        Some(bytes) => Finding::ok(format!("max_slot_wal_keep_size is {} GiB", bytes / GIB)),
    }
}

/// Whether the chosen databases are there and let us in.
pub fn judge_databases(server: &Server, needs: &ServerNeeds, databases: &[Database]) -> Vec<Finding> {
    if needs.databases.is_empty() {
        return vec![Finding::problem(Code::NO_DATABASE, "no database is chosen")];
    }
    let judge = |name: &String| match databases.iter().find(|database| database.name == *name) {
        None => Finding::problem(Code::NO_DATABASE, "there is no such database, or it takes no connections"),
        Some(database) if !database.may_connect => {
            Finding::problem(Code::NO_DATABASE, format!("the role {} may not connect", server.role.name)).remedy(format!(
                "GRANT CONNECT ON DATABASE {} TO {};",
                quoted_identifier(name),
                quoted_identifier(&server.role.name)
            ))
        }
        Some(_) => Finding::ok("the role may connect"),
    };
    needs.databases.iter().map(|name| judge(name).database(name)).collect()
}

/// Whether slots of waltap are in the way, of no use any more, or read by nobody while they keep log.
pub fn judge_slots(needs: &ServerNeeds, slots: &[SlotState]) -> Vec<Finding> {
    let wanted = needs.slots();
    let judge = |slot: &SlotState| {
        let name = &slot.name;
        let drop = || format!("waltap slots drop {name}\n-- or: SELECT pg_drop_replication_slot('{name}');");
        let retained = slot.retained_bytes.unwrap_or(0);
        let finding = match (&slot.invalidation, slot.active, wanted.contains(name)) {
            (Some(invalidation), _, true) => Finding::problem(
                Code::SLOT_INVALIDATED,
                format!(
                    "the slot {name} is of no use any more ({}): changes since its last confirmed one are lost",
                    invalidation.reason
                ),
            )
            .remedy(drop()),
            (Some(invalidation), _, false) => {
                Finding::warning(format!("the slot {name} is of no use any more ({})", invalidation.reason)).remedy(drop())
            }
            (None, true, true) => {
                let reader = slot.active_pid.map_or_else(String::new, |pid| format!(" (server process {pid})"));
                Finding::warning(format!("the slot {name} is being read{reader}: this capture is running already"))
                    .code(Code::SLOT_IN_USE)
            }
            (None, false, true) => Finding::ok(format!("the slot {name} is there and keeps {retained} bytes of log")),
            (None, false, false) => Finding::warning(format!(
                "the slot {name} belongs to another capture, nobody reads it, and it keeps {retained} bytes of log"
            ))
            .remedy(drop()),
            (None, true, false) => return None,
        };
        Some(match &slot.database {
            Some(database) => finding.database(database),
            None => finding,
        })
    };
    slots.iter().filter_map(judge).collect()
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
