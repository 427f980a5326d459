//! What must be right of a slot, whatever became of it.

use waltap_error::{Code, Error, Result};
use waltap_postgres::catalog::DECODING_STANDBYS;
use waltap_postgres::slot::SlotState;

use super::errors::{drop_command, start_anew};
use crate::progress::SlotRecord;

/// Whether this is the Kafka cluster that the events of before are in. `cluster` is the id of the one that was reached.
pub(crate) fn check_cluster(remembered: Option<&SlotRecord>, cluster: Option<&str>, found: Option<&SlotState>) -> Result<()> {
    // A slot that was not read yet has no events anywhere.
    let Some(record) = remembered.filter(|record| record.acknowledged.is_some()) else { return Ok(()) };
    match (&record.cluster, cluster) {
        (Some(before), Some(now)) if before != now => Err(Error::configuration(
            Code::OTHER_CLUSTER,
            format!(
                "the events of slot {} went to the Kafka cluster {before}, and this one is {now}: what PostgreSQL has forgotten since need not be in it",
                record.slot
            ),
        )
        .remedy(format!(
            "correct --brokers; or, where this cluster is meant from now on, start anew in it: {}, then capture again",
            drop_command(&record.slot, found)
        ))),
        _ => Ok(()),
    }
}

/// Whether a slot that is there sends transactions when it is asked to. The server makes a slot of two phases out of another one when the
/// stream starts, but never the other way: what was sent when it was prepared would be sent again at its commit, as another transaction.
pub(crate) fn check_two_phase(slot: &str, found: Option<&SlotState>, wanted: bool) -> Result<()> {
    let Some(found) = found.filter(|found| found.two_phase && !wanted) else { return Ok(()) };
    Err(Error::configuration(
        Code::TWO_PHASE,
        format!("slot {slot} sends transactions when they are prepared, and --two-phase is not given: that cannot be undone"),
    )
    .remedy(format!("give --two-phase; or another --name; or start anew: {}", drop_command(slot, Some(found)))))
}

/// Whether a capture can work with its server, which is a standby. `record` is what progress says of the slot.
///
/// A slot of a capture that reads a primary is not there, or only kept for that primary: the address may lead to the standby a moment before
/// it is promoted. So that is waited for, and no slot is made there. A primary that was read and is a standby now still has the slot, and may
/// not have the log that was read from it: its capture waits too.
pub(crate) fn check_standby(capture: &str, version: u32, record: Option<&SlotRecord>, found: Option<&SlotState>) -> Result<()> {
    let waits = |what: &str, remedy: String| Err(Error::transient(Code::STANDBY, what).remedy(remedy));
    if version < DECODING_STANDBYS {
        return waits(
            "the server is a standby: waiting until it is the primary",
            "if it is not to become one: name the primary, or all hosts with target_session_attrs=primary; a standby can be read from \
             PostgreSQL 16 on"
                .to_owned(),
        );
    }
    let reads_primary = record.is_some_and(|record| record.acknowledged.is_some() && !record.on_standby);
    match found {
        Some(found) if !found.synced && !reads_primary => Ok(()),
        None if !reads_primary => Ok(()),
        _ => waits(
            "the server is a standby, and the slot of this capture is on its primary: waiting until it is the primary",
            format!(
                "if it is not to become one: name the primary, or all hosts with target_session_attrs=primary; to read from the standby: another \
                 --name, or give up what was read from the primary first, there: waltap slots drop --name {capture}"
            ),
        ),
    }
}

/// Whether tables may be behind others, given by name: what the server sends of transactions when they are prepared, it does not send again.
pub(crate) fn check_behind(tables: &[String], two_phase: bool) -> Result<()> {
    if tables.is_empty() || !two_phase {
        return Ok(());
    }
    let message = format!(
        "tables are paused, or have not caught up ({}): with --two-phase the server would not send again what was prepared meanwhile",
        tables.join(", ")
    );
    Err(Error::configuration(Code::TWO_PHASE, message)
        .remedy("capture without --two-phase, `waltap resume --table` them, and give it once they have caught up"))
}

/// Whether a slot that is there can be read by us, now.
pub(super) fn check_usable(slot: &str, found: &SlotState) -> Result<()> {
    if let Some(plugin) = found.plugin.as_deref().filter(|plugin| *plugin != "pgoutput") {
        return Err(Error::configuration(
            Code::SLOT_UNKNOWN,
            format!("slot {slot} is there, but decodes with {plugin} instead of pgoutput"),
        )
        .remedy("give this capture another name with --name"));
    }
    if let Some(invalidation) = &found.invalidation {
        let confirmed = found.confirmed_flush_lsn.unwrap_or_default();
        return Err(Error::configuration(
            Code::SLOT_INVALIDATED,
            format!(
                "the server invalidated slot {slot} ({}): changes between {confirmed} and {}, where the log ends now, that were not sent yet \
                 are lost to it",
                invalidation.reason, found.server_lsn
            ),
        )
        .remedy(match invalidation.prevention() {
            Some(prevention) => format!("{prevention}; then {}", start_anew(slot, Some(found))),
            None => start_anew(slot, Some(found)),
        }));
    }
    if found.active {
        let reader = found.active_pid.map_or_else(String::new, |pid| format!(" (server process {pid})"));
        return Err(Error::transient(Code::SLOT_IN_USE, format!("slot {slot} is read by another connection{reader}")).remedy(
            format!(
                "another waltap with the same --name may be running; otherwise the server ends a dead connection after wal_sender_timeout, \
                 or at once by SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND slot_name = '{slot}';"
            ),
        ));
    }
    Ok(())
}
