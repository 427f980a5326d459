//! Transactions that have waited for their commit: sent piece by piece, as batches of frames are.

use tokio::time::interval;
use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;

use super::super::Context;
use super::super::Waiting;
use super::super::opening::unread;
use super::super::spill::{Ending, Piece, Replay, Undone, blocking};
use super::Session;
use super::board::BOARD_INTERVAL;
use crate::options::SnapshotMode;
use crate::sabotage::{Sabotage, is_on};
use crate::source::Wire;

/// Of how many transactions the server is asked at once what became of them.
const ASKED_MAX: usize = 10_000;

/// Waits for ever when there is none. Cancel safe.
pub(super) async fn next_piece(replaying: &mut Option<Replay>) -> Result<Option<Piece>> {
    match replaying {
        Some(replay) => replay.next().await,
        None => std::future::pending().await,
    }
}

impl Session<'_> {
    /// Begins to send a transaction. Its pieces come next, by [`next_piece`].
    pub(super) async fn begin_replay(&mut self, xid: u32, ending: Ending) -> Result<()> {
        let undone = self.ask_undone(xid).await?;
        let replay = self.stream.streamed.spill.replay(xid, ending, undone);
        let ending = replay.ending;
        self.replaying = Some(replay);
        self.stream.begin_replay(&ending)?;
        self.hand_over_staged().await
    }

    /// Takes a piece; after the last, the frames that had come before it was begun.
    pub(super) async fn go_on_replaying(&mut self, piece: Option<Piece>, wire: &mut Wire) -> Result<()> {
        self.take_piece(piece).await?;
        match self.replaying {
            Some(_) => Ok(()),
            None => self.take_batch(wire).await,
        }
    }

    /// Begins to send a transaction that is prepared, unless it changes a table whose rows are still to be read: what they are is decided by the
    /// transaction's end. Then it waits for that.
    pub(super) async fn take_prepared(&mut self, xid: u32, ending: Ending) -> Result<()> {
        if self.touches_unread(xid).await? {
            self.stream.hold(xid, ending.begin.final_lsn);
            return Ok(());
        }
        self.begin_replay(xid, ending).await
    }

    /// Whether a transaction that was gathered changes a captured table of which rows are still to be read.
    async fn touches_unread(&mut self, xid: u32) -> Result<bool> {
        let context = self.context;
        let Some(touched) = self.stream.streamed.spill.touched(xid).cloned() else { return Ok(false) };
        if context.options().snapshot != SnapshotMode::Initial {
            return Ok(false);
        }
        let (mut tables, mut unknown) = (Vec::new(), Vec::new());
        for oid in touched.tables().filter(|oid| !self.stream.tables.is_left_out(*oid)) {
            match self.catalog.iter().find(|table| table.oid == oid) {
                Some(table) => tables.push(table.clone()),
                None => unknown.push(oid),
            }
        }
        if !unknown.is_empty() {
            // Made since the last look, or not captured. The transaction holds its tables, so they are as they were.
            let asked = unknown.clone();
            let found = self.meanwhile(async move { context.sql().await?.tables_by_oid(&asked).await }).await??;
            unknown.retain(|oid| found.iter().all(|table| table.oid != *oid));
            tables.extend(found.into_iter().filter(|table| context.wants(table)));
        }
        // One that the transaction has made itself is not seen yet.
        let is_new =
            |oid: &u32| touched.name(*oid).is_some_and(|(schema, table)| context.options().tables.matches(schema, table));
        Ok(!unread(context, &self.progress, &tables).is_empty() || unknown.iter().any(is_new))
    }

    /// Takes a piece, or the end.
    pub(super) async fn take_piece(&mut self, piece: Option<Piece>) -> Result<()> {
        self.begin_batch(None);
        match piece {
            Some(piece) => {
                for (lsn, data) in piece.records() {
                    self.take_replayed(lsn, data).await?;
                }
            }
            None => {
                if let Some(replay) = self.replaying.take() {
                    self.stream.end_replay(&replay.ending)?;
                    self.hand_over_staged().await?;
                    // The next one may follow at once, and is not to be parted for the sake of this one.
                    self.commit_if_due().await?;
                }
            }
        }
        self.end_batch().await
    }

    async fn take_replayed(&mut self, lsn: Lsn, data: &[u8]) -> Result<()> {
        loop {
            let taken = self.stream.take_replayed(lsn, data)?;
            if self.satisfy(taken).await? {
                return self.commit_if_due().await;
            }
        }
    }

    async fn hand_over_staged(&mut self) -> Result<()> {
        match self.stream.staged.is_empty() {
            true => Ok(()),
            false => self.hand_over().await,
        }
    }

    /// Asks which subtransactions of a transaction were rolled back without the server saying so in the stream.
    async fn ask_undone(&mut self, xid: u32) -> Result<Undone> {
        let subtransactions = self.stream.streamed.spill.subtransactions(xid);
        if subtransactions.is_empty() || is_on(Sabotage::KeepAborted) {
            return Ok(Undone::default());
        }
        let context = self.context;
        self.meanwhile(undone(context, xid, subtransactions)).await?
    }

    /// Makes memory free for what waits.
    pub(super) async fn write_out(&mut self) -> Result<()> {
        let Some(write) = self.stream.streamed.spill.begin_write() else { return Ok(()) };
        let written = self.meanwhile(blocking(move || write.run())).await?;
        let broke = |error| Error::configuration(Code::INTERNAL, "writing an open transaction to disk broke").source(error);
        self.stream.streamed.spill.end_write(written.map_err(broke)??);
        Ok(())
    }

    /// Waits for something that does not need the session, with the account going on meanwhile.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let mut ticks = interval(BOARD_INTERVAL);
        loop {
            tokio::select! {
                biased;
                error = self.delivery.failed() => return Err(error),
                () = self.reports.for_stream() => self.settle()?,
                _ = ticks.tick() => self.show(),
                done = &mut work => return Ok(done),
            }
        }
    }

    /// How much waits now, with what is left of the transaction that is being sent.
    pub(super) fn waiting(&self) -> Waiting {
        let mut waiting = self.stream.streamed.spill.waiting();
        waiting.disk_bytes += self.replaying.as_ref().map_or(0, Replay::disk_bytes);
        waiting
    }

    /// Says up to where a prepared transaction may have met a snapshot on its way to its commit: see `stream::streamed`. A transaction that was
    /// prepared before the making of a snapshot began is waited for by the server, so it is done by then; but while one is being made, or
    /// is held, its place is still to come.
    pub(super) fn move_snapshot_horizon(&mut self) {
        if self.context.options().streaming.two_phase {
            self.stream.streamed.snapshot_horizon =
                match self.held.is_some() || self.exporting.is_some() || !self.chunks.is_idle() {
                    true => Lsn(u64::MAX),
                    false => self.progress.newest_snapshot(),
                };
        }
    }
}

/// The subtransactions among these that were rolled back, of a transaction that has committed or was prepared.
async fn undone(context: &Context, xid: u32, subtransactions: Vec<u32>) -> Result<Undone> {
    let sql = context.sql().await?;
    let mut undone = Undone::new();
    for asked in subtransactions.chunks(ASKED_MAX) {
        undone.extend(sql.aborted_transactions(asked).await?);
    }
    // After the others, so that what was said of them was said of a transaction that had not been rolled back as a whole.
    if !sql.aborted_transactions(&[xid]).await?.is_empty() {
        if context.options().streaming.two_phase {
            // It was prepared, and has come to nothing since: its subtransactions with it, so what they say tells nothing.
            return Ok(Undone::default());
        }
        let message = format!("transaction {xid} came with its commit, and the server that answers has not committed it");
        return Err(Error::transient(Code::OTHER_SERVER, message));
    }
    Ok(undone)
}
