use waltap_error::{Code, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::slot::{Invalidation, SlotState};

use super::*;
use crate::position::Position;

pub(super) fn found(confirmed: u64) -> SlotState {
    SlotState {
        name: "s".to_owned(),
        plugin: Some("pgoutput".to_owned()),
        database: Some("shop".to_owned()),
        restart_lsn: Some(Lsn(1)),
        confirmed_flush_lsn: Some(Lsn(confirmed)),
        server_lsn: Lsn(1_000),
        ..SlotState::default()
    }
}

pub(super) fn record(acknowledged: Option<u64>) -> SlotRecord {
    SlotRecord { acknowledged: acknowledged.map(Lsn), timeline: Some(1), ..SlotRecord::intended("7", "s") }
}

fn log(kinship: Kinship) -> ServerLog {
    let timeline = if kinship == Kinship::Same { 1 } else { 2 };
    ServerLog { system_id: "7".to_owned(), timeline, end: Lsn(1_000), kinship, is_of_standby: false }
}

fn expected<'a>(slot: &'a str, record: Option<&'a SlotRecord>) -> Expected<'a> {
    Expected { slot, record, sent: None, mode: SnapshotMode::Initial }
}

fn decide(remembered: Option<SlotRecord>, found: Option<SlotState>) -> Result<SlotPlan, Code> {
    decide_with(Kinship::Same, remembered, None, found)
}

fn decide_with(
    kinship: Kinship,
    remembered: Option<SlotRecord>,
    sent: Option<u64>,
    found: Option<SlotState>,
) -> Result<SlotPlan, Code> {
    let expected = Expected { sent: sent.map(Lsn), ..expected("s", remembered.as_ref()) };
    plan(expected, &log(kinship), found.as_ref()).map_err(|error| error.code())
}

#[test]
fn a_first_start_and_a_crash_before_the_slot_make_one() {
    assert_eq!(decide(None, None), Ok(SlotPlan::Create));
    assert_eq!(decide(Some(record(None)), None), Ok(SlotPlan::Create));
    assert_eq!(decide(Some(record(None)), Some(found(50))), Ok(SlotPlan::Resume(Lsn(50))));
}

#[test]
fn a_slot_that_is_behind_the_record_goes_on() {
    assert_eq!(decide(Some(record(Some(100))), Some(found(100))), Ok(SlotPlan::Resume(Lsn(100))));
    assert_eq!(decide(Some(record(Some(100))), Some(found(60))), Ok(SlotPlan::Resume(Lsn(60))));
}

#[test]
fn every_loss_stops_with_its_code() {
    assert_eq!(decide(Some(record(Some(100))), None), Err(Code::SLOT_DROPPED));
    assert_eq!(decide(Some(record(Some(100))), Some(found(101))), Err(Code::SLOT_MOVED));
    assert_eq!(decide(None, Some(found(5))), Err(Code::SLOT_UNKNOWN));
    let lost = SlotState { invalidation: Some(Invalidation { reason: "wal_removed".to_owned() }), ..found(100) };
    assert_eq!(decide(Some(record(Some(100))), Some(lost)), Err(Code::SLOT_INVALIDATED));
    let other = SlotRecord { system_id: "8".to_owned(), ..record(Some(100)) };
    assert_eq!(decide(Some(other), Some(found(100))), Err(Code::OTHER_SERVER));
    let busy = SlotState { active: true, active_pid: Some(9), ..found(100) };
    let error = plan(expected("s", Some(&record(Some(100)))), &log(Kinship::Same), Some(&busy)).unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SLOT_IN_USE, waltap_error::Kind::Transient));
}

#[test]
fn the_remedy_is_a_command_that_can_be_run() {
    let acknowledged = record(Some(100));
    let plan = |slot: &str, found: Option<SlotState>| {
        let error = plan(expected(slot, Some(&acknowledged)), &log(Kinship::Same), found.as_ref()).unwrap_err();
        error.remedy_text().unwrap().to_owned()
    };
    let full = "`waltap slots drop --name waltap --database shop --source ... --brokers ...`";
    assert!(plan("waltap_waltap_shop", None).contains(full));
    assert!(plan("waltap_waltap_shop", Some(found(101))).contains(full));
    let hashed = waltap_postgres::slot::slot_name("my_capture", "shop");
    assert!(plan(&hashed, None).contains("--name NAME --database DATABASE"));
    assert!(plan(&hashed, Some(found(101))).contains("--name my_capture --database shop"));
    let busy = SlotState { active: true, ..found(100) };
    assert!(plan("waltap_waltap_shop", Some(busy)).ends_with("WHERE active AND slot_name = 'waltap_waltap_shop';"));
}

