//! The snapshot: rows that were there before the stream, read by COPY under an exported snapshot, several tables and ranges at once.
//!
//! A table goes through three steps, and progress knows each: not begun (no record), being read (`reading`, written before its first row
//! is sent), done (written after its last row is confirmed). What a crash leaves in the middle decides how it is read again: see
//! `tap::session`.

mod lots;
mod plan;
mod worker;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::sync::{Mutex, RwLock, mpsc};
use tokio::task::JoinSet;
use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::Table;

use crate::progress::{Progress, TableRecord};
use crate::sink::{Reports, Sink, TableCount};
use crate::tap::{Context, TypeCache};
use lots::Lots;

pub(crate) use plan::{PlannedTable, Planner};

/// How many tables are planned and marked as being read in one go: progress is written once for each lot.
const TABLES_A_LOT: usize = 32;

/// A snapshot that some session holds open, and where in the log it stands.
#[derive(Clone, Debug)]
pub(crate) struct ExportedSnapshot {
    /// For `SET TRANSACTION SNAPSHOT`.
    pub(crate) name: String,
    /// Transactions that committed before it are in the snapshot.
    pub(crate) lsn: Lsn,
}

/// What reads tables under a snapshot. The session that exported it must be held meanwhile.
pub(crate) struct Reading<'a> {
    pub(crate) context: &'a Context,
    pub(crate) sink: &'a Arc<Sink>,
    pub(crate) reports: &'a Reports,
    pub(crate) snapshot: &'a ExportedSnapshot,
}

impl Reading<'_> {
    /// Reads tables and returns when all of their rows are confirmed and progress says so.
    ///
    /// Answers the OIDs of tables that were altered or truncated meanwhile, so that their rows cannot be seen any more: they take another
    /// snapshot, and progress keeps them as begun, or as not begun when nothing of them was sent.
    pub(crate) async fn read(&self, progress: &mut Progress, types: &mut TypeCache, tables: Vec<Table>) -> Result<Vec<u32>> {
        let result = self.read_tables(progress, types, tables).await;
        // A record that Kafka refuses stops the producer, and then every worker: the refusal is the cause.
        result.map_err(|error| self.reports.check().err().unwrap_or(error))
    }

    async fn read_tables(&self, progress: &mut Progress, types: &mut TypeCache, tables: Vec<Table>) -> Result<Vec<u32>> {
        let expected = tables.iter().filter_map(|table| table.rows_estimated).sum();
        {
            let mut facts = self.context.board.facts();
            (facts.snapshot_rows, facts.snapshot_rows_expected) = (0, expected);
        }
        tracing::info!(
            database = self.context.database,
            tables = tables.len(),
            rows_expected = expected,
            lsn = %self.snapshot.lsn,
            "reading existing rows"
        );
        let workers = self.context.options().snapshot_workers.get();
        let (chunks, waiting) = mpsc::channel(workers * 2);
        let waiting = Arc::new(Mutex::new(waiting));
        let gate = Arc::new(RwLock::new(()));
        let mut lots = self.context.transaction_budget().map(|budget| Lots::new(self, &gate, budget));
        let mut tasks = JoinSet::new();
        for _ in 0..workers.min(tables.len().max(1) * 4) {
            let worker = worker::Worker {
                context: self.context.clone(),
                snapshot: self.snapshot.clone(),
                sink: Arc::clone(self.sink),
                reports: self.reports.clone(),
                chunks: Arc::clone(&waiting),
                gate: Arc::clone(&gate),
            };
            tasks.spawn(worker.run());
        }
        // The workers alone hold the receiver, so that the planner learns when the last of them is gone.
        drop(waiting);
        let fresh = tables.iter().map(|table| table.oid).filter(|oid| progress.table(*oid).is_none()).collect();
        let mut open = OpenTables {
            reports: self.reports.clone(),
            fresh,
            parted: HashSet::new(),
            tables: BTreeMap::new(),
            next: 0,
            changed: Vec::new(),
        };
        let mut planner = Planner::new(self.context, types).await?;
        let mut remaining = tables.into_iter().peekable();
        loop {
            let lot = match lots {
                Some(_) => Lots::next(&mut remaining, TABLES_A_LOT),
                None => remaining.by_ref().take(TABLES_A_LOT).collect(),
            };
            if lot.is_empty() {
                break;
            }
            if lots.is_none() {
                // A table that is done has new leaves alone to be read, and stays done.
                let begun = lot.iter().filter(|table| !progress.is_done(table.oid));
                let records = begun
                    .map(|table| (table.oid, TableRecord::reading(table, self.snapshot.lsn, progress.table(table.oid))))
                    .collect();
                progress.set_tables(records).await?;
            }
            for planned in planner.plan(lot).await? {
                let account = open.open(&planned);
                for chunk in planned.jobs(account) {
                    let handed_out = hand_out(&chunks, chunk, &mut tasks, self.reports);
                    match &mut lots {
                        Some(lots) => lots.meanwhile(handed_out, &mut open, progress).await?,
                        None => handed_out.await?,
                    }
                }
            }
            match &mut lots {
                Some(lots) => lots.finish(&mut open, progress, &mut tasks).await?,
                None => open.settle(progress, self.snapshot.lsn).await?,
            }
        }
        drop(chunks);
        while !open.tables.is_empty() {
            self.reports.check()?;
            open.settle(progress, self.snapshot.lsn).await?;
            if !open.tables.is_empty() {
                self.sink.flush().await?;
                tokio::select! {
                    biased;
                    Some(ended) = tasks.join_next() => worker_result(ended)?,
                    () = self.reports.for_snapshot() => {}
                }
            }
        }
        while let Some(ended) = tasks.join_next().await {
            worker_result(ended)?;
        }
        let rows = self.context.board.facts().snapshot_rows;
        tracing::info!(database = self.context.database, rows, "every existing row is confirmed");
        if !open.changed.is_empty() {
            let names: Vec<String> = open.changed.iter().map(Table::display_name).collect();
            tracing::info!(
                database = self.context.database,
                tables = names.join(", "),
                "these tables were altered or truncated after the snapshot was taken: their rows take a new one"
            );
        }
        Ok(open.changed.iter().map(|table| table.oid).collect())
    }
}

