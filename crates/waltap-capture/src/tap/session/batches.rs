//! Batches: the frames that have arrived are taken together, and what they became is handed over to the sink.

use std::sync::Arc;

use tokio::time::{Instant, interval};
use waltap_error::Result;

use super::super::stream::{Ahead, Taken};
use super::Session;
use super::board::BOARD_INTERVAL;
use super::chunks::SLICE_ROWS;
use crate::source::Wire;

impl Session<'_> {
    /// Takes every frame that has arrived.
    pub(super) async fn take_batch(&mut self, wire: &mut Wire) -> Result<()> {
        self.begin_batch(wire.waiting().map(|waiting| Instant::from_std(waiting.since)));
        self.is_cut = false;
        if self.may_send_slice() {
            self.send_slice(SLICE_ROWS).await?;
        }
        while let Some(frame) = wire.next_frame()? {
            if let Some(held) = &self.held
                && let Ahead::Reaches(lsn) = self.stream.look_ahead(frame)?
                && lsn >= held.snapshot.lsn
                && let Some(held) = self.held.take()
            {
                self.read_held(held).await?;
            }
            self.take(frame).await?;
            self.reach_chunk();
            if self.stream.watch.is_pressed() {
                self.relieve_chunk().await?;
            }
            self.commit_if_due().await?;
            if self.replaying.is_some() {
                // The frames that are left come after it.
                break;
            }
            if !self.stream.is_in_transaction() && self.requested.has_changed().unwrap_or(false) {
                // What is asked has its time between two transactions; under load the end of a batch is seldom there.
                self.is_cut = true;
                break;
            }
        }
        self.end_batch().await
    }

    /// Begins a batch of frames that came then; by default they come now.
    pub(super) fn begin_batch(&mut self, came: Option<Instant>) {
        self.stream.begin_batch();
        self.batch_began = came.unwrap_or_else(Instant::now);
    }

    pub(super) async fn end_batch(&mut self) -> Result<()> {
        self.stream.sink.flush().await?;
        self.batch_tables = self.stream.tables.publish_counts();
        self.status.received(self.stream.received());
        Ok(())
    }

    async fn take(&mut self, frame: &[u8]) -> Result<()> {
        loop {
            let taken = self.stream.take(frame)?;
            if self.satisfy(taken).await? {
                return Ok(());
            }
        }
    }

    /// Gives a frame what it needs. Says whether it was taken; else it is to be offered again.
    pub(super) async fn satisfy(&mut self, taken: Taken) -> Result<bool> {
        match taken {
            Taken::Done if self.stream.staged.is_empty() => return Ok(true),
            Taken::Done => return self.hand_over().await.map(|()| true),
            Taken::SpillFull => self.write_out().await?,
            Taken::Replay(xid, ending) => return self.begin_replay(xid, ending).await.map(|()| true),
            Taken::Prepared(xid, ending) => return self.take_prepared(xid, ending).await.map(|()| true),
            Taken::Unresolved(oid) => {
                self.stream.tables.resolve(oid, self.context, &self.progress, &mut self.types, &self.catalog).await?;
            }
            Taken::NeedsSnapshot(oid) => self.read_first(oid).await?,
            Taken::Emptied { oid, commit } => self.record_emptied(oid, commit).await?,
            Taken::NoOutboxTopic => {
                let topic = self.context.outbox_topic(self.stream.wanted_topic()).await?;
                self.stream.set_outbox_topic(topic);
            }
            Taken::NoMessageTopic => self.stream.set_message_topic(self.context.message_topic().await?),
        }
        Ok(false)
    }

    /// Waits until the sink has taken what is staged, with the account going on meanwhile.
    pub(super) async fn hand_over(&mut self) -> Result<()> {
        let sink = Arc::clone(&self.stream.sink);
        let mut ticks = interval(BOARD_INTERVAL);
        loop {
            tokio::select! {
                biased;
                error = self.delivery.failed() => return Err(error),
                () = self.reports.for_stream() => self.settle()?,
                _ = ticks.tick() => self.show(),
                handed_over = self.stream.staged.hand_over(&sink) => return handed_over,
            }
        }
    }
}
