//! What every session has in common, and how it ends.

use super::{open, value};
use crate::fixture::{Cluster, eventually};

#[tokio::test]
async fn settings_are_pinned_against_the_roles_and_the_users() {
    let cluster = Cluster::start();
    for setting in [
        "DateStyle = 'German'",
        "IntervalStyle = 'sql_standard'",
        "TimeZone = 'Asia/Tokyo'",
        "bytea_output = 'escape'",
        "statement_timeout = '1s'",
        "idle_session_timeout = '1s'",
        "search_path = 'public'",
    ] {
        cluster.psql("postgres", &format!("ALTER ROLE postgres SET {setting}"));
    }
    let source = cluster.source("?options=-c%20TimeZone%3DAsia/Tokyo%20-c%20work_mem%3D77kB");
    let sql = open(&source).await.unwrap();
    let mut replication = source.replication("postgres").await.unwrap();
    for (name, expected) in [
        ("DateStyle", "ISO, DMY"),
        ("IntervalStyle", "iso_8601"),
        ("TimeZone", "UTC"),
        ("bytea_output", "hex"),
        ("extra_float_digits", "3"),
        ("client_encoding", "UTF8"),
        ("lc_monetary", "C"),
        ("search_path", "pg_catalog"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("application_name", "waltap"),
        ("work_mem", "77kB"),
    ] {
        let shown = value(&sql, &format!("SHOW {name}")).await;
        // The order of day and month is nobody's business: values are read in ISO.
        assert!(shown == expected || (name == "DateStyle" && shown.starts_with("ISO")), "{name}: {shown}");
        assert_eq!(replication.show(name).await.unwrap(), shown, "{name}");
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_dropped() {
    let cluster = Cluster::start();
    let sql = cluster.sql("postgres").await;
    assert_eq!(sql.version().major(), cluster.psql("postgres", "SHOW server_version_num").parse::<u32>().unwrap() / 10_000);
    let alive = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", sql.process_id());
    assert_eq!(cluster.psql("postgres", &alive), "1");
    drop(sql);
    eventually("the session's end", async || (cluster.psql("postgres", &alive) == "0").then_some(())).await;
}

#[tokio::test]
async fn a_copy_that_was_given_up_does_not_outlive_its_session() {
    let cluster = Cluster::start();
    let sql = cluster.sql("postgres").await;
    let alive = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", sql.process_id());
    // Hours of output, made as it is read.
    let copy = sql.copy_out("COPY (SELECT repeat('x', 1000), generate_series(1, 1000000000)) TO STDOUT").await.unwrap();
    drop(copy);
    drop(sql);
    eventually("the end of the COPY", async || (cluster.psql("postgres", &alive) == "0").then_some(())).await;
}
