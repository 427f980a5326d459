//! What a failover needs: slots that standbys keep, and standbys that have all that was sent.

use waltap_error::{Code, Error, Kind, Result};
use waltap_postgres::Sql;
use waltap_postgres::preflight::Finding;
use waltap_postgres::slot::{own_slots, slot_name};

use crate::options::{Options, SnapshotMode};

/// PostgreSQL 17 was the first whose standbys keep logical slots.
const FAILOVER_VERSION: i32 = 170_000;

/// PostgreSQL 18 was the first whose standbys know from where on a slot is one of two phases.
const FAILOVER_WITH_TWO_PHASE_VERSION: i32 = 180_000;

/// What the server says of its standbys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standbys {
    version: i32,
    /// `synchronized_standby_slots`: the physical slots whose standbys must have a change before it is sent.
    waited_for: Vec<String>,
    /// Those of them that are not there, or not physical.
    missing: Vec<String>,
}

/// Looks whether slots can be kept through a failover, where that is wanted.
pub(super) async fn judge_failover(options: &Options, sql: &Sql) -> Result<Vec<Finding>> {
    if !options.failover_slot || options.snapshot == SnapshotMode::Only {
        return Ok(Vec::new());
    }
    let standbys = standbys(sql).await?;
    Ok(judge(&standbys, options.streaming.two_phase))
}

fn judge(standbys: &Standbys, two_phase: bool) -> Vec<Finding> {
    if standbys.version < FAILOVER_VERSION {
        let what = format!("--failover-slot needs PostgreSQL 17 or later, and this is {}", standbys.version / 10_000);
        return vec![Finding::problem(Code::SERVER_VERSION, what).remedy(
            "leave it out: after a failover the slot is gone then, which waltap says, with the range of the log (waltap explain WT0010)",
        )];
    }
    if two_phase && standbys.version < FAILOVER_WITH_TWO_PHASE_VERSION {
        let what = "--failover-slot and --two-phase together need PostgreSQL 18";
        return vec![Finding::problem(Code::TWO_PHASE, what).remedy("leave out one of the two")];
    }
    let set = "ALTER SYSTEM SET synchronized_standby_slots = '<physical slot of the standby>, ...'; SELECT pg_reload_conf();";
    match (standbys.waited_for.as_slice(), standbys.missing.as_slice()) {
        ([], _) => vec![
            Finding::warning(
                "synchronized_standby_slots is empty: changes may be sent that no standby has, and after a failover they are in Kafka and not \
                 in the database",
            )
            .remedy(format!("{set} -- on every server that may become the primary, each with the slots of its own standbys")),
        ],
        (waited_for, []) => vec![Finding::ok(format!("changes are sent once they are behind {}", waited_for.join(", ")))],
        (_, missing) => vec![
            Finding::warning(format!(
                "synchronized_standby_slots names {}, and there is no such physical slot: the server sends no change before there is",
                missing.join(", ")
            ))
            .remedy(format!("SELECT pg_create_physical_replication_slot('{}'); or name another one: {set}", missing[0])),
        ],
    }
}

async fn standbys(sql: &Sql) -> Result<Standbys> {
    // The setting is a list as SQL writes names; older servers do not have it.
    const ASK: &str = "
SELECT current_setting('server_version_num')::int,
       coalesce(array_agg(w.name) FILTER (WHERE w.name <> ''), '{}') AS waited_for,
       coalesce(array_agg(w.name) FILTER (WHERE w.name <> '' AND s.slot_name IS NULL), '{}') AS missing
FROM unnest(string_to_array(coalesce(current_setting('synchronized_standby_slots', true), ''), ',')) item
CROSS JOIN LATERAL (SELECT btrim(item, ' \"') AS name) w
LEFT JOIN pg_replication_slots s ON s.slot_name = w.name AND s.slot_type = 'physical'";
    let asked = sql
        .query_one(ASK, &[])
        .await
        .and_then(|row| Ok(Standbys { version: row.try_get(0)?, waited_for: row.try_get(1)?, missing: row.try_get(2)? }));
    asked.map_err(|error| Error::transient(Code::CONNECTION_LOST, "asking the server for its standbys").source(error))
}

/// Whether a standby was reached that keeps the slots of this capture, and so is about to become the primary: that is waited for.
pub(super) async fn awaits_promotion(options: &Options, sql: &Sql, databases: &[String]) -> Result<Option<Error>> {
    let ours: Vec<String> = databases.iter().map(|database| slot_name(&options.name, database)).collect();
    let kept = own_slots(sql).await?.into_iter().find(|slot| slot.synced && ours.contains(&slot.name));
    Ok(kept.map(|slot| {
        Error::new(
            Kind::Transient,
            Code::STANDBY,
            format!("the server is a standby that keeps the slot {}: waiting until it is the primary", slot.name),
        )
        .remedy("if it is not to become one: name the primary, or all hosts with target_session_attrs=primary")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use waltap_postgres::preflight::Level;

    #[test]
    fn only_servers_that_can_keep_slots_are_asked_to() {
        let judge = |version, waited_for: &[&str], missing: &[&str], two_phase| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let standbys = Standbys { version, waited_for: owned(waited_for), missing: owned(missing) };
            let findings = judge(&standbys, two_phase);
            (findings[0].level, findings[0].code)
        };
        assert_eq!(judge(160_003, &[], &[], false), (Level::Problem, Some(Code::SERVER_VERSION)));
        assert_eq!(judge(170_000, &[], &[], false), (Level::Warning, None));
        assert_eq!(judge(170_000, &["one"], &[], false), (Level::Ok, None));
        assert_eq!(judge(170_000, &["one", "two"], &["two"], false), (Level::Warning, None));
        assert_eq!(judge(170_000, &["one"], &[], true), (Level::Problem, Some(Code::TWO_PHASE)));
        assert_eq!(judge(180_000, &["one"], &[], true), (Level::Ok, None));
    }
}
