//! Heartbeats: a mark in the log of the database now and then, which the slot has to pass.
//!
//! No slot needs them to give its log up: it follows the server's keepalives where nothing is to be sent. They show, on a server where
//! nobody writes, that the whole way still works: the slot moves, or the watchdog says what it waits for.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use waltap_error::Result;

use super::Context;

/// The task that writes them. It ends with this.
pub(super) struct Heartbeat(Option<JoinHandle<()>>);

impl Heartbeat {
    /// Begins, where they are asked for.
    pub(super) fn start(context: &Context) -> Self {
        // A standby cannot write any, which was said at the start.
        let can_write = !context.is_temporary() && !context.recovery.is_standby();
        let interval = context.options().guard.heartbeat_interval.filter(|_| can_write);
        Heartbeat(interval.map(|interval| tokio::spawn(run(context.clone(), interval))))
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn run(context: Context, interval: Duration) {
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_failed = false;
    loop {
        ticks.tick().await;
        let written = beat(&context).await;
        // Said once: the stream goes on without.
        if let Err(error) = &written
            && !has_failed
        {
            tracing::warn!(
                database = context.database,
                error = error.report(),
                remedy = error.remedy_text(),
                "no heartbeat can be written"
            );
        }
        has_failed = written.is_err();
    }
}

/// With a session of its own, since one that is open all the time would cost more than it is worth.
async fn beat(context: &Context) -> Result<()> {
    context.sql().await?.write_mark().await
}
