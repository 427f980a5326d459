//! Resting: a tap that was asked to pause keeps its slot, and its claim on it, and does nothing.

use tokio::sync::watch;
use waltap_error::Result;

use super::claim::{Claim, claim};
use super::{Context, Ended, stop_asked};
use crate::status::TapState;

/// Waits until it is wished that the tap rests, or goes on, other than it does.
pub(super) async fn changed(context: &Context, is_paused: bool) {
    let mut requested = context.requested.clone();
    if requested.wait_for(|requested| requested.paused != is_paused).await.is_err() {
        // There is nobody any more to wish anything.
        std::future::pending().await
    }
}

/// Rests until told to end. The claim is held meanwhile, so that another process of the capture does not take the slot for one that
/// nobody has; it would rest as well.
pub(super) async fn rest(context: &Context, ending: &mut watch::Receiver<bool>) -> Result<Ended> {
    let resting = async {
        let sql = context.sql().await?;
        claim(context, &sql).await?;
        context.board.set_state(TapState::Paused);
        tracing::warn!(
            database = context.database,
            slot = context.slot,
            "the tap is paused: nothing is sent, and the slot keeps the server's log until waltap resume"
        );
        Claim::new(context, sql).while_held(std::future::pending::<Result<Ended>>()).await
    };
    tokio::select! {
        biased;
        () = stop_asked(ending) => Ok(Ended::Asked),
        result = resting => result,
    }
}
