//! With Kafka transactions: the rows of a lot of tables are committed with the word of progress that they are done, as one. So a crash leaves
//! nothing of a table that was not read to its end, and no row is seen twice.

use std::time::Duration;

use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use waltap_error::{Code, Error, Result};
use waltap_postgres::catalog::Table;

use super::{OpenTables, Reading, worker_result};
use crate::progress::{Progress, TableRecord};

/// How many rows a lot has at most, by the server's estimate, unless it is one table: what a crash has to read again.
const ROWS_A_LOT: u64 = 500_000;

/// The Kafka transaction that the rows of a snapshot go into.
pub(super) struct Lots<'a> {
    reading: &'a Reading<'a>,
    /// Workers send while they hold it for reading: nothing may be sent during a commit.
    gate: &'a RwLock<()>,
    /// How long a transaction may last. A lot that takes longer is committed in parts, so that Kafka does not roll it back again and again.
    budget: Duration,
    deadline: Instant,
}

impl<'a> Lots<'a> {
    pub(super) fn new(reading: &'a Reading<'a>, gate: &'a RwLock<()>, budget: Duration) -> Self {
        Lots { reading, gate, budget, deadline: Instant::now() + budget }
    }

    /// The next tables of those that remain.
    pub(super) fn next(remaining: &mut std::iter::Peekable<impl Iterator<Item = Table>>, tables_max: usize) -> Vec<Table> {
        let mut lot = Vec::new();
        let mut rows = 0;
        while lot.len() < tables_max
            && let Some(table) = remaining.next_if(|table| lot.is_empty() || rows + estimate(table) <= ROWS_A_LOT)
        {
            rows += estimate(&table);
            lot.push(table);
        }
        lot
    }

    /// Waits until every row of the open tables is delivered, then commits them with the word that they are done.
    pub(super) async fn finish(
        &mut self,
        open: &mut OpenTables,
        progress: &mut Progress,
        tasks: &mut JoinSet<Result<()>>,
    ) -> Result<()> {
        let mut is_hastened = false;
        while !open.is_read() {
            self.reading.reports.check()?;
            // The last batches get no more company.
            if !is_hastened && open.is_sent() {
                self.reading.sink.hasten();
                is_hastened = true;
            }
            tokio::select! {
                biased;
                Some(ended) = tasks.join_next() => worker_result(ended)?,
                () = self.reading.reports.for_snapshot() => {}
                () = sleep_until(self.deadline) => self.commit_part(open, progress).await?,
            }
        }
        self.reading.reports.check()?;
        let settled = open.take_settled(progress, self.reading.snapshot.lsn);
        if let Some(table) = settled.begun.first() {
            // Some of its rows are in the transaction, which is rolled back with the session.
            let message = format!("{table} was altered or truncated while its rows were read: they are read again");
            return Err(Error::transient(Code::SNAPSHOT, message));
        }
        progress.commit_tables(self.reading.sink, settled.done).await?;
        self.deadline = Instant::now() + self.budget;
        Ok(())
    }

    /// Waits for something that may take long, and commits a part of the lot when it is time.
    pub(super) async fn meanwhile(
        &mut self,
        work: impl Future<Output = Result<()>>,
        open: &mut OpenTables,
        progress: &mut Progress,
    ) -> Result<()> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = sleep_until(self.deadline) => self.commit_part(open, progress).await?,
            }
        }
    }

    /// Commits what was sent, whatever is open: a crash from here on has those tables read again from their beginning.
    async fn commit_part(&mut self, open: &mut OpenTables, progress: &mut Progress) -> Result<()> {
        let _nobody_sends = self.gate.write().await;
        let begun: Vec<Table> = open.begin_all().filter(|table| !progress.is_done(table.oid)).collect();
        for table in &begun {
            tracing::warn!(
                database = self.reading.context.database,
                table = table.display_name(),
                "the rows of this table take longer than a Kafka transaction may: they are committed in parts, and after a crash from here \
                 on all of them are sent again"
            );
        }
        let records = begun
            .iter()
            .map(|table| (table.oid, TableRecord::reading(table, self.reading.snapshot.lsn, progress.table(table.oid))))
            .collect();
        progress.commit_tables(self.reading.sink, records).await?;
        self.deadline = Instant::now() + self.budget;
        Ok(())
    }
}

/// Of a table that was never analysed the server knows nothing: a few of them make a lot.
fn estimate(table: &Table) -> u64 {
    table.rows_estimated.unwrap_or(ROWS_A_LOT / 8)
}
