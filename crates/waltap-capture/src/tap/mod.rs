//! The tap: the running part of a capture that reads one database. It works in sessions; what ends a session decides what comes next.

mod acknowledger;
mod anew;
mod behind;
mod chunks;
mod claim;
mod context;
mod dead_letters;
mod discovery;
mod examination;
mod export;
mod heartbeat;
mod leaves;
mod opening;
mod pace;
mod pause;
mod route;
mod sent;
mod session;
mod shapes;
mod side_topics;
mod spill;
mod standby;
mod standing;
mod stream;
mod table_version;
mod tables;
mod topics;
mod transactions;
mod types;
mod uncovered;

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use waltap_error::{Code, Error, Kind, Result};
use waltap_postgres::slot::publication_names;

pub(crate) use context::{Context, Destination, KafkaDestination, Shared};
pub(crate) use route::{OUTBOX_REMEDY, Route, routes};
pub(crate) use session::Ended;
pub(crate) use shapes::{FromCatalog, check_treatment, encoder, prepare, snapshot_shape, stream_shape};
pub(crate) use spill::{Waiting, check_directory};
pub(crate) use table_version::TableVersion;
pub(crate) use types::TypeCache;
pub(crate) use uncovered::{Covered, compare_with_catalog};

use crate::status::TapState;

/// The first wait after a transient error. Doubled each time, up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(500);

/// The longest wait: short enough that a server that is back is noticed before anybody asks.
const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// How long a session whose slot is given up may take to end by itself. Longer than it waits for Kafka to roll back.
const GIVE_UP_PATIENCE: Duration = Duration::from_secs(3);

/// A session that lasted this long was a good one: the next wait is short again.
const SESSION_GOOD: Duration = Duration::from_secs(60);

/// Runs a tap until it is told to stop, or its work is done, or an error ends it that somebody must mend.
pub(crate) async fn run(context: Context, mut shutdown: watch::Receiver<bool>) -> Result<Ended> {
    let mut backoff = BACKOFF_MIN;
    let mut was_lost = false;
    loop {
        if *shutdown.borrow() {
            context.board.set_state(TapState::Stopped);
            return Ok(Ended::Asked);
        }
        let started = Instant::now();
        let is_paused = context.requested.borrow().paused;
        context.recovery.forget();
        let (end, mut ending) = watch::channel(false);
        let told_to_end = async {
            tokio::select! {
                biased;
                () = stop_asked(&mut shutdown) => {}
                () = pause::changed(&context, is_paused) => {}
                () = context.recovery.promoted() => {
                    tracing::warn!(
                        database = context.database,
                        slot = context.slot,
                        "the standby has become a primary: the slot goes on, in a new session"
                    );
                }
            }
            end.send_replace(true);
        };
        let mut work = Box::pin(async {
            match is_paused {
                true => pause::rest(&context, &mut ending).await,
                false => {
                    context.board.set_state(TapState::Starting);
                    // Boxed: a session's future is large, and it is made once a connection.
                    Box::pin(session::run(&context, &mut ending)).await
                }
            }
        });
        let ended = tokio::select! {
            biased;
            error = context.shared.given_up.of(&context.database) => {
                // Kafka may not answer, so nothing is waited for but the roll back of what is open there: what is not confirmed goes with the slot.
                let _ = timeout(GIVE_UP_PATIENCE, &mut work).await;
                Err(error)
            }
            never = told_and_forgotten(told_to_end) => match never {},
            ended = &mut work => ended,
        };
        drop(work);
        let error = match ended {
            // It was told to rest, or to go on; or a standby was promoted.
            Ok(Ended::Asked) if !*shutdown.borrow() && shutdown.has_changed().is_ok() => continue,
            Ok(ended) => {
                if context.is_temporary() {
                    remove_publications(&context).await;
                }
                context.board.set_state(TapState::Stopped);
                return Ok(ended);
            }
            Err(error) => context.judge(error).await,
        };
        if error.code() == Code::RETAINED_WAL {
            // Not failed yet: a capture with no other tap ends with this one, and the guard with it.
            context.board.fail(&error, TapState::Waiting);
            tokio::select! {
                biased;
                () = stop_asked(&mut shutdown) => {}
                _ = context.shared.given_up.gone(&context.database) => {}
            }
        }
        if started.elapsed() >= SESSION_GOOD {
            (backoff, was_lost) = (BACKOFF_MIN, false);
        }
        // The next session finds the loss at its opening, and begins anew. If it does not find it, this one stands.
        let is_mended = anew::mends(&context, &error) && !std::mem::replace(&mut was_lost, true);
        if error.kind() != Kind::Transient && !is_mended {
            if context.is_temporary() {
                remove_publications(&context).await;
            }
            context.board.fail(&error, TapState::Failed);
            log_failure(&context, &error);
            return Err(error);
        }
        context.board.fail(&error, TapState::Waiting);
        context.board.facts().reconnects += 1;
        tracing::warn!(
            database = context.database,
            code = %error.code(),
            error = error.report(),
            remedy = error.remedy_text(),
            retry_in = ?backoff,
            "the tap begins again"
        );
        tokio::select! {
            biased;
            () = stop_asked(&mut shutdown) => {}
            () = tokio::time::sleep(backoff) => {}
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Tells, and never ends.
async fn told_and_forgotten(tell: impl Future<Output = ()>) -> Infallible {
    tell.await;
    std::future::pending().await
}

/// Waits until the capture is told to stop. Who could tell it being gone counts too.
pub(crate) async fn stop_asked(shutdown: &mut watch::Receiver<bool>) {
    // The guard that comes back would hold up the sender.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Leaves nothing behind of a tap that was only for looking: its slot went with the session, its publications go now.
async fn remove_publications(context: &Context) {
    if context.options().publication.is_some() || context.recovery.is_standby() {
        // It made none.
        return;
    }
    let remove = async {
        let sql = context.sql().await?;
        for name in publication_names(&context.name).both() {
            sql.drop_publication(name).await?;
        }
        Ok::<(), Error>(())
    };
    if let Err(error) = remove.await {
        tracing::warn!(
            database = context.database,
            error = error.report(),
            "the publications of this look stay behind: waltap slots list shows them"
        );
    }
}

fn log_failure(context: &Context, error: &Error) {
    tracing::error!(
        database = context.database,
        code = %error.code(),
        kind = %error.kind(),
        error = error.report(),
        remedy = error.remedy_text(),
        "the tap has stopped"
    );
}
