//! Writers that go on through every break of the server, and remember what it acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use waltap_tests::{Random, Result, Sql};

use super::Mix;
use super::transaction::transaction;

/// A server that is down is asked again so soon.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between two transactions: with a few writers, some hundred transactions a second. The chaos is to meet work
/// everywhere, not a machine that is out of breath.
const PAUSE_MICROS_MAX: u64 = 12_000;

/// Now and then all is quiet for a moment, so that keepalives have their say.
const REST: Duration = Duration::from_millis(400);

/// What writers did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// The server said that they are committed.
    pub(crate) committed: u64,
    /// Of these, with a fact: so many the database must know at the end, or it is the server that lost something.
    pub(crate) with_facts: u64,
    /// Rolled back as meant.
    pub(crate) aborted: u64,
    /// The server went away, or refused: the database knows.
    pub(crate) unknown: u64,
}

/// Writers at work.
#[derive(Debug)]
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Tally>>,
}

impl Writers {
    /// Starts so many writers, straight at the server's port.
    pub(crate) fn start(port: u16, database: &str, writers: u64, mix: Mix, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |writer| {
            let (stop, database) = (stop.clone(), database.to_owned());
            tokio::spawn(async move { write(port, &database, writer, mix, &stop, Random::new(seed ^ (writer << 48))).await })
        };
        let tasks = (1..=writers).map(start).collect();
        Writers { stop, tasks }
    }

    /// Lets each end its transaction.
    pub(crate) async fn stop(self) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for task in self.tasks {
            let tally = task.await?;
            sum.committed += tally.committed;
            sum.with_facts += tally.with_facts;
            sum.aborted += tally.aborted;
            sum.unknown += tally.unknown;
        }
        Ok(sum)
    }
}

async fn write(port: u16, database: &str, writer: u64, mix: Mix, stop: &AtomicBool, mut random: Random) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let Some(sql) = &connection else {
            match Sql::connect(port, database, "postgres", "").await {
                Ok(sql) => connection = Some(sql),
                Err(_) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
            continue;
        };
        number += 1;
        let transaction = transaction(writer, number, mix, &mut random);
        match sql.run(&transaction.statements).await {
            Ok(()) if transaction.commits => {
                tally.committed += 1;
                tally.with_facts += u64::from(transaction.statements.contains("INTO facts"));
            }
            Ok(()) => tally.aborted += 1,
            Err(_) => {
                tally.unknown += 1;
                connection = None;
            }
        }
        let pause = if random.below(300) == 0 { REST } else { Duration::from_micros(random.below(PAUSE_MICROS_MAX)) };
        tokio::time::sleep(pause).await;
    }
    tally
}
