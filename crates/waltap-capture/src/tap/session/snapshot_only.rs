//! `--snapshot only`: every table is read, and nothing is streamed.

use std::sync::Arc;

use tokio::sync::watch;
use waltap_error::Result;

use super::super::export::export;
use super::super::opening::open_once;
use super::super::{Context, TypeCache};
use super::delivery::abort;
use super::{Ended, until_shutdown};
use crate::sink::Reports;
use crate::snapshot::Reading;
use crate::status::TapState;

/// Reads every table. What was sent of one when the stop came is rolled back, so that readers do not wait for it.
pub(super) async fn read_once(context: &Context, shutdown: &mut watch::Receiver<bool>) -> Result<Ended> {
    context.board.set_state(TapState::Snapshot);
    let Some((mut progress, mut held)) = until_shutdown(shutdown, open_once(context)).await? else { return Ok(Ended::Asked) };
    let reports = Reports::default();
    let Some(sink) = until_shutdown(shutdown, context.open_sink(reports.clone(), 0)).await? else { return Ok(Ended::Asked) };
    // At least once the one that was opened has done its part: dead letters have their topic.
    let sink = context.bulk_sink(&Arc::new(sink), &reports)?;
    let mut types = TypeCache::default();
    loop {
        let reading = Reading { context, sink: &sink, reports: &reports, snapshot: &held.snapshot };
        let read = until_shutdown(shutdown, reading.read(&mut progress, &mut types, held.tables)).await;
        if !matches!(read, Ok(Some(_))) {
            abort(context, &sink).await;
        }
        let Some(changed) = read? else { return Ok(Ended::Asked) };
        if changed.is_empty() {
            return Ok(Ended::SnapshotDone);
        }
        let Some(next) = until_shutdown(shutdown, export(context.clone(), changed)).await? else { return Ok(Ended::Asked) };
        held = next;
    }
}
