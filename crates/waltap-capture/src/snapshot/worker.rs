//! A worker: one connection that reads chunks of tables and sends their rows.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::{Mutex, RwLock, mpsc};
use waltap_error::{Code, Error, Result};
use waltap_event::{Encoder, Outbox, Stamp, TableShape};
use waltap_pgoutput::PgTime;
use waltap_postgres::catalog::Table;
use waltap_postgres::copy::{Chunk, CopyError, RowParser, lines};

use super::ExportedSnapshot;
use crate::event_error::failure;
use crate::sink::{Account, Outgoing, Reports, Sink, Staged, TableCount, Topic};
use crate::source::SnapshotSession;
use crate::tap::{Context, Route, TableVersion, encoder, prepare};

/// How much of a COPY is taken at once: enough rows that waking up does not count, little enough that memory does not either.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// A piece of a table to be read.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) table: Arc<Table>,
    pub(super) chunk: Chunk,
    pub(super) shape: Arc<TableShape>,
    pub(super) route: Arc<Route>,
    /// What is to be told of the table, and where.
    pub(super) version: Option<(Arc<Topic>, Arc<TableVersion>)>,
    /// The number under which the table's rows are accounted.
    pub(super) number: u32,
    pub(super) count: Arc<TableCount>,
}

pub(super) struct Worker {
    pub(super) context: Context,
    pub(super) snapshot: ExportedSnapshot,
    pub(super) sink: Arc<Sink>,
    pub(super) reports: Reports,
    pub(super) chunks: Arc<Mutex<mpsc::Receiver<Job>>>,
    /// Held for reading while something is sent.
    pub(super) gate: Arc<RwLock<()>>,
}

impl Worker {
    /// Takes jobs until there are none. The connection is opened for the first one.
    pub(super) async fn run(self) -> Result<()> {
        let mut session = None;
        loop {
            let job = self.chunks.lock().await.recv().await;
            let Some(job) = job else { return Ok(()) };
            let sql = match session.take() {
                Some(sql) => sql,
                None => self.context.sql().await?,
            };
            // A transaction for each chunk, so that nobody's ALTER TABLE waits for the whole snapshot.
            let reader = sql.begin_snapshot(&self.snapshot.name).await?;
            self.read(&reader, &job).await?;
            session = Some(reader.end().await?);
        }
    }

    async fn read(&self, reader: &SnapshotSession, job: &Job) -> Result<()> {
        let records = match job.count.has_changed() {
            true => 0,
            false => self.read_rows(reader, job).await?,
        };
        job.count.chunk_read(records);
        self.reports.wake_snapshot();
        Ok(())
    }

    /// Sends the rows of a chunk; how many records they became.
    async fn read_rows(&self, reader: &SnapshotSession, job: &Job) -> Result<u64> {
        let mut rows = match reader.copy(&job.table, &job.chunk).await {
            Ok(rows) => rows,
            Err(CopyError::Changed(error)) => {
                tracing::debug!(error = error.report(), "a table changed after the snapshot was taken");
                job.count.set_changed();
                return Ok(0);
            }
            Err(CopyError::Failed(error) | CopyError::Locked(error)) => return Err(error),
        };
        let mut sender = Sender::new(self, job)?;
        let counters = self.context.shared.metrics.op(&self.context.database, &job.table.schema, &job.table.name, "r");
        let mut batch: Vec<Bytes> = Vec::new();
        {
            let _may_send = self.gate.read().await;
            sender.tell_version()?;
            sender.staged.hand_over(&self.sink).await?;
        }
        loop {
            batch.clear();
            let more = rows.read_batch(&mut batch, BATCH_BYTES_MAX).await?;
            let may_send = self.gate.read().await;
            let before = sender.rows;
            sender.now = PgTime::from(SystemTime::now());
            for line in batch.iter().flat_map(|piece| lines(piece)) {
                if let Route::Outbox(outbox) = &*job.route {
                    sender.name_topic(outbox, line).await?;
                }
                sender.send(line)?;
                if !sender.staged.is_empty() {
                    sender.staged.hand_over(&self.sink).await?;
                }
            }
            self.context.board.facts().snapshot_rows += sender.rows - before;
            counters.add(std::mem::take(&mut sender.events), std::mem::take(&mut sender.bytes));
            self.sink.flush().await?;
            drop(may_send);
            if !more {
                return Ok(sender.records);
            }
        }
    }
}

