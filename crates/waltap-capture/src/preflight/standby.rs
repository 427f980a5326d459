//! What cannot be done while the source is a standby.

use waltap_error::{Code, Result};
use waltap_postgres::Sql;
use waltap_postgres::catalog::is_standby;
use waltap_postgres::preflight::Finding;

use crate::options::{NewTables, Options, SnapshotMode};

/// Looks whether something is asked for that has to be written into the log, where the source is a standby.
pub(super) async fn judge_recovery(options: &Options, sql: &Sql) -> Result<Vec<Finding>> {
    if options.snapshot == SnapshotMode::Only || !is_standby(sql).await? {
        return Ok(Vec::new());
    }
    Ok(judge(options.failover_slot, options.guard.heartbeat_interval.is_some(), options.chunks.new_tables))
}

fn judge(failover_slot: bool, heartbeats: bool, new_tables: NewTables) -> Vec<Finding> {
    let mut findings = Vec::new();
    if failover_slot {
        let what = "the source is a standby, and --failover-slot is for slots of a primary: those of a standby are its own";
        findings.push(
            Finding::problem(Code::STANDBY, what)
                .remedy("leave it out, since the slot stays when this standby is promoted; or name the primary in --source"),
        );
    }
    if heartbeats {
        findings.push(Finding::warning(
            "the source is a standby, which can write no heartbeats: there are none until it is a primary",
        ));
    }
    if new_tables == NewTables::Chunks {
        findings.push(Finding::warning(
            "the source is a standby, which cannot write the marks that --new-tables chunks needs: rows of tables that join are read under an \
             exported snapshot until it is a primary",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use waltap_postgres::preflight::{Level, worst};

    #[test]
    fn what_a_standby_cannot_write_is_said_and_only_its_slots_are_refused() {
        assert!(judge(false, false, NewTables::Snapshot).is_empty());
        assert_eq!(worst(&judge(false, true, NewTables::Chunks)), Level::Warning);
        assert_eq!(worst(&judge(true, false, NewTables::Snapshot)), Level::Problem);
    }
}
