//! Reading that the server refuses.

use std::collections::HashMap;

use tokio_postgres::Client;
use waltap_error::{Code, Error, Kind};
use waltap_postgres::catalog::{Table, tables};
use waltap_postgres::copy::{CopyError, SnapshotReader, plan_chunks};

use super::{export, read};
use crate::catalog::{as_role, find};
use crate::fixture::Cluster;

async fn refusal(session: &Client, snapshot: &str, table: &Table) -> CopyError {
    let reader = SnapshotReader::begin(session, snapshot).await.expect("the snapshot is taken over");
    let chunks = plan_chunks(table, &HashMap::new(), 150_000, 10);
    let mut batch = Vec::new();
    let refusal = match reader.copy(table, &chunks[0]).await {
        Err(error) => error,
        Ok(mut rows) => loop {
            match rows.read_batch(&mut batch, 1000).await {
                Ok(true) => {}
                Ok(false) => panic!("{} was read", table.name),
                Err(error) => break error,
            }
        },
    };
    // The session can be used again after it.
    reader.end().await.expect("ended");
    refusal
}

fn failed(error: CopyError) -> Error {
    match error {
        CopyError::Failed(error) => error,
        CopyError::Changed(error) | CopyError::Locked(error) => panic!("taken for a changed table: {}", error.report()),
    }
}

#[tokio::test]
async fn missing_rights_row_security_and_vanished_tables_are_told_apart() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE ROLE \"Reader\" LOGIN;
         CREATE SCHEMA hidden; CREATE TABLE hidden.away (id int);
         CREATE TABLE closed (id int); CREATE TABLE guarded (id int); CREATE TABLE gone (id int);
         CREATE TABLE altered (id int, was int);
         ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
         CREATE POLICY large ON guarded USING (id > 5);
         INSERT INTO guarded VALUES (1), (9);
         GRANT SELECT ON guarded, gone, altered, hidden.away TO \"Reader\"",
    );
    let exporter = cluster.sql("postgres").await;
    let snapshot = export(&exporter).await;
    let session = as_role(&cluster, "Reader", "postgres").await;
    let all = tables(&session).await.expect("tables");
    cluster.psql("postgres", "DROP TABLE gone; ALTER TABLE altered RENAME COLUMN was TO is_now");

    let closed = failed(refusal(&session, &snapshot, find(&all, "closed")).await);
    assert_eq!((closed.code(), closed.kind()), (Code::SELECT_RIGHT, Kind::Configuration));
    let remedy = closed.remedy_text().expect("a remedy");
    assert!(remedy.contains(r#"GRANT SELECT ON "public"."closed" TO "Reader";"#), "{remedy}");
    assert_eq!(failed(refusal(&session, &snapshot, find(&all, "away")).await).code(), Code::SELECT_RIGHT);

    let guarded = failed(refusal(&session, &snapshot, find(&all, "guarded")).await);
    assert_eq!((guarded.code(), guarded.kind()), (Code::ROW_SECURITY, Kind::Configuration));
    for name in ["gone", "altered"] {
        assert!(matches!(refusal(&session, &snapshot, find(&all, name)).await, CopyError::Changed(_)), "{name}");
    }

    // Both remedies do what they say.
    cluster.psql("postgres", remedy);
    cluster.psql("postgres", guarded.remedy_text().expect("a remedy"));
    let reader = SnapshotReader::begin(&*session, &snapshot).await.expect("the snapshot is taken over");
    for (name, count) in [("closed", 0), ("guarded", 2)] {
        let table = find(&all, name);
        assert_eq!(read(&reader, table, &plan_chunks(table, &HashMap::new(), 150_000, 10)).await.len(), count, "{name}");
    }
}

#[tokio::test]
async fn tables_of_which_the_snapshot_sees_nothing_any_more_are_not_read_as_empty() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE truncated (id int); CREATE TABLE rewritten (id int); CREATE TABLE widened (id int);
         CREATE TABLE swapped (id int); CREATE TABLE other (id int);
         CREATE TABLE parted (id int) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF parted DEFAULT;
         INSERT INTO truncated VALUES (1); INSERT INTO rewritten VALUES (1); INSERT INTO widened VALUES (1);
         INSERT INTO parted VALUES (1)",
    );
    let exporter = cluster.sql("postgres").await;
    let snapshot = export(&exporter).await;
    let session = cluster.sql("postgres").await;
    let all = tables(&session).await.expect("tables");
    cluster.psql(
        "postgres",
        "ALTER TABLE swapped RENAME TO swapped_out; ALTER TABLE other RENAME TO swapped;
         TRUNCATE truncated; ALTER TABLE rewritten ALTER id TYPE bigint; TRUNCATE leaf; ALTER TABLE widened ADD more int DEFAULT 5",
    );
    for name in ["truncated", "rewritten", "parted", "swapped"] {
        assert!(matches!(refusal(&session, &snapshot, find(&all, name)).await, CopyError::Changed(_)), "{name}");
    }
    // A new column with a constant default leaves the rows where they are.
    let reader = SnapshotReader::begin(&*session, &snapshot).await.expect("the snapshot is taken over");
    let widened = find(&all, "widened");
    assert_eq!(read(&reader, widened, &plan_chunks(widened, &HashMap::new(), 150_000, 10)).await, [[Some("1".to_owned())]]);
}

#[tokio::test]
async fn a_snapshot_that_nobody_holds_any_more_is_told() {
    let cluster = Cluster::start();
    let exporter = cluster.sql("postgres").await;
    let snapshot = export(&exporter).await;
    exporter.batch_execute("COMMIT").await.expect("let go");
    let session = cluster.sql("postgres").await;
    for snapshot in [snapshot.as_str(), "no'nsense"] {
        let Err(error) = SnapshotReader::begin(&*session, snapshot).await else { panic!("taken over") };
        assert_eq!((error.code(), error.kind()), (Code::SNAPSHOT, Kind::Transient), "{}", error.report());
    }
    session.batch_execute("CREATE TABLE public.t ()").await.expect("the session is free and may write");
}
