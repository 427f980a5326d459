//! A session: from connecting to the end of the connection, with a ledger and a sink of its own.

mod asks;
mod bursts;
mod chunks;
mod delivery;
mod ending;
mod pausing;
mod replaying;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use waltap_error::{Code, Result};
use waltap_ledger::GroupId;
use waltap_postgres::catalog::Table;
use waltap_postgres::replication::{Filled, StartOptions};

use self::asks::asked;
use self::chunks::{SLICE_ROWS, slice_due};
use self::delivery::{Delivery, abort};
use self::ending::patience_ended;
use self::replaying::next_piece;
use self::rows::{Exporting, ready};
use super::acknowledger::Acknowledger;
use super::chunks::Chunks;
use super::discovery::Discovery;
use super::export::{HeldSnapshot, export};
use super::heartbeat::Heartbeat;
use super::opening::{self, Opening, Ready, Rows, ended_by_server, open_once};
use super::side_topics::Pulse;
use super::spill::{Replay, Spill};
use super::standing::Standing;
use super::stream::{Ahead, Stream, Streamed, Taken};
use super::transactions::Transactions;
use super::{Context, TypeCache, encoder, stop_asked};
use crate::clock::since_1970;
use crate::options::SnapshotMode;
use crate::progress::Progress;
use crate::requests::Requested;
use crate::sink::Reports;
use crate::snapshot::Reading;
use crate::source::{Status, Wire};
use crate::status::TapState;

/// How often the board is brought up to date when nothing happens.
const BOARD_INTERVAL: Duration = Duration::from_millis(500);

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

/// Waits until then; for ever when there is no such time. Cancel safe.
async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// `None` when the stop came first.
async fn until_shutdown<T>(shutdown: &mut watch::Receiver<bool>, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    tokio::select! {
        biased;
        () = stop_asked(shutdown) => Ok(None),
        result = work => result.map(Some),
    }
}

