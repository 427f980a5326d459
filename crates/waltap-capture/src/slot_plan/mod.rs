//! What to do with the slot that is there, or is not: decided from what progress remembers and what the server says.
//!
//! Invariant 5 lives here: a slot that was dropped, made anew, invalidated or moved by somebody else is never gone on with in silence, and
//! neither is a server whose log is not the one that was read.

mod checks;
mod errors;
mod server_log;
#[cfg(test)]
mod tests;

use waltap_error::{Code, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::slot::SlotState;

pub(crate) use self::checks::{check_behind, check_cluster, check_standby, check_two_phase};
pub(crate) use self::server_log::{Kinship, ServerLog};

use self::checks::check_usable;
use self::errors::{behind, dropped, elsewhere, moved, other_server, unknown, went_back};
use crate::options::SnapshotMode;
use crate::progress::SlotRecord;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotPlan {
    /// This capture has no slot here: make one.
    Create,
    /// Go on with it. The stream begins at the slot's own confirmed place, given here.
    Resume(Lsn),
}

/// What the slot of a capture should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) slot: &'a str,
    pub(crate) record: Option<&'a SlotRecord>,
    /// The last event that this process has sent, where it knows more of that than the record does.
    pub(crate) sent: Option<Lsn>,
    pub(crate) mode: SnapshotMode,
}

/// Decides. `log` is that of the server that was reached.
pub(crate) fn plan(expected: Expected<'_>, log: &ServerLog, found: Option<&SlotState>) -> Result<SlotPlan> {
    let Expected { slot, record, mode, .. } = expected;
    if let Some(record) = record
        && record.system_id != log.system_id
    {
        return Err(other_server(slot, &log.system_id, record, found));
    }
    let acknowledged = record.and_then(|record| record.acknowledged);
    if let Some(acknowledged) = acknowledged {
        // A standby that was promoted has a timeline of its own: this is its primary, and the slot may be well where it is.
        let reads_standby = record.is_some_and(|record| record.on_standby);
        if found.is_none() && reads_standby && !log.is_of_standby && log.kinship == Kinship::Same {
            return Err(elsewhere(slot));
        }
        // Of others more was sent than the slot may forget, where a table is paused.
        let reached = record.and_then(SlotRecord::reached).unwrap_or(acknowledged);
        let lost = lost_log(&expected, reached, log, found);
        // A slot that is gone says more: it is what a failover leaves that slots do not follow.
        if found.is_none() && (lost.is_none() || matches!(log.kinship, Kinship::UpTo(_))) {
            return Err(dropped(slot, acknowledged, log, lost));
        }
        if let Some(reached) = lost {
            if log.is_of_standby && log.kinship == Kinship::Same {
                return Err(behind(slot, reached, log));
            }
            return Err(went_back(slot, reached, log, found));
        }
    }
    let Some(found) = found else {
        // The record without a place is written before the slot is made: a crash in between leaves nothing to lose.
        return Ok(SlotPlan::Create);
    };
    check_usable(slot, found)?;
    let confirmed = found.confirmed_flush_lsn.unwrap_or_default();
    match (record, acknowledged.map(|acknowledged| log.shared(acknowledged))) {
        // Made by us just before a crash, or by the user for us under `never`.
        (Some(_), None) => Ok(SlotPlan::Resume(confirmed)),
        (_, Some(acknowledged)) if confirmed > acknowledged => Err(moved(slot, acknowledged, confirmed, found)),
        (Some(_), Some(_)) => Ok(SlotPlan::Resume(confirmed)),
        (None, _) if mode == SnapshotMode::Never => Ok(SlotPlan::Resume(confirmed)),
        (None, _) => Err(unknown(slot, confirmed, found)),
    }
}

/// Where what was sent is not in the server's log any more, if it is so.
fn lost_log(expected: &Expected<'_>, acknowledged: Lsn, log: &ServerLog, found: Option<&SlotState>) -> Option<Lsn> {
    let position = expected.record.and_then(|record| record.position).map(|position| position.last_event());
    // The slot was looked at later, when the log may have been longer.
    let end = found.map_or(log.end, |found| found.server_lsn.max(log.end));
    ServerLog { end, ..log.clone() }.lacks(acknowledged, position.max(expected.sent))
}

/// Whether an error says that the slot, or the log behind it, is lost: what `--on-slot-lost resnapshot` is for.
pub(crate) fn is_loss(code: Code) -> bool {
    matches!(code, Code::SLOT_DROPPED | Code::SLOT_MOVED | Code::SLOT_INVALIDATED | Code::SERVER_WENT_BACK)
}
