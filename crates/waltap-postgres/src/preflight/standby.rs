//! What a standby needs to be captured, and what its slots need to live.

use waltap_error::Code;

use super::finding::Finding;
use crate::catalog::{DECODING_STANDBYS, Standby};

/// Put before statements that a standby cannot run.
pub(super) const ON_THE_PRIMARY: &str = "-- on the primary:\n";

/// How remedies begin that say so already.
pub(super) const SAYS_WHERE: &str = "-- on the primary";

/// Judges the settings of a standby; `None`: the server is a primary.
pub fn judge_standby(version_num: u32, standby: Option<&Standby>) -> Vec<Finding> {
    let Some(standby) = standby else { return vec![Finding::ok("the server is a primary")] };
    if version_num < DECODING_STANDBYS {
        let what = format!(
            "the server is a standby of PostgreSQL {}, and changes can be read from a standby from 16 on",
            version_num / 10_000
        );
        return vec![
            Finding::problem(Code::STANDBY, what)
                .remedy("name the primary; or all hosts in --source, with target_session_attrs=read-write"),
        ];
    }
    let mut findings = vec![Finding::ok(
        "the server is a standby: a slot is made there once the primary logs which transactions are open, which SELECT \
         pg_log_standby_snapshot(); on the primary hurries",
    )];
    findings.push(match standby.gives_feedback {
        true => Finding::ok("hot_standby_feedback is on"),
        false => Finding::warning(
            "hot_standby_feedback is off on the standby: the primary does not know which rows a slot needs, and removes them in time, which \
             ends the slot",
        )
        .code(Code::SLOT_INVALIDATED)
        .remedy("ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf(); -- on the standby"),
    });
    findings.push(match &standby.physical_slot {
        Some(name) => Finding::ok(format!("the standby follows its primary through the slot {name}")),
        None => Finding::warning(
            "the standby follows its primary without a physical slot (primary_slot_name): while the two are not connected the primary forgets \
             which rows a slot needs, and removes them, which ends the slot",
        )
        .code(Code::SLOT_INVALIDATED)
        .remedy(
            "-- on the primary:\nSELECT pg_create_physical_replication_slot('standby_1', true);\n-- on the standby:\nALTER SYSTEM SET \
             primary_slot_name = 'standby_1'; SELECT pg_reload_conf();",
        ),
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::{Level, worst};

    #[test]
    fn a_standby_is_judged_by_its_version_and_by_what_its_primary_learns() {
        let judge = |version, gives_feedback, slot: Option<&str>| {
            let standby = Standby { gives_feedback, physical_slot: slot.map(str::to_owned) };
            let findings = judge_standby(version, Some(&standby));
            let warnings = findings.iter().filter(|finding| finding.level == Level::Warning).count();
            (worst(&findings), warnings, findings.iter().find_map(|finding| finding.code))
        };
        assert_eq!(judge(150_012, true, Some("one")), (Level::Problem, 0, Some(Code::STANDBY)));
        assert_eq!(judge(160_000, true, Some("one")), (Level::Ok, 0, None));
        assert_eq!(judge(180_000, false, None), (Level::Warning, 2, Some(Code::SLOT_INVALIDATED)));
        assert_eq!(judge(180_000, true, None), (Level::Warning, 1, Some(Code::SLOT_INVALIDATED)));
        assert_eq!(worst(&judge_standby(130_000, None)), Level::Ok);
    }
}