/// Reads every table. What was sent of one when the stop came is rolled back, so that readers do not wait for it.
async fn read_once(context: &Context, shutdown: &mut watch::Receiver<bool>) -> Result<Ended> {
    context.board.set_state(TapState::Snapshot);
    let Some((mut progress, mut held)) = until_shutdown(shutdown, open_once(context)).await? else { return Ok(Ended::Asked) };
    let reports = Reports::default();
    let Some(sink) = until_shutdown(shutdown, context.open_sink(reports.clone())).await? else { return Ok(Ended::Asked) };
    let sink = Arc::new(sink);
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

async fn stream(context: &Context, ready: Ready, shutdown: &mut watch::Receiver<bool>) -> Result<Ended> {
    let Ready { look, memory, mut progress, replication, start, mut record, known, rows, sink, reports, side_topics, claim } =
        ready;
    let mut types = TypeCache::default();
    let held = match rows {
        Rows::None => None,
        Rows::Later(held) => Some(*held),
        Rows::OfNewSlot { tables, snapshot } => {
            context.board.set_state(TapState::Snapshot);
            let reading = Reading { context, sink: &sink, reports: &reports, snapshot: &snapshot };
            // Boxed: it is made once a slot.
            let read = Box::pin(claim.while_held(reading.read(&mut progress, &mut types, tables)));
            let read = until_shutdown(shutdown, read).await;
            if !matches!(read, Ok(Some(_))) {
                abort(context, &sink).await;
            }
            if read?.is_none() {
                return Ok(Ended::Asked);
            }
            // However long it took, it counts from its end.
            record.begun_anew = record.begun_anew.map(|_| since_1970().as_secs());
            None
        }
    };
    let options = StartOptions {
        slot: context.slot.clone(),
        publications: look.publications.clone(),
        from: start,
        messages: context.options().messages,
        streaming: context.options().streams_open_transactions(),
        two_phase: context.options().streaming.two_phase,
        status_interval: None,
    };
    let (mut wire, status) = replication.start(options).await?;
    let position = record.position;
    let acknowledged = record.acknowledged.unwrap_or(start);
    context.sent.begin(record.reached().unwrap_or(start));
    let streaming = &context.options().streaming;
    let spill = Spill::new(streaming.spill_directory.clone(), streaming.spill_memory);
    let streamed = Streamed::new(spill, streaming.two_phase, &context.database);
    let standing = Standing::default();
    let mut session = Session {
        context,
        delivery: match context.transactions() {
            Some(bounds) => Delivery::ExactlyOnce(Box::new(Transactions::new(
                bounds,
                context.transaction_budget(),
                record,
                standing.clone(),
                status.clone(),
            ))),
            None => {
                Delivery::AtLeastOnce(Acknowledger::start(progress.store().clone(), record, standing.clone(), status.clone()))
            }
        },
        standing,
        _heartbeat: Heartbeat::start(context),
        discovery: Discovery::start(context.clone(), &look, memory),
        stream: Stream::new(Arc::clone(&sink), encoder(context), start, side_topics, streamed, known, position),
        pulse: Pulse::start(context),
        catalog: look.tables,
        progress,
        types,
        reports,
        status,
        held: None,
        exporting: None,
        chunks: Chunks::new(context),
        requested: context.requested.clone(),
        replaying: None,
        begins_anew: false,
        is_cut: false,
        confirmations: Vec::new(),
        events_shown: 0,
        batch_began: Instant::now(),
        batch_tables: 0,
    };
    // Boxed: it is made once a session.
    let work = claim.while_held(Box::pin(session.work(&mut wire, held, shutdown)));
    let result = tokio::select! {
        biased;
        error = context.shared.given_up.of(&context.database) => {
            // Or readers would wait for it until Kafka's timeout.
            abort(context, &sink).await;
            return Err(error);
        }
        result = work => result,
    };
    if let Some(position) = session.stream.position() {
        context.sent.note(position.last_event(), acknowledged);
    }
    match result {
        Ok(()) => session.finish(wire).await.map(|()| Ended::Asked),
        // Another may be sending already: nothing more is sent. With Kafka transactions it has ended ours.
        Err(error) if claim.is_lost() && !session.stream.sink.is_transactional() => Err(error),
        Err(error) => {
            let error = match error.code() {
                Code::PUBLICATION => session.discovery.explained(error).await,
                _ => error,
            };
            Err(session.give_up(error).await)
        }
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

impl Session<'_> {
    /// Works until the stop, which is `Ok`, or an error.
    async fn work(&mut self, wire: &mut Wire, held: Option<HeldSnapshot>, shutdown: &mut watch::Receiver<bool>) -> Result<()> {
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
            // Rows of chunks go with each batch, and would always be on their way.
            let may_wait = self.batch_tables <= bursts::TABLES_MAX && !self.chunks.is_sending();
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

    /// Takes every frame that has arrived.
    async fn take_batch(&mut self, wire: &mut Wire) -> Result<()> {
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
    fn begin_batch(&mut self, came: Option<Instant>) {
        self.stream.begin_batch();
        self.batch_began = came.unwrap_or_else(Instant::now);
    }

    async fn end_batch(&mut self) -> Result<()> {
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
    async fn satisfy(&mut self, taken: Taken) -> Result<bool> {
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

    /// Sends a sign of life.
    async fn beat(&mut self) -> Result<()> {
        self.stream.beat()?;
        self.note_events(Instant::now());
        if !self.stream.staged.is_empty() {
            self.hand_over().await?;
        }
        self.stream.sink.flush().await
    }

    /// Waits until the sink has taken what is staged, with the account going on meanwhile.
    async fn hand_over(&mut self) -> Result<()> {
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

    /// Brings the board up to date.
    fn show(&mut self) {
        let events = self.stream.events();
        let waiting_for = self.stream.sink.waiting_for();
        let waiting = self.waiting();
        let mut facts = self.context.board.facts();
        facts.received = self.stream.received();
        facts.server = facts.server.max(self.stream.server()).max(facts.received);
        facts.oldest_unconfirmed_micros = self.stream.oldest_unconfirmed().map(|time| time.unix_micros());
        facts.waiting = waiting;
        facts.in_flight_bytes = self.stream.sink.in_flight_bytes();
        facts.events += events - self.events_shown;
        self.events_shown = events;
        if waiting_for.is_some() != facts.waiting_for.is_some() {
            match &waiting_for {
                Some(waiting_for) => tracing::warn!(database = self.context.database, "{waiting_for}"),
                None => tracing::info!(database = self.context.database, "Kafka confirms again"),
            }
        }
        facts.waiting_for = waiting_for;
    }
}
