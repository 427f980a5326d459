//! Tables that are paused, or have not caught up, when a session begins.

use std::collections::BTreeMap;

use waltap_error::Result;

use super::Context;
use super::opening::reads;
use crate::position::Position;
use crate::progress::Progress;
use crate::slot_plan::{Kinship, ServerLog, check_behind};

/// How far tables are in Kafka that are behind, in the log that the server has.
pub(super) fn behind(
    context: &Context,
    progress: &Progress,
    log: &ServerLog,
    publications: &[String],
) -> Result<BTreeMap<u32, Position>> {
    let is_renumbered = progress.slot.as_ref().and_then(|record| record.reads.as_ref()) != Some(&reads(context, publications));
    let place = |from: Position| match from.ordinal {
        Some(_) if is_renumbered => Position { ordinal: Some(0), ..from },
        _ => from,
    };
    let shared = |place: Position| match log.kinship {
        Kinship::UpTo(left) => place.up_to(left),
        _ => place,
    };
    let behind: BTreeMap<u32, Position> = progress.behind().map(|(oid, _, paused)| (oid, shared(place(paused.from)))).collect();
    check_behind(&progress.names_behind(), context.options().streaming.two_phase)?;
    Ok(behind)
}

/// Tells that tables are not paused any more, since they are not captured any more.
pub(super) fn end_of_pauses(context: &Context, tables: &[String]) {
    for table in tables {
        tracing::warn!(
            database = context.database,
            table,
            "a table that was paused is not captured any more, or gone: its pause ends, and what was withheld of it is sent"
        );
    }
}
