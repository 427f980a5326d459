//! Commands, and the errors that they end with.

use waltap_error::{Code, Kind};
use waltap_pgoutput::Lsn;
use waltap_postgres::{ServerError, SlotOptions};

use super::{SLOT, connect, options, server, start};
use crate::fixture::Cluster;

#[tokio::test]
async fn the_server_says_who_it_is() {
    let cluster = Cluster::start();
    let mut connection = connect(&cluster.source("")).await;
    let identity = connection.identify_system().await.unwrap();
    assert_eq!(identity.system_id, cluster.psql("postgres", "SELECT system_identifier FROM pg_control_system()"));
    assert_eq!((identity.timeline, identity.database.as_deref()), (1, Some("postgres")));
    assert!(identity.wal_flush > Lsn::ZERO);
    assert_eq!(connection.show("wal_level").await.unwrap(), "logical");
    let error = connection.show("no_such_setting").await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SERVER_REFUSED, Kind::Configuration));
    // A refused command does not end the session.
    assert_eq!(connection.show("wal_level").await.unwrap(), "logical");
}

#[tokio::test]
async fn a_slot_brings_a_snapshot_of_the_moment_before_it() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE TABLE t (id int); INSERT INTO t VALUES (1)");
    let mut connection = connect(&cluster.source("")).await;
    let temporary = SlotOptions { temporary: true, export_snapshot: true, ..SlotOptions::default() };
    let slot = connection.create_slot("short", temporary).await.unwrap();
    let snapshot = slot.snapshot_name.expect("a snapshot");
    cluster.psql("postgres", "INSERT INTO t VALUES (2)");

    let sql = cluster.sql("postgres").await;
    sql.batch_execute(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{snapshot}'")).await.unwrap();
    let count: i64 = sql.query_one("SELECT count(*) FROM public.t", &[]).await.unwrap().get(0);
    assert_eq!(count, 1, "the second row came after the slot");
    drop(connection);

    let mut connection = connect(&cluster.source("")).await;
    let slot = connection.create_slot("lasting", SlotOptions::default()).await.unwrap();
    assert_eq!((slot.name.as_str(), slot.snapshot_name), ("lasting", None));
    assert_eq!(cluster.psql("postgres", "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'lasting'"), "1");
    connection.drop_slot("lasting").await.unwrap();
    assert_eq!(cluster.psql("postgres", "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'lasting'"), "0");
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let cluster = Cluster::with().setting("max_replication_slots", "2").setting("max_wal_senders", "3").start();
    cluster.psql("postgres", "CREATE DATABASE other");
    let point = server(&cluster).await;
    let source = cluster.source("");
    let mut connection = connect(&source).await;

    let error = connection.create_slot(SLOT, SlotOptions::default()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SLOT_UNKNOWN, Kind::Configuration), "{}", error.report());
    connection.create_slot("second", SlotOptions::default()).await.unwrap();
    let error = connection.create_slot("third", SlotOptions::default()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::REPLICATION_SLOTS, Kind::Configuration), "{}", error.report());
    assert!(error.remedy_text().unwrap().contains("max_replication_slots"));
    assert_eq!(ServerError::find(&error).unwrap().sqlstate, "53400");
    let error = connection.drop_slot("fourth").await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SLOT_DROPPED, Kind::Configuration), "{}", error.report());

    let mut gone = options(point);
    gone.slot = "fourth".to_owned();
    let error = connection.start(gone).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::SLOT_DROPPED, Kind::Configuration), "{}", error.report());
    let error = source.replication("other").await.unwrap().start(options(point)).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::SLOT_MOVED, Kind::Configuration), "{}", error.report());

    let (_stream, _status) = start(&source, point).await;
    let error = connect(&source).await.start(options(point)).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::SLOT_IN_USE, Kind::Transient), "{}", error.report());
    assert!(error.remedy_text().unwrap().contains("active_pid"), "{error:?}");
    let error = connect(&source).await.drop_slot(SLOT).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SLOT_IN_USE, Kind::Transient), "{}", error.report());

    // The sessions above may take a moment to go.
    crate::fixture::eventually("one WAL sender", async || {
        (cluster.psql("postgres", "SELECT count(*) FROM pg_stat_replication") == "1").then_some(())
    })
    .await;
    let _others = (connect(&source).await, connect(&source).await);
    let error = source.replication("postgres").await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::WAL_SENDERS, Kind::Transient), "{}", error.report());
}

#[tokio::test]
async fn a_server_that_does_not_log_enough() {
    let cluster = Cluster::with().setting("wal_level", "replica").start();
    let error = connect(&cluster.source("")).await.create_slot(SLOT, SlotOptions::default()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::WAL_LEVEL, Kind::Configuration), "{}", error.report());
    assert!(error.remedy_text().unwrap().starts_with("ALTER SYSTEM SET wal_level = logical;"));
}

#[tokio::test]
async fn a_slot_that_lost_its_log_cannot_be_streamed() {
    let cluster = Cluster::with().setting("max_slot_wal_keep_size", "1MB").setting("max_wal_size", "32MB");
    let cluster = cluster.setting("min_wal_size", "32MB").start();
    let point = server(&cluster).await;
    for id in 1..5 {
        insert(&cluster, id);
    }
    let error = connect(&cluster.source("")).await.start(options(point)).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::SLOT_INVALIDATED, Kind::Configuration), "{}", error.report());
    assert!(error.remedy_text().unwrap().contains("pg_drop_replication_slot('tap')"), "{error:?}");
}

/// A row, and a segment of log that can be thrown away.
fn insert(cluster: &Cluster, id: u32) {
    super::insert(cluster, id, id);
    cluster.psql("postgres", "SELECT pg_switch_wal()");
    cluster.psql("postgres", "CHECKPOINT");
}
