//! What of a change is in its records, as the user chose: seen on standard output, where a record is a line.

mod columns;
mod headers;
mod outbox;
mod schema_topic;
mod shared_topic;

use std::time::Duration;

use serde_json::Value;
use waltap_tests::{Kit, Postgres, Result, Waltap, ensure, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

/// A capture of the database `shop` on standard output, that has begun to stream.
async fn capture(kit: &Kit, postgres: &Postgres, more: &[&str]) -> Result<Waltap> {
    let source = postgres.url("postgres");
    let flags = ["capture", "--source", &source, "--database", "shop", "--sink", "stdout"];
    let mut waltap = kit.waltap(&[&flags, more].concat(), &[])?;
    waltap.wait_streaming().await?;
    Ok(waltap)
}

/// All records of a capture, of which there must be so many.
async fn records(waltap: &mut Waltap, count: usize) -> Result<Vec<Value>> {
    wait_until("the records are out", DEADLINE, async || Ok(waltap.stdout().lines().count() >= count)).await?;
    waltap.stop_cleanly().await?;
    let output = waltap.stdout();
    let records: Vec<Value> = output.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    ensure!(records.len() == count, "{} records in place of {count}:\n{output}", records.len());
    Ok(records)
}
