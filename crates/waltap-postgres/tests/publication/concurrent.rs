//! What others do while publications are reconciled.

use tokio_postgres::Client;
use waltap_postgres::catalog::fingerprint;
use waltap_postgres::publication::reconcile;

use super::{all, listed, names};
use crate::catalog::application;
use crate::fixture::{Cluster, eventually};

async fn somebody_waits_for_a_lock(client: &Client) {
    eventually("a session waits for a lock", async || {
        let row = client
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", &[])
            .await
            .expect("an answer");
        (row.get::<_, i64>(0) > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_table_that_was_dropped_since_is_left_out() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE stays (id int PRIMARY KEY); CREATE TABLE goes (id int PRIMARY KEY); CREATE TABLE named (id int)",
    );
    let mut sql = cluster.sql("postgres").await;
    let read = fingerprint(&sql).await.expect("a fingerprint");
    let wanted = all(&sql).await;
    cluster.psql("postgres", "DROP TABLE goes; ALTER TABLE named RENAME TO renamed");
    let done = reconcile(&mut sql, &names(), &wanted, Some(&read)).await.expect("reconciled");
    done.require_complete().expect("complete");
    assert_eq!(listed(&cluster, "waltap_main"), ["stays"]);
    assert_eq!(listed(&cluster, "waltap_main_inserts"), ["renamed"]);
    assert_eq!(done.tables.len(), 2);
}

#[tokio::test]
async fn a_table_that_is_dropped_while_we_wait_for_it_is_left_out() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE TABLE stays (id int PRIMARY KEY); CREATE TABLE goes (id int PRIMARY KEY)");
    let mut sql = cluster.sql("postgres").await;
    let read = fingerprint(&sql).await.expect("a fingerprint");
    let wanted = all(&sql).await;
    let mut other = application(&cluster, "postgres", "postgres").await;
    let watcher = application(&cluster, "postgres", "postgres").await;
    let dropping = other.transaction().await.expect("a transaction");
    dropping.batch_execute("DROP TABLE goes").await.expect("dropped");
    let names = names();
    let (done, ()) = tokio::join!(reconcile(&mut sql, &names, &wanted, Some(&read)), async {
        somebody_waits_for_a_lock(&watcher).await;
        dropping.commit().await.expect("committed");
    });
    done.expect("reconciled").require_complete().expect("complete");
    assert_eq!(listed(&cluster, "waltap_main"), ["stays"]);
}

#[tokio::test]
async fn a_key_that_is_dropped_while_we_wait_for_the_table_is_noticed() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    let mut sql = cluster.sql("postgres").await;
    let read = fingerprint(&sql).await.expect("a fingerprint");
    let wanted = all(&sql).await;
    assert!(wanted[0].has_usable_identity());
    let mut other = application(&cluster, "postgres", "postgres").await;
    let watcher = application(&cluster, "postgres", "postgres").await;
    let altering = other.transaction().await.expect("a transaction");
    // The plan still sees the key, and its statement waits for this lock.
    altering.batch_execute("ALTER TABLE t DROP CONSTRAINT t_pkey").await.expect("altered");
    let names = names();
    let (done, ()) = tokio::join!(reconcile(&mut sql, &names, &wanted, Some(&read)), async {
        somebody_waits_for_a_lock(&watcher).await;
        altering.commit().await.expect("committed");
    });
    done.expect("reconciled").require_complete().expect("complete");
    assert_eq!((listed(&cluster, "waltap_main").len(), listed(&cluster, "waltap_main_inserts")), (0, vec!["t".to_owned()]));
    cluster.psql("postgres", "UPDATE t SET id = 2");
}

#[tokio::test]
async fn a_locked_table_is_waited_for_in_short_turns() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE TABLE t (id int PRIMARY KEY)");
    let mut sql = cluster.sql("postgres").await;
    let read = fingerprint(&sql).await.expect("a fingerprint");
    let wanted = all(&sql).await;
    let mut other = application(&cluster, "postgres", "postgres").await;
    let watcher = application(&cluster, "postgres", "postgres").await;
    let holding = other.transaction().await.expect("a transaction");
    holding.batch_execute("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE").await.expect("locked");
    let names = names();
    let (done, ()) = tokio::join!(reconcile(&mut sql, &names, &wanted, Some(&read)), async {
        somebody_waits_for_a_lock(&watcher).await;
        // Writers pass all the while.
        watcher.batch_execute("SET lock_timeout = '1ms'; INSERT INTO t VALUES (1); UPDATE t SET id = 2").await.expect("written");
        // Until the first turn is given up.
        eventually("the waiting ends", async || {
            let row = watcher
                .query_one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", &[])
                .await
                .expect("an answer");
            (row.get::<_, i64>(0) == 0).then_some(())
        })
        .await;
        holding.commit().await.expect("committed");
    });
    done.expect("reconciled").require_complete().expect("complete");
    assert_eq!(listed(&cluster, "waltap_main"), ["t"]);
}