#[test]
fn without_a_snapshot_a_slot_that_the_user_made_is_taken() {
    let never = Expected { mode: SnapshotMode::Never, ..expected("s", None) };
    assert_eq!(plan(never, &log(Kinship::Same), Some(&found(5))).unwrap(), SlotPlan::Resume(Lsn(5)));
}

#[test]
fn another_cluster_is_refused() {
    let of = |acknowledged, cluster: Option<&str>| SlotRecord { cluster: cluster.map(str::to_owned), ..record(acknowledged) };
    let check = |record: SlotRecord, now| check_cluster(Some(&record), now, None).map_err(|error| error.code());
    assert_eq!(check(of(Some(100), Some("a")), Some("b")), Err(Code::OTHER_CLUSTER));
    assert_eq!(check(of(Some(100), Some("a")), Some("a")), Ok(()));
    assert_eq!(check(of(Some(100), None), Some("b")), Ok(()), "written before clusters were");
    assert_eq!(check(of(Some(100), Some("a")), None), Ok(()));
    assert_eq!(check(of(None, Some("a")), Some("b")), Ok(()), "nothing was read");
    assert!(check_cluster(None, Some("b"), None).is_ok());
}

#[test]
fn a_slot_of_two_phases_stays_one() {
    let two_phase = SlotState { two_phase: true, ..found(100) };
    let error = check_two_phase("s", Some(&two_phase), false).unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::TWO_PHASE, waltap_error::Kind::Configuration));
    assert!(error.remedy_text().is_some_and(|remedy| remedy.starts_with("give --two-phase")));
    assert!(check_two_phase("s", Some(&two_phase), true).is_ok());
    // The server makes it one of two phases.
    assert!(check_two_phase("s", Some(&found(100)), true).is_ok());
    assert!(check_two_phase("s", None, false).is_ok());
}

#[test]
fn a_promoted_standby_that_has_everything_goes_on() {
    let upto = |left| Kinship::UpTo(Lsn(left));
    let resumed = |lsn| Ok(SlotPlan::Resume(Lsn(lsn)));
    assert_eq!(decide_with(upto(100), Some(record(Some(100))), None, Some(found(90))), resumed(90));
    assert_eq!(decide_with(upto(99), Some(record(Some(100))), None, Some(found(90))), Err(Code::SERVER_WENT_BACK));
    // The place went on with the server's own records; the last event is there.
    assert_eq!(decide_with(upto(99), Some(record(Some(100))), Some(98), Some(found(90))), resumed(90));
    assert_eq!(decide_with(upto(99), Some(record(Some(90))), Some(99), Some(found(80))), Err(Code::SERVER_WENT_BACK));
    // Behind the fork, somebody else has moved it.
    assert_eq!(decide_with(upto(99), Some(record(Some(110))), Some(90), Some(found(105))), Err(Code::SLOT_MOVED));
    assert_eq!(decide_with(Kinship::Foreign, Some(record(Some(50))), None, Some(found(50))), Err(Code::SERVER_WENT_BACK));
}

/// Snapshots aside, nothing was sent of a slot that stood at 90, and the server's own records are acknowledged up to 100.
#[test]
fn a_failover_before_the_first_event_loses_none() {
    let left = |left| Kinship::UpTo(Lsn(left));
    let resumed = Ok(SlotPlan::Resume(Lsn(80)));
    let at_least_once = |lsn| decide_with(left(lsn), Some(record(Some(100))), Some(89), Some(found(80)));
    assert_eq!([at_least_once(95), at_least_once(90)], [resumed, resumed]);
    // What the slot was made at the new primary does not have, and so not what the rows of the tables were.
    assert_eq!(at_least_once(89), Err(Code::SERVER_WENT_BACK));
    let unread = SlotRecord { position: Some(Position::before(Lsn(90))), ..record(Some(100)) };
    let exactly_once = |lsn| decide_with(left(lsn), Some(unread.clone()), None, Some(found(80)));
    assert_eq!([exactly_once(95), exactly_once(90)], [resumed, resumed]);
    assert_eq!(exactly_once(89), Err(Code::SERVER_WENT_BACK));
    // A process that does not know it takes the place for the event's.
    assert_eq!(decide_with(left(95), Some(record(Some(100))), None, Some(found(80))), Err(Code::SERVER_WENT_BACK));
}

