//! How long a change takes from its commit to a consumer, seen by one that reads along.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::task::JoinHandle;
use waltap_tests::{Failure, Kafka, Result};

/// A table whose rows say when they were written, in microseconds since 1970.
pub(super) const TABLE: &str = "CREATE TABLE probe
    (id bigserial PRIMARY KEY, at bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)";

/// What writes to it.
pub(super) const WRITE: &str = "INSERT INTO probe DEFAULT VALUES";

/// Reads the events of [`TABLE`] as they come.
pub(super) struct Latencies {
    stop: Arc<AtomicBool>,
    micros: Arc<Mutex<Vec<u64>>>,
    reader: JoinHandle<Result>,
}

impl Latencies {
    pub(super) fn start(kafka: &Kafka) -> Self {
        let (stop, micros) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (topics, is_over, noted) = (kafka.topics(), Arc::clone(&stop), Arc::clone(&micros));
        let reader = tokio::task::spawn_blocking(move || {
            topics.follow(r"^shop\.public\.probe$", &mut |record| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
                let event: Option<Value> = record.and_then(|record| serde_json::from_str(record.value.as_deref()?).ok());
                if let Some(at) = event.and_then(|event| event["after"]["at"].as_u64()) {
                    locked(&noted).push(u64::try_from(now).unwrap_or(u64::MAX).saturating_sub(at));
                }
                !is_over.load(Ordering::SeqCst)
            })
        });
        Latencies { stop, micros, reader }
    }

    /// Those since the last call, sorted.
    pub(super) fn take(&self) -> Sorted {
        let mut micros = std::mem::take(&mut *locked(&self.micros));
        micros.sort_unstable();
        Sorted(micros)
    }

    pub(super) async fn stop(self) -> Result {
        self.stop.store(true, Ordering::SeqCst);
        self.reader.await.map_err(Failure::from)?
    }
}

fn locked(micros: &Mutex<Vec<u64>>) -> MutexGuard<'_, Vec<u64>> {
    micros.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Latencies in microseconds, in their order.
pub(super) struct Sorted(Vec<u64>);

impl Sorted {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds.
    pub(super) fn quantile(&self, part: f64) -> f64 {
        let place = (self.0.len() as f64 * part) as usize;
        self.0.get(place).map_or(0.0, |micros| *micros as f64 / 1e3)
    }
}

impl std::fmt::Display for Sorted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|part| self.quantile(part));
        write!(f, "p50 {p50:.1}, p90 {p90:.1}, p99 {p99:.1} ms of {} events", self.len())
    }
}