/// Sends the rows of one chunk.
struct Sender<'a> {
    worker: &'a Worker,
    job: &'a Job,
    table: waltap_event::Table,
    encoder: Encoder,
    parser: RowParser,
    staged: Staged,
    /// Where the row goes, of an outbox.
    outbox_topic: Topic,
    /// The name that the row gave, and the one that `outbox_topic` stands for.
    named: String,
    named_before: String,
    /// Asked once a batch.
    now: PgTime,
    rows: u64,
    records: u64,
    /// Records and bytes that are not yet in the metrics.
    events: u64,
    bytes: u64,
}

impl<'a> Sender<'a> {
    fn new(worker: &'a Worker, job: &'a Job) -> Result<Self> {
        let encoder = encoder(&worker.context);
        let table = prepare(&worker.context, &job.shape)?;
        let parser = RowParser::new(job.shape.columns.len());
        Ok(Sender {
            worker,
            job,
            table,
            encoder,
            parser,
            staged: Staged::default(),
            outbox_topic: Topic::new(String::new(), 0),
            named: String::new(),
            named_before: String::new(),
            now: PgTime::from(SystemTime::now()),
            rows: 0,
            records: 0,
            events: 0,
            bytes: 0,
        })
    }

    /// Looks up the topic that a row of an outbox names. Waits when it is a new one.
    async fn name_topic(&mut self, outbox: &Outbox, line: &[u8]) -> Result<()> {
        let row = self.parser.parse(line).map_err(|error| unreadable(self.job, error))?;
        outbox.write_topic(row.iter(), &mut self.named);
        if self.named != self.named_before {
            self.outbox_topic = self.worker.context.outbox_topic(&self.named).await?;
            self.named_before.clone_from(&self.named);
        }
        Ok(())
    }

    fn tell_version(&mut self) -> Result<()> {
        let Some((topic, version)) = &self.job.version else { return Ok(()) };
        let stamp = Stamp::snapshot(self.worker.snapshot.lsn, self.now, self.now);
        let account = Account::Snapshot(self.job.number);
        let mut outgoing = Outgoing::new(&self.worker.sink, topic, account, &mut self.staged).at(&stamp);
        version.send(&stamp, &mut outgoing)?;
        self.records += outgoing.records;
        Ok(())
    }

    fn send(&mut self, line: &[u8]) -> Result<()> {
        let row = self.parser.parse(line).map_err(|error| unreadable(self.job, error))?;
        let account = Account::Snapshot(self.job.number);
        let topic = match &*self.job.route {
            Route::Topic(topic) => topic,
            Route::Outbox(_) => &self.outbox_topic,
        };
        let stamp = Stamp::snapshot(self.worker.snapshot.lsn, self.now, self.now);
        let mut outgoing = Outgoing::new(&self.worker.sink, topic, account, &mut self.staged).at(&stamp);
        match &*self.job.route {
            Route::Topic(_) => {
                let written = self.encoder.snapshot_row(&self.table, &stamp, row.iter(), &mut outgoing);
                written.map_err(|error| failure(&self.job.shape, error))?;
            }
            Route::Outbox(outbox) => outbox.send(row.iter(), outgoing.plain())?,
        }
        self.records += outgoing.records;
        self.events += outgoing.records;
        self.bytes += outgoing.bytes;
        self.rows += 1;
        Ok(())
    }
}

fn unreadable(job: &Job, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::data(Code::SNAPSHOT, format!("reading a row of {}", job.table.display_name())).source(error)
}
