//! A session: from connecting to the end of the connection, with a ledger and a sink of its own.

mod asks;
mod batches;
mod board;
mod bursts;
mod chunks;
mod delivery;
mod ending;
mod pausing;
mod replaying;
mod rows;
mod snapshot_only;
mod streaming;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use waltap_error::Result;
use waltap_ledger::GroupId;
use waltap_postgres::catalog::Table;

use self::delivery::Delivery;
use self::rows::Exporting;
use self::snapshot_only::read_once;
use self::streaming::stream;
use super::chunks::Chunks;
use super::discovery::Discovery;
use super::export::HeldSnapshot;
use super::heartbeat::Heartbeat;
use super::opening::{self, Opening};
use super::side_topics::Pulse;
use super::spill::Replay;
use super::standing::Standing;
use super::stream::Stream;
use super::{Context, TypeCache, stop_asked};
use crate::options::SnapshotMode;
use crate::progress::Progress;
use crate::requests::Requested;
use crate::sink::Reports;
use crate::source::Status;
use crate::status::TapState;

/// How a session ended when nothing was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was told to stop.
    Asked,
    /// `--snapshot only`: every row is confirmed.
    SnapshotDone,
}

/// Runs one session.
pub(crate) async fn run(context: &Context, shutdown: &mut watch::Receiver<bool>) -> Result<Ended> {
    if context.options().snapshot == SnapshotMode::Only {
        return read_once(context, shutdown).await;
    }
    let opening = loop {
        match until_shutdown(shutdown, opening::open(context)).await? {
            None => return Ok(Ended::Asked),
            Some(Opening::Ready(ready)) => break ready,
            Some(Opening::Idle) => {
                context.board.set_state(TapState::Idle);
                if until_shutdown(shutdown, sleep(context.options().discovery_interval)).await?.is_none() {
                    return Ok(Ended::Asked);
                }
            }
        }
    };
    // Boxed: it is made once a session.
    Box::pin(stream(context, *opening, shutdown)).await
}

async fn sleep(duration: Duration) -> Result<()> {
    tokio::time::sleep(duration).await;
    Ok(())
}

/// `None` when the stop came first.
async fn until_shutdown<T>(shutdown: &mut watch::Receiver<bool>, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    tokio::select! {
        biased;
        () = stop_asked(shutdown) => Ok(None),
        result = work => result.map(Some),
    }
}

/// What a streaming session has, beside the connection itself.
struct Session<'a> {
    context: &'a Context,
    progress: Progress,
    types: TypeCache,
    /// The captured tables, as discovery last saw them.
    catalog: Arc<[Table]>,
    reports: Reports,
    stream: Stream,
    pulse: Pulse,
    status: Status,
    delivery: Delivery,
    standing: Standing,
    discovery: Discovery,
    _heartbeat: Heartbeat,
    /// A snapshot under which tables are read again once the stream has reached it.
    held: Option<HeldSnapshot>,
    /// A snapshot on its way, for tables that have joined.
    exporting: Option<Exporting>,
    /// Tables whose rows are read while the stream goes on.
    chunks: Chunks,
    requested: watch::Receiver<Arc<Requested>>,
    /// A transaction that has waited for its commit and is being sent. No frame is taken meanwhile.
    replaying: Option<Replay>,
    /// Whether the session is to end, since another one begins at another place.
    begins_anew: bool,
    /// Whether frames have arrived that were not taken, since something else goes first.
    is_cut: bool,
    confirmations: Vec<(GroupId, u64)>,
    /// Of the stream's events, those that are on the board.
    events_shown: u64,
    /// When the frames that are being taken had come.
    batch_began: Instant,
    /// Of how many tables the last batch was.
    batch_tables: usize,
}
