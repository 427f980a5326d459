//! Incremental snapshots: tables that are read in chunks by their key while the stream goes on.

mod keys;
mod latency;
mod load;
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use waltap_tests::{Kafka, PROGRESS, Postgres, Result, Waltap, oracle, wait_until};

pub(super) const DEADLINE: Duration = Duration::from_secs(120);

/// Asks for tables to be read, or not to be any more, as the command line does.
pub(super) async fn ask(kafka: &Kafka, id: &str, kind: &str, tables: &[&str], condition: Option<&str>) -> Result {
    let tables: Vec<String> = tables.iter().map(|table| format!("\"public\".\"{table}\"")).collect();
    let value = json!({"kind": kind, "tables": tables, "where": condition, "at": 1}).to_string();
    kafka.topics().produce(PROGRESS, &[(&format!("waltap/shop/ask/{id}"), &value)]).await
}

/// What progress says of a table last.
pub(super) async fn table_record(kafka: &Kafka, table: &str) -> Result<Value> {
    let mut last = Value::Null;
    for record in kafka.topics().read(PROGRESS).await? {
        let is_table = record.key.as_ref().is_some_and(|key| key.starts_with("waltap/shop/table/"));
        if let Some(value) = record.value.filter(|_| is_table) {
            let value: Value = serde_json::from_str(&value)?;
            if value["table"] == table {
                last = value;
            }
        }
    }
    Ok(last)
}

/// Waits until a request is answered, and gives the answer.
pub(super) async fn answered(kafka: &Kafka, waltap: &Waltap, table: &str, id: &str) -> Result<Value> {
    let mut answer = Value::Null;
    wait_until(&format!("{table} is read as {id} asks"), DEADLINE, async || {
        answer = table_record(kafka, table).await?["answer"].clone();
        Ok(answer["id"] == id)
    })
    .await
    .map_err(|failure| failure.while_doing(waltap.log()))?;
    Ok(answer)
}

/// Rows of chunks that the capture says it has sent.
pub(super) async fn rows_sent(waltap: &Waltap) -> u64 {
    let rows = async {
        let status: Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
        let chunks = status["taps"][0]["chunks"].as_array().cloned().unwrap_or_default();
        Ok::<u64, waltap_tests::Failure>(chunks.iter().filter_map(|chunk| chunk["rows"].as_u64()).sum())
    };
    // It may just be starting.
    rows.await.unwrap_or(0)
}

/// Waits until all is confirmed, stops waltap and compares.
pub(super) async fn ensure_equal(postgres: &Postgres, kafka: &Kafka, waltap: &mut Waltap) -> Result<Vec<oracle::TableReport>> {
    waltap.wait_streaming().await?;
    postgres.wait_confirmed(&["shop"], DEADLINE).await?;
    waltap.stop_cleanly().await?;
    oracle::ensure_equal(postgres, &kafka.topics(), &["shop"]).await
}

/// Connections that run statements again and again.
pub(super) struct Writers {
    stop: Arc<AtomicBool>,
    pub(super) written: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Result>>,
}

impl Writers {
    /// Each statement gets a connection of its own.
    pub(super) async fn start(postgres: &Postgres, statements: &[&str], pause: Duration) -> Result<Self> {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for statement in statements {
            let (sql, statement) = (postgres.sql("shop").await?, (*statement).to_owned());
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    sql.run(&statement).await?;
                    written.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(pause).await;
                }
                Ok(())
            }));
        }
        Ok(Writers { stop, written, tasks })
    }

    pub(super) async fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await??;
        }
        Ok(self.written.load(Ordering::SeqCst))
    }
}