#[test]
fn the_position_of_exactly_once_delivery_is_the_last_event() {
    let at = |commit, ordinal| SlotRecord { position: Some(Position { commit_lsn: Lsn(commit), ordinal }), ..record(Some(100)) };
    let decide = |left, record| decide_with(Kinship::UpTo(Lsn(left)), Some(record), None, Some(found(50)));
    assert_eq!(decide(80, at(79, None)), Ok(SlotPlan::Resume(Lsn(50))));
    assert_eq!(decide(80, at(80, None)), Err(Code::SERVER_WENT_BACK));
    assert_eq!(decide(80, at(80, Some(3))), Err(Code::SERVER_WENT_BACK));
    // Nothing of what commits there is in.
    assert_eq!(decide(80, at(80, Some(0))), Ok(SlotPlan::Resume(Lsn(50))));
}

#[test]
fn with_a_paused_table_more_was_sent_than_the_slot_may_forget() {
    let paused = |delivered| SlotRecord { delivered: Some(Lsn(delivered)), ..record(Some(100)) };
    let expected = |delivered| decide_with(Kinship::Same, Some(paused(delivered)), None, Some(found(100)));
    let ends = |delivered| {
        let found = SlotState { server_lsn: Lsn(900), ..found(100) };
        decide_with(Kinship::UpTo(Lsn(500)), Some(paused(delivered)), None, Some(found))
    };
    assert_eq!(expected(100), Ok(SlotPlan::Resume(Lsn(100))));
    assert_eq!((ends(500), ends(501)), (Ok(SlotPlan::Resume(Lsn(100))), Err(Code::SERVER_WENT_BACK)));
}

#[test]
fn tables_that_are_behind_and_two_phases_do_not_go_together() {
    let paused = ["public.t".to_owned()];
    assert_eq!(check_behind(&paused, true).map_err(|error| error.code()), Err(Code::TWO_PHASE));
    assert!(check_behind(&paused, false).is_ok() && check_behind(&[], true).is_ok());
}

#[test]
fn a_server_that_ends_before_what_was_sent_was_restored() {
    let ends = |end| SlotState { server_lsn: Lsn(end), ..found(100) };
    let expected = |record| decide_with(Kinship::Same, Some(record), None, Some(ends(900)));
    assert_eq!(expected(record(Some(1_000))), Ok(SlotPlan::Resume(Lsn(100))));
    assert_eq!(expected(record(Some(1_001))), Err(Code::SERVER_WENT_BACK));
    let placed = SlotRecord { position: Some(Position::after_transaction(Lsn(1_000))), ..record(Some(900)) };
    assert_eq!(expected(placed), Err(Code::SERVER_WENT_BACK));
    // Without a slot too: a backup that holds none.
    assert_eq!(decide(Some(record(Some(1_001))), None), Err(Code::SERVER_WENT_BACK));
}

#[test]
fn a_slot_that_did_not_come_along_is_told_with_the_failover_and_the_range() {
    let text = |kinship, acknowledged| {
        let record = record(Some(acknowledged));
        plan(expected("s", Some(&record)), &log(kinship), None).unwrap_err().report()
    };
    let all_there = text(Kinship::UpTo(Lsn(0x200)), 0x100);
    assert!(all_there.contains("WT0010") && all_there.contains("timeline 2 began at 0/200"), "{all_there}");
    assert!(all_there.contains("between 0/100 and 0/3E8"), "{all_there}");
    assert!(!all_there.contains("does not have"), "{all_there}");
    let beyond = text(Kinship::UpTo(Lsn(0x200)), 0x300);
    assert!(beyond.contains("between 0/200 and 0/3E8") && beyond.contains("up to 0/300"), "{beyond}");
    let without = text(Kinship::Same, 0x100);
    assert!(without.contains("between 0/100 and 0/3E8") && !without.contains("timeline"), "{without}");
}

