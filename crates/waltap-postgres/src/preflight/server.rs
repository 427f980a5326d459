//! The checks of what all databases of a server share.

use std::collections::BTreeSet;

use tokio_postgres::Client;
use waltap_error::{Code, Result};

use super::finding::Finding;
use super::standby::{ON_THE_PRIMARY, judge_standby};
use crate::catalog::{Database, Server, databases, quoted_identifier, server, standby};
use crate::replication::sender_timeout;
use crate::slot::{SlotState, capture_of, own_slots, slot_name};

/// The oldest server that waltap reads: it brought `publish_via_partition_root` and `wal_status`.
pub const OLDEST_VERSION: u32 = 130_000;

/// Below this a busy database outruns the limit while Kafka has an ordinary outage.
const SLOT_WAL_KEEP_LOW_BYTES: u64 = 10 << 30;

/// So much log kept by a slot that nobody reads is worth a word to everybody.
const SLOT_RETAINED_MUCH_BYTES: u64 = 1 << 30;

/// Slots and WAL senders beside those of the taps: a temporary one, under whose snapshot an interrupted snapshot is taken up again.
const TEMPORARY: u32 = 1;

/// What a capture wants of a server.
#[derive(Clone, Debug)]
pub struct ServerNeeds {
    /// The capture's name.
    pub capture: String,
    /// The chosen databases: one tap, so one slot and one WAL sender, each.
    pub databases: Vec<String>,
    /// Those of them in which no table is chosen yet: no slot is made there before one is.
    pub without_tables: Vec<String>,
}

impl ServerNeeds {
    fn slots(&self) -> BTreeSet<String> {
        let with_tables = self.databases.iter().filter(|database| !self.without_tables.contains(database));
        with_tables.map(|database| slot_name(&self.capture, database)).collect()
    }
}

/// Everything that can be told without looking into a database.
pub async fn check_server(client: &Client, needs: &ServerNeeds) -> Result<Vec<Finding>> {
    let server = server(client).await?;
    let slots = own_slots(client).await?;
    let databases = databases(client).await?;
    let mut findings = judge_server(&server, needs, &slots);
    findings.extend(judge_standby(server.version_num, standby(client).await?.as_ref()));
    findings.extend(judge_databases(&server, needs, &databases));
    findings.extend(judge_slots(needs, &slots));
    Ok(findings)
}

/// Version, settings, rights and room of a server whose own slots of waltap are `slots`.
pub fn judge_server(server: &Server, needs: &ServerNeeds, slots: &[SlotState]) -> Vec<Finding> {
    vec![
        version(server),
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
    let place = on_the_primary(server);
    Finding::problem(Code::REPLICATION_RIGHT, format!("the role {} may not replicate", role.name))
        .remedy(format!("{place}ALTER ROLE {name} REPLICATION;\n-- on Amazon RDS and Aurora: GRANT rds_replication TO {name};"))
}

/// Where what cannot be written on a standby is to be run.
fn on_the_primary(server: &Server) -> &'static str {
    if server.in_recovery { ON_THE_PRIMARY } else { "" }
}

