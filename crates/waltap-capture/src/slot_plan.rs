//! What to do with the slot that is there, or is not: decided from what progress remembers and what the server says.
//!
//! Invariant 5 lives here: a slot that was dropped, made anew, invalidated or moved by somebody else is never gone on with in silence.

use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::slot::{NAME_PREFIX, SlotState, capture_of};

use crate::options::SnapshotMode;
use crate::position::Position;
use crate::progress::SlotRecord;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotPlan {
    /// This capture has no slot here: make one.
    Create,
    /// Go on with it. The stream begins at the slot's own confirmed place, given here.
    Resume(Lsn),
}

/// Decides. `slot` names what is looked for, `system_id` the server that was reached.
pub(crate) fn plan(
    slot: &str,
    system_id: &str,
    remembered: Option<&SlotRecord>,
    found: Option<&SlotState>,
    mode: SnapshotMode,
) -> Result<SlotPlan> {
    if let Some(record) = remembered
        && record.system_id != system_id
    {
        return Err(other_server(slot, system_id, record, found));
    }
    let Some(found) = found else {
        return match remembered {
            // The record without a place is written before the slot is made: a crash in between leaves nothing to lose.
            None | Some(SlotRecord { acknowledged: None, .. }) => Ok(SlotPlan::Create),
            Some(SlotRecord { acknowledged: Some(acknowledged), .. }) => Err(dropped(slot, *acknowledged)),
        };
    };
    check_usable(slot, found)?;
    let confirmed = found.confirmed_flush_lsn.unwrap_or_default();
    match remembered {
        // Made by us just before a crash, or by the user for us under `never`.
        Some(SlotRecord { acknowledged: None, .. }) => Ok(SlotPlan::Resume(confirmed)),
        Some(SlotRecord { acknowledged: Some(acknowledged), .. }) if confirmed > *acknowledged => {
            Err(moved(slot, *acknowledged, confirmed, found))
        }
        Some(_) => Ok(SlotPlan::Resume(confirmed)),
        None if mode == SnapshotMode::Never => Ok(SlotPlan::Resume(confirmed)),
        None => Err(unknown(slot, confirmed, found)),
    }
}

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

/// Whether a slot that is there can be read by us, now.
fn check_usable(slot: &str, found: &SlotState) -> Result<()> {
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
                "the server invalidated slot {slot} ({}): changes after {confirmed} that were not sent yet are lost to it",
                invalidation.reason
            ),
        )
        .remedy(start_anew(slot, Some(found))));
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

fn other_server(slot: &str, system_id: &str, record: &SlotRecord, found: Option<&SlotState>) -> Error {
    Error::configuration(
        Code::OTHER_SERVER,
        format!(
            "slot {slot} belongs to the server with system identifier {}, and this one has {system_id}: its log is another one",
            record.system_id
        ),
    )
    .remedy(format!(
        "correct --source; or give this capture another --name; or start anew on this server: {}, then capture again",
        drop_command(slot, found)
    ))
}

fn dropped(slot: &str, acknowledged: Lsn) -> Error {
    Error::configuration(
        Code::SLOT_DROPPED,
        format!("slot {slot} is gone from the server: changes after {acknowledged} that were not sent yet are lost to it"),
    )
    .remedy(start_anew(slot, None))
}

fn moved(slot: &str, acknowledged: Lsn, confirmed: Lsn, found: &SlotState) -> Error {
    Error::configuration(
        Code::SLOT_MOVED,
        format!(
            "slot {slot} stands at {confirmed}, but waltap has confirmed no more than {acknowledged}: it was made anew or moved by somebody \
             else, and the changes in between may never have been sent"
        ),
    )
    .remedy(start_anew(slot, Some(found)))
}

/// The server's log ends before a place that it had reached.
pub(crate) fn went_back(record: &SlotRecord, position: Position, found: &SlotState) -> Error {
    Error::configuration(
        Code::OTHER_SERVER,
        format!(
            "the server's log ends at {}, and waltap has sent events up to {} of it: the server was restored to an earlier state",
            found.server_lsn, position.commit_lsn
        ),
    )
    .remedy(start_anew(&record.slot, Some(found)))
}

