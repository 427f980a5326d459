//! A session: from connecting to the end of the connection, with a ledger and a sink of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use waltap_error::{Code, Error, Kind, Result};
use waltap_ledger::GroupId;
use waltap_postgres::catalog::{Table, tables_by_oid};
use waltap_postgres::replication::{Filled, ReplicationStream, StartOptions, StatusHandle};

use super::acknowledger::Acknowledger;
use super::discovery::{Discovery, Look};
use super::export::{HeldSnapshot, export};
use super::opening::{self, Opening, Ready, Rows, ended_by_server, open_once, unread};
use super::stream::{Ahead, Stream, Taken};
use super::{Context, TypeCache, encoder, stop_asked};
use crate::options::SnapshotMode;
use crate::progress::Progress;
use crate::sink::{Reports, Sink};
use crate::snapshot;
use crate::status::TapState;

/// How long a tap that stops waits for Kafka to confirm what is in flight. What is not confirmed then is sent again by the next run.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);

/// How long the last record of progress, and then PostgreSQL's goodbye, may take. With the drain, under the ten seconds of a stop.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(1_500);

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
        return until_asked(shutdown, read_once(context)).await;
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
    stream(context, *opening, shutdown).await
}

async fn sleep(duration: Duration) -> Result<()> {
    tokio::time::sleep(duration).await;
    Ok(())
}

/// `None` when the stop came first.
async fn until_shutdown<T>(shutdown: &mut watch::Receiver<bool>, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    tokio::select! {
        result = work => result.map(Some),
        () = stop_asked(shutdown) => Ok(None),
    }
}

async fn until_asked(shutdown: &mut watch::Receiver<bool>, work: impl Future<Output = Result<Ended>>) -> Result<Ended> {
    Ok(until_shutdown(shutdown, work).await?.unwrap_or(Ended::Asked))
}

async fn read_once(context: &Context) -> Result<Ended> {
    context.board.set_state(TapState::Snapshot);
    let (mut progress, held) = open_once(context).await?;
    let reports = Reports::default();
    let sink = Arc::new(context.open_sink(reports.clone())?);
    let mut types = TypeCache::default();
    snapshot::read(context, &mut progress, &sink, &reports, &mut types, held.tables, &held.snapshot).await?;
    Ok(Ended::SnapshotDone)
}