fn free_slots(server: &Server, needs: &ServerNeeds, slots: &[SlotState]) -> Finding {
    let wanted = needs.slots();
    let there = slots.iter().filter(|slot| wanted.contains(&slot.name)).count();
    let missing = count(wanted.len() - there) + TEMPORARY;
    let free = server.replication_slots_max.saturating_sub(server.replication_slots_used);
    let what = format!(
        "{} needed and {free} of {} free (max_replication_slots): one for each database that has none yet, and a spare one for when a \
         table joins",
        counted(missing, "replication slot"),
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
    let what =
        format!("{} needed and {free} of {} free (max_wal_senders)", counted(needed, "WAL sender"), server.wal_senders_max);
    match free >= needed {
        true => Finding::ok(what),
        false => Finding::problem(Code::WAL_SENDERS, what).remedy(format!(
            "ALTER SYSTEM SET max_wal_senders = {};\n-- then restart PostgreSQL",
            server.wal_senders_used + needed
        )),
    }
}

fn sender_timeout(server: &Server) -> Finding {
    let is = server.wal_sender_timeout.map_or_else(|| "off".to_owned(), |timeout| format!("{timeout:?}"));
    if let Some(own) = sender_timeout::own(server.wal_sender_timeout, server.sender_timeout_is_chosen) {
        return Finding::ok(format!("wal_sender_timeout is {is}: the capture's connections take {own:?} for themselves"));
    }
    let what = match server.wal_sender_timeout {
        None => "after a broken connection the slot may stay in use for hours",
        Some(timeout) if timeout < sender_timeout::SHORTEST => "short pauses of the network end the connection",
        Some(_) => return Finding::ok(format!("wal_sender_timeout is {is}")),
    };
    Finding::warning(format!("wal_sender_timeout is {is} for the role or the database: {what}")).remedy(format!(
        "{}ALTER ROLE {} RESET wal_sender_timeout; -- or the database: waltap chooses a fitting one where nobody has",
        on_the_primary(server),
        quoted_identifier(&server.role.name)
    ))
}

fn slot_wal_keep(server: &Server) -> Finding {
    match server.slot_wal_keep_bytes_max {
        None => Finding::warning(
            "max_slot_wal_keep_size is not set: while the capture is stopped its slot keeps all log, until the disk is full",
        )
        .remedy("ALTER SYSTEM SET max_slot_wal_keep_size = '200GB'; SELECT pg_reload_conf(); -- less than the free disk space"),
        Some(bytes) if bytes < SLOT_WAL_KEEP_LOW_BYTES => Finding::warning(format!(
            "max_slot_wal_keep_size is {}: a stop longer than it takes to write that much makes the slot invalid",
            size(bytes)
        ))
        .code(Code::SLOT_INVALIDATED)
        .remedy("ALTER SYSTEM SET max_slot_wal_keep_size = '200GB'; SELECT pg_reload_conf(); -- less than the free disk space"),
        Some(bytes) => Finding::ok(format!("max_slot_wal_keep_size is {}", size(bytes))),
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
                "{}GRANT CONNECT ON DATABASE {} TO {};",
                on_the_primary(server),
                quoted_identifier(name),
                quoted_identifier(&server.role.name)
            ))
        }
        Some(_) => Finding::ok("the role may connect"),
    };
    needs.databases.iter().map(|name| judge(name).database(name)).collect()
}

/// Whether slots of waltap are in the way, of no use any more, or read by nobody while they keep much log.
pub fn judge_slots(needs: &ServerNeeds, slots: &[SlotState]) -> Vec<Finding> {
    let wanted: BTreeSet<String> = needs.databases.iter().map(|database| slot_name(&needs.capture, database)).collect();
    let judge = |slot: &SlotState| {
        let name = &slot.name;
        let database = slot.database.as_deref().unwrap_or_default();
        let capture = capture_of(name, database);
        let retained = slot.retained_bytes.unwrap_or(0);
        let finding = match (&slot.invalidation, slot.active, wanted.contains(name)) {
            (Some(invalidation), _, true) => Finding::problem(
                Code::SLOT_INVALIDATED,
                format!(
                    "the slot {name} is of no use any more ({}): changes between {} and {}, where the log ends now, that were not sent yet \
                     are lost to it",
                    invalidation.reason,
                    slot.confirmed_flush_lsn.unwrap_or_default(),
                    slot.server_lsn
                ),
            )
            .remedy(format!(
                "{}{}\n-- then capture again, which begins with a snapshot",
                invalidation.prevention().map_or_else(String::new, |prevention| format!("-- {prevention}\n")),
                drop_command(&needs.capture, database)
            )),
            (Some(invalidation), _, false) => {
                let finding = Finding::warning(format!("the slot {name} is of no use any more ({})", invalidation.reason));
                finding.remedy(capture.map_or_else(
                    || format!("SELECT pg_drop_replication_slot('{name}');"),
                    |capture| drop_command(capture, database),
                ))
            }
            (None, true, true) => {
                let reader = slot.active_pid.map_or_else(String::new, |pid| format!(" (server process {pid})"));
                Finding::warning(format!("the slot {name} is being read{reader}: this capture is running already"))
                    .code(Code::SLOT_IN_USE)
            }
            (None, false, true) => Finding::ok(format!("the slot {name} is there and keeps {} of log", size(retained))),
            // A capture that is stopped for a while is its owner's matter, until it endangers the disk.
            (None, false, false) if retained >= SLOT_RETAINED_MUCH_BYTES && capture != Some(&needs.capture) => {
                let of = capture.map_or_else(|| "somebody else".to_owned(), |capture| format!("the capture {capture}"));
                Finding::warning(format!(
                    "the slot {name} of {of} is read by nobody at the moment and keeps {} of log",
                    size(retained)
                ))
            }
            (None, _, false) => return None,
        };
        Some(match &slot.database {
            Some(database) => finding.database(database),
            None => finding,
        })
    };
    slots.iter().filter_map(judge).collect()
}