fn unknown(slot: &str, confirmed: Lsn, found: &SlotState) -> Error {
    Error::configuration(
        Code::SLOT_UNKNOWN,
        format!("slot {slot} is there, at {confirmed}, but the progress topic knows nothing of it: it cannot be told what was sent from it"),
    )
    .remedy(format!(
        "if progress was lost, start anew: {}, then capture again; to stream from where the slot stands, without the rows before it: \
         --snapshot never; to leave the slot to its owner: another --name",
        drop_command(slot, Some(found))
    ))
}

fn start_anew(slot: &str, found: Option<&SlotState>) -> String {
    format!(
        "start anew, with a snapshot that brings every table up to date: {}, then capture again; rows deleted meanwhile stay in the topics \
         unless they are emptied first",
        drop_command(slot, found)
    )
}

/// The command that gives up the slot and its progress. The slot's name tells the capture where its database is known, or where both
/// names are in it as they are.
fn drop_command(slot: &str, found: Option<&SlotState>) -> String {
    let database = found.and_then(|found| found.database.as_deref());
    let names = match database {
        Some(database) => capture_of(slot, database).map(|capture| (capture, database)),
        None => slot.strip_prefix(NAME_PREFIX).filter(|_| !ends_with_hash(slot)).and_then(|names| names.split_once('_')),
    };
    match names {
        Some((capture, database)) if is_plain(database) => {
            format!("`waltap slots drop --name {capture} --database {database} --source ... --brokers ...`")
        }
        _ => "`waltap slots drop --name NAME --database DATABASE --source ... --brokers ...`".to_owned(),
    }
}

