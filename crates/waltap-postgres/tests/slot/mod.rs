//! Slots on a real server.

use std::time::Duration;

use waltap_error::{Code, Kind};
use waltap_postgres::slot::{WalStatus, drop_publication, drop_slot, inspect, own_publications, own_slots};

use crate::catalog::as_role;
use crate::fixture::{Cluster, PATIENCE, eventually};

const MAKE: &str = "SELECT pg_create_logical_replication_slot";

#[tokio::test]
async fn a_slot_is_seen_as_it_is() {
    let cluster = Cluster::start();
    let sql = cluster.sql("postgres").await;
    assert_eq!(inspect(&sql, "waltap_main_postgres").await.expect("an answer"), None);
    cluster.psql("postgres", &format!("{MAKE}('waltap_main_postgres', 'pgoutput')"));
    cluster.psql("postgres", "CREATE TABLE t AS SELECT generate_series(1, 10000)");
    let slot = inspect(&sql, "waltap_main_postgres").await.expect("an answer").expect("a slot");
    assert_eq!((slot.plugin.as_deref(), slot.database.as_deref()), (Some("pgoutput"), Some("postgres")));
    assert_eq!((slot.temporary, slot.active, slot.active_pid), (false, false, None));
    assert_eq!((slot.wal_status, slot.safe_wal_bytes, &slot.invalidation), (Some(WalStatus::Reserved), None, &None));
    let expected = cluster.psql(
        "postgres",
        "SELECT restart_lsn || ' ' || confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'waltap_main_postgres'",
    );
    let (restart, confirmed) = (slot.restart_lsn.expect("an LSN"), slot.confirmed_flush_lsn.expect("an LSN"));
    assert_eq!(format!("{restart} {confirmed}"), expected);
    assert_eq!(slot.retained_bytes, Some(slot.server_lsn.bytes_since(restart)));
    assert!(slot.retained_bytes > Some(100_000));
}

#[tokio::test]
async fn a_slot_that_lost_its_log_says_so() {
    let cluster = Cluster::with()
        .setting("max_slot_wal_keep_size", "1MB")
        .setting("max_wal_size", "32MB")
        .setting("min_wal_size", "32MB")
        .start();
    let sql = cluster.sql("postgres").await;
    cluster.psql("postgres", &format!("{MAKE}('waltap_main_postgres', 'pgoutput')"));
    for _ in 0..4 {
        cluster.psql("postgres", "CREATE TABLE IF NOT EXISTS t (i int); INSERT INTO t VALUES (1)");
        cluster.psql("postgres", "SELECT pg_switch_wal()");
        cluster.psql("postgres", "CHECKPOINT");
    }
    let slot = inspect(&sql, "waltap_main_postgres").await.expect("an answer").expect("a slot");
    assert_eq!(slot.wal_status, Some(WalStatus::Lost));
    assert_eq!(slot.invalidation.expect("invalidated").reason, "wal_removed");
}

#[tokio::test]
async fn own_things_are_listed_and_dropped() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE ROLE other LOGIN; CREATE TABLE t (id int)");
    for name in ["waltap_a_postgres", "waltap_b_postgres", "waltaper", "foreign_slot"] {
        cluster.psql("postgres", &format!("{MAKE}('{name}', 'pgoutput')"));
    }
    cluster.psql(
        "postgres",
        "CREATE PUBLICATION waltap_a FOR TABLE t; CREATE PUBLICATION waltap_a_inserts; CREATE PUBLICATION foreign_one",
    );
    let sql = cluster.sql("postgres").await;
    let slots: Vec<String> = own_slots(&sql).await.expect("slots").into_iter().map(|slot| slot.name).collect();
    assert_eq!(slots, ["waltap_a_postgres", "waltap_b_postgres"]);
    let publications: Vec<(String, u64)> =
        own_publications(&sql).await.expect("publications").into_iter().map(|found| (found.name, found.tables)).collect();
    assert_eq!(publications, [("waltap_a".to_owned(), 1), ("waltap_a_inserts".to_owned(), 0)]);

    assert!(drop_slot(&sql, "waltap_a_postgres", Duration::ZERO).await.expect("dropped"));
    assert!(!drop_slot(&sql, "waltap_a_postgres", Duration::ZERO).await.expect("gone already"));
    let other = as_role(&cluster, "other", "postgres").await;
    assert!(own_publications(&sql).await.expect("publications").iter().all(|found| found.may_drop));
    assert!(own_publications(&other).await.expect("publications").iter().all(|found| !found.may_drop));
    let refusal = drop_publication(&other, "waltap_a").await;
    let refusal = refusal.expect_err("it belongs to another");
    assert_eq!(
        (refusal.code(), refusal.remedy_text()),
        (Code::PUBLICATION, Some("as its owner: DROP PUBLICATION IF EXISTS \"waltap_a\";"))
    );
    drop_publication(&sql, "waltap_a").await.expect("dropped");
    drop_publication(&sql, "waltap_a").await.expect("gone already");
    assert_eq!(own_publications(&sql).await.expect("publications").len(), 1);
}

#[tokio::test]
async fn a_slot_that_is_read_is_waited_for() {
    let cluster = Cluster::start();
    cluster.psql("postgres", &format!("{MAKE}('waltap_a_postgres', 'pgoutput')"));
    let sql = cluster.sql("postgres").await;
    // pg_recvlogical knows nothing of the code under test.
    let mut reader = std::process::Command::new("/usr/bin/env")
        .args(["pg_recvlogical", "--start", "--slot", "waltap_a_postgres", "--dbname", "postgres", "--username", "postgres"])
        .args(["--host", "127.0.0.1", "--port", &cluster.port().to_string(), "--file", "-"])
        .args(["-o", "proto_version=1", "-o", "publication_names=none"])
        .spawn()
        .expect("pg_recvlogical runs");
    eventually("the slot is active", async || {
        inspect(&sql, "waltap_a_postgres").await.expect("an answer").filter(|slot| slot.active)
    })
    .await;
    let refusal = drop_slot(&sql, "waltap_a_postgres", Duration::from_millis(10)).await.expect_err("it is being read");
    assert_eq!((refusal.code(), refusal.kind()), (Code::SLOT_IN_USE, Kind::Configuration));
    assert!(refusal.remedy_text().expect("a remedy").contains("pg_terminate_backend("));
    let (dropped, ended) = tokio::join!(drop_slot(&sql, "waltap_a_postgres", PATIENCE), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        reader.kill().and_then(|()| reader.wait())
    });
    ended.expect("the reader ends");
    assert!(dropped.expect("dropped"));
}
