//! How large changes are, by the server's statistics.

use std::time::Instant;

use tokio::time::timeout;
use waltap_postgres::Sql;
use waltap_postgres::catalog::{change_bytes, tables};

use super::find;
use crate::fixture::{Cluster, PATIENCE};

/// Waits until the server has counted so many changes of a table: a session tells of them at its end, and older servers some time after that.
fn wait_for_count(cluster: &Cluster, table: &str, count: u32) {
    let deadline = Instant::now() + PATIENCE;
    let asked = format!("SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = '{table}'");
    while cluster.psql("postgres", &asked) != count.to_string() {
        assert!(Instant::now() < deadline, "the server does not count the changes of {table}");
    }
}

async fn bytes(sql: &Sql, names: &[&str]) -> Option<u64> {
    let all = tables(sql).await.expect("tables");
    let oids: Vec<u32> = names.iter().map(|name| find(&all, name).oid).collect();
    change_bytes(sql, &oids).await
}

/// `wide` has rows of 7,900 bytes, `half` of 5,000, `narrow` of 100, and `toasted` 20,000 out of line.
fn cluster() -> Cluster {
    let cluster = Cluster::with().setting("autovacuum", "off").start();
    cluster.psql(
        "postgres",
        "CREATE TABLE wide (id int PRIMARY KEY, t text);
         ALTER TABLE wide ALTER t SET STORAGE PLAIN;
         CREATE TABLE half (id int PRIMARY KEY, t text);
         ALTER TABLE half ALTER t SET STORAGE PLAIN;
         CREATE TABLE narrow (id int PRIMARY KEY, t text);
         CREATE TABLE toasted (id int PRIMARY KEY, n int, t text);
         ALTER TABLE toasted ALTER t SET STORAGE EXTERNAL;
         CREATE TABLE counters (id int PRIMARY KEY, n int) WITH (fillfactor = 10);
         CREATE TABLE still (id int PRIMARY KEY);
         INSERT INTO wide SELECT i, repeat('x', 7900) FROM generate_series(1, 1000) i;
         INSERT INTO half SELECT i, repeat('x', 5000) FROM generate_series(1, 1000) i;
         INSERT INTO narrow SELECT i, repeat('x', 100) FROM generate_series(1, 1000) i;
         INSERT INTO toasted SELECT i, 0, repeat('x', 20000) FROM generate_series(1, 1000) i;
         INSERT INTO counters SELECT i, 0 FROM generate_series(1, 500) i",
    );
    for (table, count) in [("wide", 1000), ("half", 1000), ("narrow", 1000), ("toasted", 1000), ("counters", 500)] {
        wait_for_count(&cluster, table, count);
    }
    cluster
}

#[tokio::test]
async fn changes_are_as_large_as_the_rows_that_change() {
    let cluster = cluster();
    let sql = cluster.sql("postgres").await;
    let ranges = [
        (["wide"].as_slice(), 7_900..8_800),
        (&["narrow"], 100..200),
        (&["toasted"], 20_000..26_000),
        (&["wide", "narrow", "still"], 4_000..4_700),
        // As many pages as rows.
        (&["half"], 8_000..8_800),
    ];
    for (names, range) in ranges {
        let found = bytes(&sql, names).await.expect("it is known");
        assert!(range.contains(&found), "{names:?}: {found}");
    }
    assert_eq!(bytes(&sql, &["counters"]).await, Some(0), "of so few rows the table's size says nothing");
    assert_eq!(bytes(&sql, &["still"]).await, None, "nothing has changed there");
    assert_eq!(change_bytes(&sql, &[1]).await, None, "there is no such table");
    assert_eq!(change_bytes(&sql, &[]).await, None);

    cluster.psql("postgres", "ANALYZE half");
    let found = bytes(&sql, &["half"]).await.expect("it is known");
    assert!((5_000..5_100).contains(&found), "{found}");

    cluster.psql("postgres", "UPDATE toasted SET n = 1");
    cluster.psql("postgres", "DELETE FROM toasted WHERE id > 900");
    wait_for_count(&cluster, "toasted", 2_100);
    let found = bytes(&sql, &["toasted"]).await.expect("it is known");
    let expected = 20_000 * 1_000 / 2_100..24_000 * 1_000 / 2_100;
    assert!(expected.contains(&found), "an update leaves out what is out of line, and a deleted row is nothing: {found}");
}

#[tokio::test]
async fn leaves_of_a_partitioned_table_speak_for_it() {
    let cluster = Cluster::with().setting("autovacuum", "off").start();
    cluster.psql(
        "postgres",
        "CREATE TABLE parted (id int, t text) PARTITION BY RANGE (id);
         CREATE TABLE leaf PARTITION OF parted FOR VALUES FROM (0) TO (10000);
         ALTER TABLE leaf ALTER t SET STORAGE PLAIN;
         INSERT INTO parted SELECT i, repeat('x', 7900) FROM generate_series(1, 1000) i",
    );
    wait_for_count(&cluster, "leaf", 1000);
    let sql = cluster.sql("postgres").await;
    let all = tables(&sql).await.expect("tables");
    let parted = find(&all, "parted");
    let [leaf] = parted.leaves.as_slice() else { panic!("{:?}", parted.leaves) };
    assert_eq!(change_bytes(&sql, &[parted.oid]).await, None, "it has no rows of its own");
    let found = change_bytes(&sql, &[parted.oid, leaf.oid]).await.expect("it is known");
    assert!((7_900..8_800).contains(&found), "{found}");
}

#[tokio::test]
async fn too_few_rows_that_were_counted_make_none_large() {
    let cluster = cluster();
    cluster.psql("postgres", "SELECT pg_stat_reset()");
    wait_for_count(&cluster, "wide", 0);
    cluster.psql("postgres", "DELETE FROM wide WHERE id <= 10; INSERT INTO wide SELECT i, 'x' FROM generate_series(1, 10) i");
    wait_for_count(&cluster, "wide", 20);
    let sql = cluster.sql("postgres").await;
    assert_eq!(bytes(&sql, &["wide"]).await, Some(0), "a row would be as large as a hundred");
    cluster.psql("postgres", "ANALYZE wide");
    let found = bytes(&sql, &["wide"]).await.expect("it is known");
    assert!((3_900..4_100).contains(&found), "half of the changes insert: {found}");
}

#[tokio::test]
async fn a_table_that_is_locked_is_not_waited_for() {
    let cluster = cluster();
    let holder = cluster.sql("postgres").await;
    holder.batch_execute("BEGIN; LOCK TABLE public.wide").await.expect("a lock");
    let sql = cluster.sql("postgres").await;
    let asked = timeout(PATIENCE, bytes(&sql, &["wide"])).await.expect("it waits for the lock");
    assert_eq!(asked, None);
    let row = sql.query_one("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')", &[]).await;
    let row = row.expect("the session goes on");
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("0", "0"), "and is as it was");
    holder.batch_execute("ROLLBACK").await.expect("no lock");
    assert!(bytes(&sql, &["wide"]).await.is_some());
}
