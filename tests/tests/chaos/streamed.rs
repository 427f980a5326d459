//! Whether transactions came while they were open, and waited on the disk: looked for all the time, on both sides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use waltap_tests::{Result, Sql, ensure, get};

/// How often. A transaction waits for its commit for some tens of milliseconds.
const INTERVAL: Duration = Duration::from_millis(10);

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Streamed {
    /// How many transactions the server says to have sent while they were open. What it has counted goes with it when it is killed: some
    /// are missing here.
    pub(crate) transactions: u64,
    /// How many of waltap's transactions were open at once, at most.
    pub(crate) open_max: u64,
    /// The most that they took of the disk.
    pub(crate) disk_bytes_max: u64,
}

impl Streamed {
    /// Fails unless something was streamed, and something of it spilled.
    pub(crate) fn ensure_telling(&self) -> Result {
        let Streamed { transactions, open_max, disk_bytes_max } = self;
        println!(
            "  transactions that were sent while they were open: {transactions}; open at once at most {open_max}, with {} kB on the disk",
            disk_bytes_max / 1000
        );
        ensure!(*transactions > 0, "the server sent no transaction while it was open");
        ensure!(*open_max > 0 && *disk_bytes_max > 0, "no transaction waited on the disk: {self:?}");
        Ok(())
    }
}

/// A watcher at work.
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    server: JoinHandle<u64>,
    waltap: JoinHandle<Streamed>,
}

impl Watcher {
    /// Starts looking at the server's account of the slot of a database, and at waltap's status.
    pub(crate) fn start(port: u16, database: &str, http_port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let server = tokio::spawn(count(port, database.to_owned(), stop.clone()));
        let waltap = tokio::spawn(look(http_port, stop.clone()));
        Watcher { stop, server, waltap }
    }

    /// What was seen.
    pub(crate) async fn stop(self) -> Result<Streamed> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(Streamed { transactions: self.server.await?, ..self.waltap.await? })
    }
}

/// Adds up what the server counts, which begins at nothing after a crash.
async fn count(port: u16, database: String, stop: Arc<AtomicBool>) -> u64 {
    let query = format!(
        "SELECT coalesce(sum(stream_txns), 0) FROM pg_stat_replication_slots JOIN pg_replication_slots USING (slot_name)
         WHERE database = '{database}'"
    );
    let (mut sum, mut last) = (0, 0);
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        if connection.is_none() {
            connection = Sql::connect(port, "postgres", "postgres", "").await.ok();
        }
        if let Some(sql) = &connection {
            match sql.value(&query).await.map(|value| value.parse().unwrap_or(0)) {
                Ok(now) => {
                    sum += if now >= last { now - last } else { now };
                    last = now;
                }
                Err(_) => connection = None,
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
    sum
}

async fn look(http_port: u16, stop: Arc<AtomicBool>) -> Streamed {
    let mut seen = Streamed::default();
    while !stop.load(Ordering::Relaxed) {
        // It is killed again and again: what cannot be asked now is asked again.
        let body = get(http_port, "/status").await.map(|response| response.body).unwrap_or_default();
        let status: Value = serde_json::from_str(&body).unwrap_or_default();
        let tap = &status["taps"][0];
        seen.open_max = seen.open_max.max(tap["open_transactions"].as_u64().unwrap_or_default());
        seen.disk_bytes_max = seen.disk_bytes_max.max(tap["spill_disk_bytes"].as_u64().unwrap_or_default());
        tokio::time::sleep(INTERVAL).await;
    }
    seen
}
