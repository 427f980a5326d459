//! What is said of a slot, or a log, that is not as it was left, and how to go on.

use waltap_error::{Code, Error};
use waltap_pgoutput::Lsn;
use waltap_postgres::slot::{NAME_PREFIX, SlotState, capture_of};

use super::{Kinship, ServerLog};
use crate::progress::SlotRecord;

pub(super) fn other_server(slot: &str, system_id: &str, record: &SlotRecord, found: Option<&SlotState>) -> Error {
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

/// The slot is gone. `lost` is where the server's log does not have what was sent, if it is so.
pub(super) fn dropped(slot: &str, acknowledged: Lsn, log: &ServerLog, lost: Option<Lsn>) -> Error {
    let failover = match log.kinship {
        Kinship::UpTo(left) => format!(
            " (timeline {} began at {left}: a standby became the primary, to which no slot comes along without --failover-slot, or the server \
             was restored)",
            log.timeline
        ),
        _ => String::new(),
    };
    let besides = lost.map_or_else(String::new, |lost| {
        format!("; and events up to {lost} are in Kafka whose transactions this server does not have")
    });
    let from = log.shared(acknowledged);
    Error::configuration(
        Code::SLOT_DROPPED,
        format!(
            "slot {slot} is gone from the server{failover}: changes between {from} and {}, where the log ends now, and those until there is a \
             slot again, are lost to it{besides}",
            log.end.max(from)
        ),
    )
    .remedy(start_anew(slot, None))
}

pub(super) fn moved(slot: &str, acknowledged: Lsn, confirmed: Lsn, found: &SlotState) -> Error {
    Error::configuration(
        Code::SLOT_MOVED,
        format!(
            "slot {slot} stands at {confirmed}, but waltap has confirmed no more than {acknowledged}: it was made anew or moved by somebody \
             else, and the changes in between may never have been sent"
        ),
    )
    .remedy(start_anew(slot, Some(found)))
}

/// The server does not have what was sent up to `reached`.
pub(super) fn went_back(slot: &str, reached: Lsn, log: &ServerLog, found: Option<&SlotState>) -> Error {
    let timeline = log.timeline;
    let what = match log.kinship {
        Kinship::Same => format!(
            "the server's log ends at {}, and waltap has sent what stood up to {reached} of it: the server was restored to an earlier state",
            log.end
        ),
        Kinship::UpTo(left) => format!(
            "the server's log has gone another way since {left}, where timeline {timeline} began, and waltap has sent what stood up to \
             {reached} of the earlier one: a standby became the primary that had not received all, or the server was restored to an earlier \
             time. Events between {left} and {reached} are in Kafka, and their transactions are not in this database"
        ),
        Kinship::Foreign => format!(
            "the server is on timeline {timeline}, which does not come from the one that waltap has read up to {reached}: the server was \
             restored, or another standby became the primary"
        ),
    };
    let gone = if found.is_none() { "; its slot is gone too" } else { "" };
    Error::configuration(Code::SERVER_WENT_BACK, format!("slot {slot}: {what}{gone}")).remedy(start_anew(slot, found))
}

/// A standby that was killed replays its log from an earlier place, and takes connections before it is where it was.
pub(super) fn behind(slot: &str, reached: Lsn, log: &ServerLog) -> Error {
    Error::transient(
        Code::STANDBY,
        format!(
            "slot {slot}: the standby has replayed its log up to {}, and waltap has sent what stands up to {reached}: waiting",
            log.end
        ),
    )
    .remedy("nothing, while it catches up; if it has lost its primary: let it find one again")
}

/// The slot is one of a standby, and the primary was reached.
pub(super) fn elsewhere(slot: &str) -> Error {
    Error::transient(
        Code::STANDBY,
        format!("slot {slot}: the standby that was read is not this server, which is a primary of the same timeline: waiting for the standby"),
    )
    .remedy(format!(
        "name the standby alone in --source, not with its primary behind the same address; if the standby is gone for good, its slot is too: {}",
        start_anew(slot, None)
    ))
}

pub(super) fn unknown(slot: &str, confirmed: Lsn, found: &SlotState) -> Error {
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

pub(super) fn start_anew(slot: &str, found: Option<&SlotState>) -> String {
    format!(
        "start anew, with a snapshot that brings every table up to date: {}, then capture again; rows deleted meanwhile stay in the topics \
         unless they are emptied first",
        drop_command(slot, found)
    )
}

/// The command that gives up the slot and its progress. The slot's name tells the capture where its database is known, or where both
/// names are in it as they are.
pub(super) fn drop_command(slot: &str, found: Option<&SlotState>) -> String {
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