/// The command that gives up a capture in one database.
fn drop_command(capture: &str, database: &str) -> String {
    // The pattern of a database is a glob, unless it stands in double quotes.
    let plain = database.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let quoted = || format!("'\"{}\"'", database.replace('"', "\"\"").replace('\'', "'\\''"));
    let database = if plain { database.to_owned() } else { quoted() };
    format!("waltap slots drop --name {capture} --database {database} --source ... --brokers ...")
}

/// `1 slot is`, `2 slots are`.
fn counted(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what} is") } else { format!("{count} {what}s are") }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use waltap_pgoutput::Lsn;

    use super::*;
    use crate::preflight::Level;
    use crate::slot::Invalidation;

    fn slot(capture: &str, database: &str, retained_bytes: u64) -> SlotState {
        SlotState {
            name: slot_name(capture, database),
            plugin: Some("pgoutput".to_owned()),
            database: Some(database.to_owned()),
            restart_lsn: Some(Lsn(1)),
            confirmed_flush_lsn: Some(Lsn(1)),
            retained_bytes: Some(retained_bytes),
            server_lsn: Lsn(1),
            ..SlotState::default()
        }
    }

    #[test]
    fn a_stopped_capture_is_mentioned_when_it_endangers_the_disk() {
        let needs = ServerNeeds { capture: "main".to_owned(), databases: vec!["shop".to_owned()], without_tables: Vec::new() };
        // Our own, of a database that is not chosen this time; another's that keeps little; another's that keeps much.
        let slots = [slot("main", "crm", 8 << 30), slot("old", "shop", 56), slot("old", "crm", 3 << 30)];
        let findings = judge_slots(&needs, &slots);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert!(findings[0].what.contains("capture old") && findings[0].what.contains("3.0 GiB"), "{findings:#?}");
        assert_eq!(findings[0].remedy, None);
    }

    #[test]
    fn a_slot_of_no_use_comes_with_the_command_that_drops_it() {
        let needs = ServerNeeds { capture: "main".to_owned(), databases: vec!["My shop".to_owned()], without_tables: Vec::new() };
        let invalidation = Some(Invalidation { reason: "wal_removed".to_owned() });
        let slots = [
            SlotState { invalidation: invalidation.clone(), ..slot("main", "My shop", 0) },
            SlotState { invalidation: invalidation.clone(), ..slot("old", "shop", 0) },
            SlotState { invalidation, name: "waltaps".to_owned(), ..slot("old", "shop", 0) },
        ];
        let findings = judge_slots(&needs, &slots);
        let remedies: Vec<&str> = findings.iter().filter_map(|finding| finding.remedy.as_deref()).collect();
        assert!(remedies[0].starts_with("waltap slots drop --name main --database '\"My shop\"' --source"), "{remedies:?}");
        assert_eq!(remedies[1], "waltap slots drop --name old --database shop --source ... --brokers ...");
        assert_eq!(remedies[2], "SELECT pg_drop_replication_slot('waltaps');");
        assert_eq!((findings[0].level, findings[1].level), (Level::Problem, Level::Warning));
    }

    #[test]
    fn sizes_and_counts_are_for_people() {
        assert_eq!(size(56), "56 B");
        assert_eq!((size(16 << 20), size(200 << 30)), ("16.0 MiB".to_owned(), "200.0 GiB".to_owned()));
        assert_eq!((counted(1, "slot"), counted(2, "slot")), ("1 slot is".to_owned(), "2 slots are".to_owned()));
    }
}
