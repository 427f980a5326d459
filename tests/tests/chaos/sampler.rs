//! Looks at both sides all the time: how far the slot is confirmed, and then what Kafka holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use waltap_tests::checker::Samples;
use waltap_tests::{Result, Sql, TopicEnds};

/// How often. What is acknowledged too early for a shorter time is only found when a crash makes a gap of it.
const INTERVAL: Duration = Duration::from_millis(40);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) samples: Samples,
    /// The most that the slot was behind, in bytes of log.
    pub(crate) lag_bytes_max: u64,
}

/// A sampler at work.
pub(crate) struct Sampler {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Seen>,
}

impl Sampler {
    /// Starts looking at the slot of a database, straight at the server's port, and at the ends of topics, straight at the broker's.
    pub(crate) fn start(port: u16, database: &str, ends: TopicEnds) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(look(port, database.to_owned(), Arc::new(ends), stop.clone()));
        Sampler { stop, task }
    }

    /// What was seen.
    pub(crate) async fn stop(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}

async fn look(port: u16, database: String, ends: Arc<TopicEnds>, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        // Servers come and go here: what cannot be asked now is asked again.
        if connection.is_none() {
            connection = Sql::connect(port, "postgres", "postgres", "").await.ok();
        }
        if let Some(sql) = &connection {
            match sample(sql, &database, &ends, &mut seen).await {
                Ok(()) => {}
                Err(_) => connection = None,
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
    seen
}

async fn sample(sql: &Sql, database: &str, ends: &Arc<TopicEnds>, seen: &mut Seen) -> Result {
    let slot = sql
        .rows(&format!(
            "SELECT confirmed_flush_lsn - '0/0', pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots
             WHERE database = '{database}' AND NOT temporary AND confirmed_flush_lsn IS NOT NULL"
        ))
        .await?;
    let mut fields = slot.into_iter().next().unwrap_or_default().into_iter().flatten();
    let (Some(confirmed), Some(lag)) = (fields.next(), fields.next()) else { return Ok(()) };
    seen.lag_bytes_max = seen.lag_bytes_max.max(lag.parse().unwrap_or(0));
    // Second: what is there now may have come since, and that only makes the judgement milder.
    let ends = ends.clone();
    if let Ok(ends) = tokio::task::spawn_blocking(move || ends.read()).await? {
        seen.samples.add(confirmed.parse()?, ends);
    }
    Ok(())
}