/// Whether a slot's name may end with what keeps two names apart that would be one.
fn ends_with_hash(slot: &str) -> bool {
    slot.rsplit_once('_').is_some_and(|(_, end)| end.len() == 8 && end.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a database's name stands for itself, on a command line and as a pattern.
fn is_plain(database: &str) -> bool {
    database.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use waltap_postgres::slot::Invalidation;

    fn found(confirmed: u64) -> SlotState {
        SlotState {
            name: "s".to_owned(),
            plugin: Some("pgoutput".to_owned()),
            database: Some("shop".to_owned()),
            temporary: false,
            active: false,
            two_phase: false,
            active_pid: None,
            restart_lsn: Some(Lsn(1)),
            confirmed_flush_lsn: Some(Lsn(confirmed)),
            wal_status: None,
            safe_wal_bytes: None,
            invalidation: None,
            retained_bytes: None,
            server_lsn: Lsn(1_000),
        }
    }

    fn record(acknowledged: Option<u64>) -> SlotRecord {
        SlotRecord {
            system_id: "7".to_owned(),
            slot: "s".to_owned(),
            cluster: None,
            acknowledged: acknowledged.map(Lsn),
            position: None,
            timeline: None,
            reads: None,
        }
    }

    fn decide(remembered: Option<SlotRecord>, found: Option<SlotState>) -> Result<SlotPlan, Code> {
        plan("s", "7", remembered.as_ref(), found.as_ref(), SnapshotMode::Initial).map_err(|error| error.code())
    }

    #[test]
    fn a_first_start_and_a_crash_before_the_slot_make_one() {
        assert_eq!(decide(None, None), Ok(SlotPlan::Create));
        assert_eq!(decide(Some(record(None)), None), Ok(SlotPlan::Create));
        assert_eq!(decide(Some(record(None)), Some(found(50))), Ok(SlotPlan::Resume(Lsn(50))));
    }

    #[test]
    fn a_slot_that_is_behind_the_record_goes_on() {
        assert_eq!(decide(Some(record(Some(100))), Some(found(100))), Ok(SlotPlan::Resume(Lsn(100))));
        assert_eq!(decide(Some(record(Some(100))), Some(found(60))), Ok(SlotPlan::Resume(Lsn(60))));
    }

    #[test]
    fn every_loss_stops_with_its_code() {
        assert_eq!(decide(Some(record(Some(100))), None), Err(Code::SLOT_DROPPED));
        assert_eq!(decide(Some(record(Some(100))), Some(found(101))), Err(Code::SLOT_MOVED));
        assert_eq!(decide(None, Some(found(5))), Err(Code::SLOT_UNKNOWN));
        let lost = SlotState { invalidation: Some(Invalidation { reason: "wal_removed".to_owned() }), ..found(100) };
        assert_eq!(decide(Some(record(Some(100))), Some(lost)), Err(Code::SLOT_INVALIDATED));
        let other = SlotRecord { system_id: "8".to_owned(), ..record(Some(100)) };
        assert_eq!(decide(Some(other), Some(found(100))), Err(Code::OTHER_SERVER));
        let busy = SlotState { active: true, active_pid: Some(9), ..found(100) };
        let error = plan("s", "7", Some(&record(Some(100))), Some(&busy), SnapshotMode::Initial).unwrap_err();
        assert_eq!((error.code(), error.kind()), (Code::SLOT_IN_USE, waltap_error::Kind::Transient));
    }

    #[test]
    fn the_remedy_is_a_command_that_can_be_run() {
        let acknowledged = record(Some(100));
        let plan = |slot: &str, found: Option<SlotState>| {
            plan(slot, "7", Some(&acknowledged), found.as_ref(), SnapshotMode::Initial)
                .unwrap_err()
                .remedy_text()
                .unwrap()
                .to_owned()
        };
        let full = "`waltap slots drop --name waltap --database shop --source ... --brokers ...`";
        assert!(plan("waltap_waltap_shop", None).contains(full));
        assert!(plan("waltap_waltap_shop", Some(found(101))).contains(full));
        let hashed = waltap_postgres::slot::slot_name("my_capture", "shop");
        assert!(plan(&hashed, None).contains("--name NAME --database DATABASE"));
        assert!(plan(&hashed, Some(found(101))).contains("--name my_capture --database shop"));
        let busy = SlotState { active: true, ..found(100) };
        assert!(plan("waltap_waltap_shop", Some(busy)).ends_with("WHERE active AND slot_name = 'waltap_waltap_shop';"));
    }

    #[test]
    fn without_a_snapshot_a_slot_that_the_user_made_is_taken() {
        assert_eq!(plan("s", "7", None, Some(&found(5)), SnapshotMode::Never).unwrap(), SlotPlan::Resume(Lsn(5)));
    }

    #[test]
    fn another_cluster_is_refused() {
        let of = |acknowledged, cluster: Option<&str>| SlotRecord { cluster: cluster.map(str::to_owned), ..record(acknowledged) };
        let check = |record: SlotRecord, now| check_cluster(Some(&record), now, None).map_err(|error| error.code());
        assert_eq!(check(of(Some(100), Some("a")), Some("b")), Err(Code::OTHER_CLUSTER));
        assert_eq!(check(of(Some(100), Some("a")), Some("a")), Ok(()));
        assert_eq!(check(of(Some(100), None), Some("b")), Ok(()), "written before clusters were");
        assert_eq!(check(of(Some(100), Some("a")), None), Ok(()));
        assert_eq!(check(of(None, Some("a")), Some("b")), Ok(()), "nothing was read");
        assert!(check_cluster(None, Some("b"), None).is_ok());
    }

    #[test]
    fn a_slot_of_two_phases_stays_one() {
        let two_phase = SlotState { two_phase: true, ..found(100) };
        let error = check_two_phase("s", Some(&two_phase), false).unwrap_err();
        assert_eq!((error.code(), error.kind()), (Code::TWO_PHASE, waltap_error::Kind::Configuration));
        assert!(error.remedy_text().is_some_and(|remedy| remedy.starts_with("give --two-phase")));
        assert!(check_two_phase("s", Some(&two_phase), true).is_ok());
        // The server makes it one of two phases.
        assert!(check_two_phase("s", Some(&found(100)), true).is_ok());
        assert!(check_two_phase("s", None, false).is_ok());
    }
}