#[test]
fn a_standby_is_read_by_a_capture_of_its_own_and_waited_for_by_any_other() {
    let on_standby = SlotRecord { on_standby: true, ..record(Some(100)) };
    let kept = SlotState { synced: true, ..found(100) };
    let check = |version, record: Option<&SlotRecord>, found: Option<&SlotState>| {
        check_standby("waltap", version, record, found).map_err(|error| (error.code(), error.kind()))
    };
    let waits = Err((Code::STANDBY, waltap_error::Kind::Transient));
    assert_eq!(check(150_000, None, None), waits);
    assert_eq!(check(160_000, None, None), Ok(()));
    // Nothing was read from a primary before the crash.
    assert_eq!(check(160_000, Some(&record(None)), None), Ok(()));
    assert_eq!(check(160_000, Some(&on_standby), Some(&found(100))), Ok(()));
    // It is lost, which is for the plan to say.
    assert_eq!(check(160_000, Some(&on_standby), None), Ok(()));
    // The slot is on the primary, and kept here at the most.
    assert_eq!(check(180_000, Some(&record(Some(100))), None), waits);
    assert_eq!(check(180_000, Some(&record(Some(100))), Some(&kept)), waits);
    assert_eq!(check(180_000, None, Some(&kept)), waits);
    // It was the primary that was read, and was demoted.
    assert_eq!(check(180_000, Some(&record(Some(100))), Some(&found(100))), waits);
    assert_eq!(check(180_000, Some(&record(None)), Some(&found(100))), Ok(()));
    let remedy = check_standby("orders", 180_000, Some(&record(Some(100))), None).unwrap_err();
    assert!(remedy.remedy_text().is_some_and(|text| text.ends_with("waltap slots drop --name orders")), "{remedy:?}");
}

#[test]
fn a_slot_of_a_standby_is_not_missed_on_its_primary() {
    let on_standby = SlotRecord { on_standby: true, ..record(Some(100)) };
    let at = |record: &SlotRecord, kinship, is_of_standby| {
        let log = ServerLog { is_of_standby, ..log(kinship) };
        plan(expected("s", Some(record)), &log, None).map_err(|error| (error.code(), error.kind()))
    };
    let gone = Err((Code::SLOT_DROPPED, waltap_error::Kind::Configuration));
    assert_eq!(at(&on_standby, Kinship::Same, false), Err((Code::STANDBY, waltap_error::Kind::Transient)));
    assert!(!is_loss(Code::STANDBY), "nothing is begun anew on the primary");
    // It is the standby, and was promoted; or it still is one.
    assert_eq!(at(&on_standby, Kinship::UpTo(Lsn(500)), false), gone);
    assert_eq!(at(&on_standby, Kinship::Same, true), gone);
    assert_eq!(at(&record(Some(100)), Kinship::Same, false), gone);
    // Nothing was read from it.
    let unread = SlotRecord { on_standby: true, ..record(None) };
    assert_eq!(at(&unread, Kinship::Same, false), Ok(SlotPlan::Create));
}

#[test]
fn a_standby_that_was_killed_is_waited_for_until_it_is_where_it_was() {
    let behind = SlotState { server_lsn: Lsn(900), ..found(100) };
    let at = |is_of_standby, acknowledged| {
        let log = ServerLog { is_of_standby, ..log(Kinship::Same) };
        let record = SlotRecord { on_standby: true, ..record(Some(acknowledged)) };
        plan(expected("s", Some(&record)), &log, Some(&behind)).map_err(|error| (error.code(), error.kind()))
    };
    assert_eq!(at(true, 1_000), Ok(SlotPlan::Resume(Lsn(100))));
    assert_eq!(at(true, 1_001), Err((Code::STANDBY, waltap_error::Kind::Transient)));
    // Once it is a primary, nothing more comes.
    assert_eq!(at(false, 1_001), Err((Code::SERVER_WENT_BACK, waltap_error::Kind::Configuration)));
}

#[test]
fn what_ends_a_slot_of_a_standby_comes_with_what_would_have_kept_it() {
    let lost = |reason: &str| {
        let found = SlotState { invalidation: Some(Invalidation { reason: reason.to_owned() }), ..found(100) };
        let error = plan(expected("s", Some(&record(Some(100)))), &log(Kinship::Same), Some(&found)).unwrap_err();
        assert_eq!(error.code(), Code::SLOT_INVALIDATED);
        assert!(error.report().contains(reason), "{}", error.report());
        error.remedy_text().unwrap_or_default().to_owned()
    };
    assert!(lost("rows_removed").contains("hot_standby_feedback = on"));
    assert!(lost("conflicting with recovery").contains("hot_standby_feedback = on"));
    assert!(lost("wal_level_insufficient").contains("logical on the primary"));
    assert!(lost("wal_removed").starts_with("start anew"));
}
