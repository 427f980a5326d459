//! Writers that go on through every break of the server, until they are stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use waltap_tests::{Random, Result, Sql, ensure};

use super::alterations::Alterations;
use super::shape::Member;
use super::transaction::transaction;

/// A server that is down is asked again so soon.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// Writers at work.
#[derive(Debug)]
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    alterations: Alterations,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    committed: AtomicU64,
    failed: AtomicU64,
}

/// What they did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WritersReport {
    pub(crate) committed: u64,
    pub(crate) failed: u64,
}

impl Writers {
    /// Starts so many writers, each with connections to every database of the tables. The slots of what captures these are made, or there are none.
    pub(crate) fn start(port: u16, members: &[Member], writers: u64, seed: u64) -> Self {
        Self::start_with(Alterations::at_once(), port, members, writers, seed)
    }

    /// The same while the slots are yet to be made, on the server at `slots_port`: no table is altered before they are.
    pub(crate) fn start_before_slots(slots_port: u16, port: u16, members: &[Member], writers: u64, seed: u64) -> Self {
        Self::start_with(Alterations::once_slots_are_made(slots_port, members), port, members, writers, seed)
    }

    fn start_with(alterations: Alterations, port: u16, members: &[Member], writers: u64, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let start = |writer| {
            let (stop, counts, members, alterations) = (stop.clone(), counts.clone(), members.to_vec(), alterations.clone());
            tokio::spawn(async move { write(port, &members, &alterations, &stop, &counts, Random::new(seed + writer)).await })
        };
        let tasks = (0..writers).map(start).collect();
        Writers { stop, counts, alterations, tasks }
    }

    /// How many transactions were committed so far.
    pub(crate) fn committed(&self) -> u64 {
        self.counts.committed.load(Ordering::Relaxed)
    }

    /// Lets each end its transaction. Fails when tables could not be altered all the time: then less was shown than was meant.
    pub(crate) async fn stop(self) -> Result<WritersReport> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await?;
        }
        ensure!(self.alterations.are_let(), "no table was altered, since not every slot was made");
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(WritersReport { committed: count(&self.counts.committed), failed: count(&self.counts.failed) })
    }
}

async fn write(port: u16, members: &[Member], alterations: &Alterations, stop: &AtomicBool, counts: &Counts, mut random: Random) {
    let mut databases: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
    for member in members {
        databases.entry(&member.database).or_default().push(member);
    }
    let databases: Vec<(&str, Vec<&Member>)> = databases.into_iter().collect();
    let mut connections: BTreeMap<&str, Sql> = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        let Some((database, tables)) = random.choose(&databases) else { return };
        let Some(connection) = connections.get(database) else {
            match Sql::connect(port, database, "postgres", "").await {
                Ok(connection) => drop(connections.insert(database, connection)),
                Err(_) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
            continue;
        };
        // A conflict of keys, a deadlock, a lost server: the source alone knows what was committed, and the source is the judge.
        if connection.run(&transaction(tables, alterations.are_let(), &mut random)).await.is_ok() {
            counts.committed.fetch_add(1, Ordering::Relaxed);
        } else {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            if connection.run("ROLLBACK").await.is_err() {
                connections.remove(database);
            }
        }
    }
}
