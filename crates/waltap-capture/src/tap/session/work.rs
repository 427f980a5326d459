//! The work of a streaming session: whatever is ready, one thing after the other, until the stop.

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use waltap_error::Result;
use waltap_postgres::replication::Filled;

use super::super::export::HeldSnapshot;
use super::super::opening::ended_by_server;
use super::super::stop_asked;
use super::asks::asked;
use super::board::BOARD_INTERVAL;
use super::chunks::{SLICE_ROWS, slice_due};
use super::ending::patience_ended;
use super::replaying::next_piece;
use super::rows::ready;
use super::{Session, bursts, until_shutdown};
use crate::source::Wire;

/// Waits until then; for ever when there is no such time. Cancel safe.
async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl Session<'_> {
    /// Works until the stop, which is `Ok`, or an error.
    pub(super) async fn work(
        &mut self,
        wire: &mut Wire,
        held: Option<HeldSnapshot>,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Result<()> {
        self.begin_behind();
        if let Some(held) = held
            && until_shutdown(shutdown, self.take_over(held, None)).await?.is_none()
        {
            return Ok(());
        }
        // A table may have changed while it was to be read.
        self.export_unread();
        self.resume_chunks();
        if until_shutdown(shutdown, self.take_asks()).await?.is_none() {
            return Ok(());
        }
        let mut ticks = interval(BOARD_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.begins_anew {
            let (commit_time, next_slice) = (self.commit_time(), self.chunks.slice_due());
            // Rows of chunks go with each batch, and would always be on their way. Batches of Kafka transactions wait by themselves.
            let may_wait =
                !self.stream.sink.is_transactional() && self.batch_tables <= bursts::TABLES_MAX && !self.chunks.is_sending();
            // In this order each time, so that a run can be repeated in a test: what is rare first, the stream last. Nothing starves it, since
            // none of the others is ready again at once.
            tokio::select! {
                biased;
                () = stop_asked(shutdown) => return self.end_transaction(wire).await,
                error = self.delivery.failed() => return Err(error),
                () = self.reports.for_stream() => {}
                look = self.discovery.next() => {
                    if until_shutdown(shutdown, self.follow(look?)).await?.is_none() {
                        return Ok(());
                    }
                }
                held = ready(&mut self.exporting) => {
                    self.exporting = None;
                    let taken_over = until_shutdown(shutdown, self.take_over(held?, None)).await?;
                    if taken_over.is_none() {
                        return Ok(());
                    }
                    self.export_unread();
                }
                // Between two transactions, so that a pause parts none.
                () = asked(&mut self.requested), if !self.stream.is_in_transaction() => {
                    if until_shutdown(shutdown, self.take_asks()).await?.is_none() {
                        return Ok(());
                    }
                }
                due = self.chunks.next() => self.take_due(due)?,
                () = self.reports.for_snapshot(), if !self.chunks.sent.is_empty() => {}
                () = self.pulse.due() => {
                    // What is staged then is handed over at the end, if there is room.
                    if until_shutdown(shutdown, self.beat()).await?.is_none() {
                        return Ok(());
                    }
                }
                _ = ticks.tick() => {}
                piece = next_piece(&mut self.replaying) => {
                    let piece = piece?;
                    tokio::select! {
                        biased;
                        // As below: what is cut off comes again, as a whole.
                        () = patience_ended(shutdown) => return Ok(()),
                        taken = self.go_on_replaying(piece, wire) => taken?,
                    }
                }
                // Before the commit: what has come already goes into it, but for what waits until Kafka is done.
                filled = bursts::next(wire, &self.stream.sink, self.is_cut, may_wait), if self.replaying.is_none() && !self.awaits_snapshot() => match filled? {
                    Filled::Ended => return Err(ended_by_server()),
                    Filled::Data => tokio::select! {
                        biased;
                        // What is left of the batch comes again, with the next run.
                        () = patience_ended(shutdown) => return Ok(()),
                        taken = self.take_batch(wire) => taken?,
                    },
                },
                // What the stream brings goes first; a slice goes with each of its batches.
                () = slice_due(&self.stream.sink, next_slice), if self.chunks.is_sending() => {
                    if until_shutdown(shutdown, self.send_slice(SLICE_ROWS)).await?.is_none() {
                        return Ok(());
                    }
                }
                () = reached(commit_time) => {
                    if until_shutdown(shutdown, self.commit()).await?.is_none() {
                        return Ok(());
                    }
                }
            }
            self.settle()?;
            if self.has_caught_up() && until_shutdown(shutdown, self.end_catching_up()).await?.is_none() {
                return Ok(());
            }
            self.drive_chunks();
            self.show();
        }
        self.end_transaction(wire).await
    }

    /// Sends a sign of life.
    async fn beat(&mut self) -> Result<()> {
        self.stream.beat()?;
        self.note_events(Instant::now());
        if !self.stream.staged.is_empty() {
            self.hand_over().await?;
        }
        self.stream.sink.flush().await
    }
}
