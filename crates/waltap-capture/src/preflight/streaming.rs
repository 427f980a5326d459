//! What transactions that are large, or prepared, need.

use waltap_error::{Code, Error, Result};
use waltap_postgres::Sql;
use waltap_postgres::preflight::Finding;

use crate::options::{Options, SnapshotMode};
use crate::tap::check_directory;

/// PostgreSQL 15 was the first to send transactions when they are prepared.
const TWO_PHASE_VERSION: i32 = 150_000;

/// Looks at the directory of what is spilled, and at the server's version.
pub(super) async fn judge_streaming(options: &Options, sql: &Sql) -> Result<Vec<Finding>> {
    let streaming = &options.streaming;
    let mut findings = Vec::new();
    if options.snapshot == SnapshotMode::Only || !(options.streams_open_transactions() || streaming.two_phase) {
        return Ok(findings);
    }
    let directory = streaming.spill_directory.clone();
    let checked = tokio::task::spawn_blocking(move || check_directory(&directory)).await;
    let broke = |error| Error::configuration(Code::INTERNAL, "looking at the spill directory broke").source(error);
    if let Err(error) = checked.map_err(broke)? {
        findings.push(Finding::of(&error));
    }
    if streaming.two_phase && version(sql).await? < TWO_PHASE_VERSION {
        let error = Error::configuration(Code::TWO_PHASE, "--two-phase needs PostgreSQL 15 or later")
            .remedy("leave it out: transactions then come at COMMIT PREPARED");
        findings.push(Finding::of(&error));
    }
    Ok(findings)
}

async fn version(sql: &Sql) -> Result<i32> {
    let asked = sql.query_one("SELECT current_setting('server_version_num')::int", &[]).await.and_then(|row| row.try_get(0));
    asked.map_err(|error| Error::transient(Code::CONNECTION_LOST, "asking for the version of the server").source(error))
}
