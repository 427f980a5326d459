//! Whether a fault fell into a snapshot: rows were being sent before it, and the snapshot was not done after it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use waltap_tests::{Kafka, PROGRESS, Result, Waltap, ensure, wait_for, wait_until};

use crate::plan::Quota;
use crate::stage::{Deeds, Stage};
use crate::workload;

/// How long a broker that was killed may take to show what it has.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long rows are waited for before progress is asked whether there are any left: asking costs the broker something.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// Of the kills that are asked for, one in so many must have fallen into a snapshot, of each kind: some four of five do.
const ASKED_FOR_EACH_THAT_FALLS: u64 = 2;

/// Whether this life of waltap has sent rows of a snapshot. One that does not answer, because it has just been started, has not.
pub(crate) async fn sends_rows(waltap: &Waltap) -> bool {
    let Ok(response) = waltap.get("/status").await else { return false };
    let Ok(status) = serde_json::from_str::<Value>(&response.body) else { return false };
    status["taps"][0]["snapshot_rows"].as_u64().is_some_and(|rows| rows > 0)
}

/// Waits until this life of waltap has sent rows. False when there is none left to be sent.
pub(crate) async fn wait_for_rows(stage: &Stage<'_>, waltap: &Waltap, database: &str) -> Result<bool> {
    let start = Instant::now();
    loop {
        let sent = wait_until("rows of a snapshot are sent", LOOK_AGAIN, async || Ok(sends_rows(waltap).await)).await;
        match sent {
            Ok(()) => return Ok(true),
            Err(_) if is_done(stage, database).await? => return Ok(false),
            Err(failure) if start.elapsed() > DEADLINE => return Err(failure),
            Err(_) => {}
        }
    }
}

/// Whether every captured table of a database is read to its end, as a reader of committed records sees it. It stays so once it is.
pub(crate) async fn is_done(stage: &Stage<'_>, database: &str) -> Result<bool> {
    let tables = workload::topics(database).len();
    let done = wait_for("progress can be read", DEADLINE, async || Ok(Some(done_tables(&stage.kafka, database).await?))).await?;
    Ok(done >= tables)
}

async fn done_tables(kafka: &Kafka, database: &str) -> Result<usize> {
    let beginning = format!("waltap/{database}/");
    let mut done = BTreeSet::new();
    for record in kafka.topics().read(PROGRESS).await? {
        let Some(key) = record.key.filter(|key| key.starts_with(&beginning)) else { continue };
        let value: Value = serde_json::from_str(record.value.as_deref().unwrap_or("null"))?;
        if value["state"] == "done" {
            done.insert(key);
        }
    }
    Ok(done.len())
}

/// Fails unless enough of what was done fell into snapshots: one kill at least, and a share of each kind where numbers are asked for.
pub(crate) fn ensure_met(met: Deeds, quota: Option<Quota>) -> Result {
    ensure!(met.kills() > 0, "no kill fell into a snapshot");
    let Some(quota) = quota else { return Ok(()) };
    for (who, met, asked) in [
        ("waltap", met.waltap_kills, quota.waltap),
        ("the broker", met.broker_kills, quota.broker),
        ("the server", met.server_kills, quota.server),
    ] {
        let least = asked / ASKED_FOR_EACH_THAT_FALLS;
        ensure!(met >= least, "{met} of {asked} kills of {who} fell into a snapshot, and {least} are the least");
    }
    Ok(())
}

#[test]
fn kills_that_all_miss_the_snapshot_are_told() {
    let quota = Quota { waltap: 30, broker: 3, server: 0 };
    let met = |waltap_kills, broker_kills| Deeds { waltap_kills, broker_kills, ..Deeds::default() };
    assert!(ensure_met(Deeds::default(), None).is_err());
    assert!(ensure_met(met(0, 1), None).is_ok());
    assert!(ensure_met(met(14, 3), Some(quota)).is_err());
    assert!(ensure_met(met(15, 0), Some(quota)).is_err());
    assert!(ensure_met(met(15, 1), Some(quota)).is_ok());
}