/// Gives a chunk to the next free worker; a worker that failed, or a record that Kafka refused, ends the snapshot.
async fn hand_out(
    chunks: &mpsc::Sender<worker::Job>,
    job: worker::Job,
    tasks: &mut JoinSet<Result<()>>,
    reports: &Reports,
) -> Result<()> {
    tokio::select! {
        biased;
        Some(ended) = tasks.join_next() => {
            reports.check()?;
            worker_result(ended)?;
            Err(Error::configuration(Code::INTERNAL, "a worker of the snapshot ended before its work"))
        }
        sent = chunks.send(job) => sent.map_err(|_| Error::configuration(Code::INTERNAL, "the snapshot's workers are gone")),
    }
}

fn worker_result(ended: Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    ended.map_err(|error| Error::configuration(Code::INTERNAL, "a worker of the snapshot broke").source(error))?
}

/// The tables that are being read, and the count of each.
struct OpenTables {
    reports: Reports,
    /// Tables of which nothing had been sent before.
    fresh: HashSet<u32>,
    /// Tables of which a part is committed already.
    parted: HashSet<u32>,
    /// By the number under which their rows are accounted.
    tables: BTreeMap<u32, (Table, Arc<TableCount>)>,
    next: u32,
    /// Those that could not be read.
    changed: Vec<Table>,
}

impl OpenTables {
    fn open(&mut self, planned: &PlannedTable) -> (u32, Arc<TableCount>) {
        let number = self.next;
        self.next += 1;
        let count = Arc::new(TableCount::new(planned.chunks.len()));
        self.reports.open_table(number, Arc::clone(&count));
        self.tables.insert(number, (planned.table.clone(), Arc::clone(&count)));
        (number, count)
    }

    /// Records the tables of which every row is confirmed as done.
    async fn settle(&mut self, progress: &mut Progress, since: Lsn) -> Result<()> {
        let settled = self.take_settled(progress, since);
        progress.unset_tables(&settled.unset).await?;
        progress.set_tables(settled.done).await
    }

    /// Whether every row of every table is sent.
    fn is_sent(&self) -> bool {
        self.tables.values().all(|(_, count)| count.is_sent())
    }

    /// Whether every row of every table is delivered.
    fn is_read(&self) -> bool {
        self.tables.values().all(|(_, count)| count.is_done())
    }

    /// The open tables, none of which counts as fresh from now on.
    fn begin_all(&mut self) -> impl Iterator<Item = Table> {
        let tables: Vec<Table> = self.tables.values().map(|(table, _)| table.clone()).collect();
        for table in &tables {
            self.fresh.remove(&table.oid);
            self.parted.insert(table.oid);
        }
        tables.into_iter()
    }

    /// Takes the tables out of which every row is confirmed.
    fn take_settled(&mut self, progress: &Progress, since: Lsn) -> Settled {
        let done: Vec<u32> = self.tables.iter().filter(|(_, (_, count))| count.is_done()).map(|(number, _)| *number).collect();
        let mut settled = Settled::default();
        for number in done {
            self.reports.close_table(number);
            let Some((table, count)) = self.tables.remove(&number) else { continue };
            if count.has_changed() {
                match self.fresh.contains(&table.oid) {
                    // As if it had not been begun: then its changes wait for its rows.
                    true if count.is_empty() => settled.unset.push(table.oid),
                    _ if count.is_empty() || self.parted.contains(&table.oid) => {}
                    _ => settled.begun.push(table.display_name()),
                }
                self.changed.push(table);
            } else {
                tracing::debug!(table = table.display_name(), "every row is confirmed");
                settled.done.push((table.oid, TableRecord::done(&table, since, progress.table(table.oid))));
            }
        }
        settled
    }
}

/// What became of tables that were read.
#[derive(Default)]
struct Settled {
    done: Vec<(u32, TableRecord)>,
    /// Fresh tables that changed before anything of them was sent.
    unset: Vec<u32>,
    /// The names of tables that changed when something of them had been sent, and nothing of it committed.
    begun: Vec<String>,
}