async fn stream(context: &Context, ready: Ready, shutdown: &mut watch::Receiver<bool>) -> Result<Ended> {
    let Ready { look, mut progress, replication, start, record, rows } = ready;
    let reports = Reports::default();
    let sink = Arc::new(context.open_sink(reports.clone())?);
    let mut types = TypeCache::default();
    let held = match rows {
        Rows::None => None,
        Rows::Later { held, after_stream } => Some((held, after_stream)),
        Rows::OfNewSlot { tables, snapshot } => {
            context.board.set_state(TapState::Snapshot);
            let read = snapshot::read(context, &mut progress, &sink, &reports, &mut types, tables, &snapshot);
            if until_shutdown(shutdown, read).await?.is_none() {
                return Ok(Ended::Asked);
            }
            None
        }
    };
    let options = StartOptions {
        slot: context.slot.clone(),
        publications: look.publications.clone(),
        from: start,
        messages: context.options().messages,
        status_interval: None,
    };
    let (mut wire, status) = replication.start(options).await?;
    let mut session = Session {
        context,
        acknowledger: Acknowledger::start(progress.store().clone(), record, status.clone()),
        discovery: Discovery::start(context.clone(), &look),
        stream: Stream::new(Arc::clone(&sink), encoder(context), start),
        catalog: look.tables,
        progress,
        types,
        reports,
        status,
        held: None,
        exporting: None,
        confirmations: Vec::new(),
        events_shown: 0,
    };
    context.board.set_state(TapState::Streaming);
    let result = session.work(&mut wire, held, shutdown).await;
    match result {
        Ok(()) => session.finish(wire).await.map(|()| Ended::Asked),
        Err(error) => Err(session.give_up(error).await),
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
    status: StatusHandle,
    acknowledger: Acknowledger,
    discovery: Discovery,
    /// A snapshot whose rows are read once the stream has reached it.
    held: Option<HeldSnapshot>,
    /// A snapshot on its way, for tables that have joined.
    exporting: Option<Exporting>,
    confirmations: Vec<(GroupId, u64)>,
    /// Of the stream's events, those that are on the board.
    events_shown: u64,
}

struct Exporting {
    tables: Vec<u32>,
    task: JoinHandle<Result<HeldSnapshot>>,
}

impl Drop for Exporting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Exporting {
    async fn ready(&mut self) -> Result<HeldSnapshot> {
        (&mut self.task)
            .await
            .map_err(|error| Error::configuration(Code::INTERNAL, "exporting a snapshot broke").source(error))?
    }
}

/// Waits for ever when there is none.
async fn ready(exporting: &mut Option<Exporting>) -> Result<HeldSnapshot> {
    match exporting {
        Some(exporting) => exporting.ready().await,
        None => std::future::pending().await,
    }
}

impl Session<'_> {
    /// Works until the stop, which is `Ok`, or an error.
    async fn work(
        &mut self,
        wire: &mut ReplicationStream,
        held: Option<(HeldSnapshot, bool)>,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Result<()> {
        match held {
            Some((held, true)) => {
                let unsent = held.tables.iter().map(|table| table.oid).filter(|oid| !self.is_begun(*oid));
                let lsn = held.snapshot.lsn;
                tracing::info!(database = self.context.database, %lsn, "streaming up to a new snapshot, for tables of which some rows were sent");
                self.stream.tables.expect(unsent.collect::<Vec<_>>(), lsn);
                self.held = Some(held);
                self.context.board.set_state(TapState::Snapshot);
            }
            Some((held, false)) => {
                let read = until_shutdown(shutdown, self.read(held)).await?;
                if read.is_none() {
                    return Ok(());
                }
            }
            None => {}
        }
        let mut ticks = interval(BOARD_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                filled = wire.fill() => match filled? {
                    Filled::Ended => return Err(ended_by_server()),
                    // On a stop in the middle of a batch the rest is left: it comes again.
                    Filled::Data => {
                        let taken = until_shutdown(shutdown, self.take_batch(wire)).await?;
                        if taken.is_none() {
                            return Ok(());
                        }
                    }
                },
                () = self.reports.for_stream() => {}
                look = self.discovery.next() => self.follow(look).await?,
                held = ready(&mut self.exporting) => {
                    self.exporting = None;
                    let read = until_shutdown(shutdown, self.read(held?)).await?;
                    if read.is_none() {
                        return Ok(());
                    }
                }
                error = self.acknowledger.failed() => return Err(error),
                () = stop_asked(shutdown) => return Ok(()),
                _ = ticks.tick() => {}
            }
            self.settle()?;
            self.show();
        }
    }

    /// Takes every frame that has arrived.
    async fn take_batch(&mut self, wire: &mut ReplicationStream) -> Result<()> {
        self.stream.begin_batch();
        while let Some(frame) = wire.next_frame()? {
            if let Some(held) = &self.held
                && let Ahead::Reaches(lsn) = self.stream.look_ahead(frame)?
                && lsn >= held.snapshot.lsn
                && let Some(held) = self.held.take()
            {
                self.read(held).await?;
            }
            self.take(frame).await?;
        }
        self.stream.sink.flush().await?;
        self.stream.tables.publish_counts();
        self.status.received(self.stream.received());
        Ok(())
    }

    async fn take(&mut self, frame: &[u8]) -> Result<()> {
        loop {
            match self.stream.take(frame)? {
                Taken::Done if self.stream.staged.is_empty() => return Ok(()),
                Taken::Done => return self.hand_over().await,
                Taken::Unresolved(oid) => {
                    self.stream.tables.resolve(oid, self.context, &self.progress, &mut self.types, &self.catalog).await?;
                }
                Taken::NeedsSnapshot(oid) => self.read_first(oid).await?,
                Taken::NoMessageTopic => self.stream.set_message_topic(self.context.message_topic().await?),
            }
        }
    }

    /// Waits until the sink has taken what is staged, with the account going on meanwhile.
    async fn hand_over(&mut self) -> Result<()> {
        let sink = Arc::clone(&self.stream.sink);
        let mut ticks = interval(BOARD_INTERVAL);
        loop {
            tokio::select! {
                handed_over = self.stream.staged.hand_over(&sink) => return handed_over,
                () = self.reports.for_stream() => self.settle()?,
                error = self.acknowledger.failed() => return Err(error),
                _ = ticks.tick() => self.show(),
            }
        }
    }

    /// Enters what was confirmed, and passes on how far the slot may go.
    fn settle(&mut self) -> Result<()> {
        self.reports.take(&mut self.confirmations)?;
        let durable = self.stream.settle(&mut self.confirmations)?;
        self.acknowledger.advance(durable);
        self.context.board.facts().confirmed = durable.lsn();
        Ok(())
    }

    /// Brings the board up to date.
    fn show(&mut self) {
        let events = self.stream.events();
        let waiting_for = self.stream.sink.waiting_for();
        let mut facts = self.context.board.facts();
        facts.received = self.stream.received();
        facts.server = facts.server.max(self.stream.server()).max(facts.received);
        facts.oldest_unconfirmed_micros = self.stream.oldest_unconfirmed().map(|time| time.unix_micros());
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

    /// Takes a new look at the catalog: tables that have joined are to be read.
    async fn follow(&mut self, look: Look) -> Result<()> {
        self.catalog = look.tables;
        let captured = |oid: u32| self.catalog.iter().any(|table| table.oid == oid);
        let (server, confirmed) = {
            let mut facts = self.context.board.facts();
            facts.tables = self.catalog.len();
            (facts.server, facts.confirmed)
        };
        self.progress.keep(captured, server, confirmed).await?;
        self.export_unread();
        Ok(())
    }

    /// Begins to export a snapshot for tables that have none, unless one is on its way: then they come after it.
    fn export_unread(&mut self) {
        if self.exporting.is_some() || self.held.is_some() {
            return;
        }
        let tables = unread(self.context, &self.progress, &self.catalog);
        if tables.is_empty() {
            return;
        }
        let names: Vec<String> = tables.iter().map(Table::display_name).collect();
        tracing::info!(
            database = self.context.database,
            tables = names.join(", "),
            "tables have joined; their rows are read first"
        );
        self.exporting = Some(Exporting {
            tables: tables.iter().map(|table| table.oid).collect(),
            task: tokio::spawn(export(self.context.clone(), tables)),
        });
    }

    /// A change came of a table that has no snapshot. Nothing of it is sent before its rows are read, so the stream waits for that.
    async fn read_first(&mut self, oid: u32) -> Result<()> {
        // What is on its way comes first. It may be this table, or hold others that would be asked for next.
        if let Some(exporting) = &mut self.exporting {
            let is_this = exporting.tables.contains(&oid);
            let held = exporting.ready().await?;
            self.exporting = None;
            self.read(held).await?;
            if is_this {
                return Ok(());
            }
        }
        let sql = self.context.options().source.sql(&self.context.database).await?;
        let tables: Vec<Table> =
            tables_by_oid(&sql, &[oid]).await?.into_iter().filter(|table| self.context.wants(table)).collect();
        if tables.is_empty() {
            tracing::warn!(
                database = self.context.database,
                oid,
                "a table that had just joined is gone: its changes are left out"
            );
            self.stream.tables.leave_out(oid);
            return Ok(());
        }
        let held = export(self.context.clone(), tables).await?;
        self.read(held).await
    }

    /// Reads the rows of tables under a snapshot, while the stream waits.
    async fn read(&mut self, held: HeldSnapshot) -> Result<()> {
        self.context.board.set_state(TapState::Snapshot);
        let sink = Arc::clone(&self.stream.sink);
        // A table may have got its rows in the meantime.
        let progress = &mut self.progress;
        let tables: Vec<Table> = unread(self.context, progress, &held.tables);
        snapshot::read(self.context, progress, &sink, &self.reports, &mut self.types, tables, &held.snapshot).await?;
        self.stream.tables.refresh(self.context.options().snapshot, progress);
        self.context.board.set_state(TapState::Streaming);
        self.export_unread();
        Ok(())
    }

    fn is_begun(&self, oid: u32) -> bool {
        use crate::progress::TableState;
        self.progress.table(oid).is_some_and(|record| record.state == TableState::Reading)
    }

    /// Waits for what is in flight, tells progress and PostgreSQL, and closes.
    async fn finish(mut self, wire: ReplicationStream) -> Result<()> {
        self.drain(DRAIN_TIMEOUT).await?;
        let in_flight = self.stream.in_flight();
        if in_flight > 0 {
            tracing::warn!(
                database = self.context.database,
                in_flight,
                "stopping with events that Kafka has not confirmed: they will be sent again"
            );
        }
        match timeout(FAREWELL_TIMEOUT, self.acknowledger.finish()).await {
            Ok(finished) => finished?,
            Err(_) => tracing::warn!(
                database = self.context.database,
                "stopping before progress could be recorded: some events will be sent again"
            ),
        }
        if let Err(error) = wire.stop(FAREWELL_TIMEOUT).await {
            tracing::debug!(database = self.context.database, error = error.report(), "the stream ended without a goodbye");
        }
        tracing::info!(database = self.context.database, confirmed = %self.context.board.facts().confirmed, "stopped");
        Ok(())
    }

    /// Ends after an error: sees through what Kafka still takes, so that less has to be sent again. Gives the error that came first.
    async fn give_up(mut self, error: Error) -> Error {
        if let Err(earlier) = self.reports.check() {
            return earlier;
        }
        if error.kind() == Kind::Transient
            && let Err(error) = self.drain(DRAIN_TIMEOUT).await
        {
            return error;
        }
        error
    }

    async fn drain(&mut self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let sink: Arc<Sink> = Arc::clone(&self.stream.sink);
        sink.flush().await?;
        loop {
            self.settle()?;
            if self.stream.in_flight() == 0 {
                self.show();
                return Ok(());
            }
            let staged = !self.stream.staged.is_empty();
            tokio::select! {
                handed_over = self.stream.staged.hand_over(&sink), if staged => handed_over?,
                () = self.reports.for_stream() => {}
                () = tokio::time::sleep_until(deadline) => return Ok(()),
            }
        }
    }
}
