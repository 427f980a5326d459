//! Snapshots, read from a real server.

mod by_key;
mod refused;
mod values;

use std::collections::HashMap;

use bytes::Bytes;
use waltap_pgoutput::Value;
use waltap_postgres::Sql;
use waltap_postgres::catalog::{Table, tables};
use waltap_postgres::copy::{Chunk, RowParser, SnapshotReader, keep_plannable, lines, measure, plan_chunks};

use crate::catalog::find;
use crate::fixture::Cluster;

/// A row as owned text.
pub(crate) type Row = Vec<Option<String>>;

/// Enough for some rows and fewer than all, so that reading goes round more than once.
const BATCH_BYTES: usize = 1_000;

/// Copies chunks one after the other, in one reader's transaction.
pub(crate) async fn read<C: std::borrow::Borrow<tokio_postgres::Client>>(
    reader: &SnapshotReader<C>,
    table: &Table,
    chunks: &[Chunk],
) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut parser = RowParser::new(table.published_columns().count());
    let mut batch: Vec<Bytes> = Vec::new();
    for chunk in chunks {
        let mut copied = reader.copy(table, chunk).await.expect("the copy begins");
        while copied.read_batch(&mut batch, BATCH_BYTES).await.expect("rows come") {
            for line in batch.iter().flat_map(|piece| lines(piece)) {
                let row = parser.parse(line).expect("a row");
                let text = |value: Value<'_>| match value {
                    Value::Null => None,
                    Value::Text(text) => Some(String::from_utf8(text.to_vec()).expect("UTF-8")),
                    other => panic!("COPY gave {other:?}"),
                };
                rows.push(row.iter().map(text).collect());
            }
            batch.clear();
        }
        assert!(batch.is_empty());
    }
    rows
}

/// Exports a snapshot in a transaction of `session`, which must stay open.
pub(crate) async fn export(session: &Sql) -> String {
    session.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.expect("a transaction");
    session.query_one("SELECT pg_export_snapshot()", &[]).await.expect("a snapshot").get(0)
}

#[tokio::test]
async fn chunks_hold_each_row_of_the_snapshot_exactly_once() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE t (id int, filler text);
         INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 3000) i;
         CREATE TABLE empty (id int);
         CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES",
    );
    let exporter = cluster.sql("postgres").await;
    let snapshot = export(&exporter).await;
    // What comes after the snapshot is not in it, and shifts pages.
    cluster.psql("postgres", "INSERT INTO t SELECT i, 'late' FROM generate_series(9001, 9500) i; DELETE FROM t WHERE id < 1000");
    let session = cluster.sql("postgres").await;
    let all = tables(&session).await.expect("tables");
    let table = find(&all, "t");
    let reader = SnapshotReader::begin(&*session, &snapshot).await.expect("the snapshot is taken over");
    let pages = measure(reader.client(), table).await.expect("measured");
    assert!(pages[&table.oid] > 200);
    for (version, pages_max, chunk_count) in
        [(150_000, 1, None), (150_000, 64, None), (150_000, 100_000, Some(1)), (130_000, 1, Some(1))]
    {
        let chunks = plan_chunks(table, &pages, version, pages_max);
        assert_eq!(
            chunks.len(),
            chunk_count.unwrap_or(usize::try_from(pages[&table.oid]).expect("few").div_ceil(pages_max as usize))
        );
        let mut ids: Vec<u32> = read(&reader, table, &chunks)
            .await
            .iter()
            .map(|row| row[0].as_deref().expect("not null").parse().expect("a number"))
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, (1..=3000).collect::<Vec<u32>>(), "{pages_max} pages a chunk");
    }
    // A count of pages that is wrong moves the borders and loses nothing.
    let chunks = plan_chunks(table, &HashMap::from([(table.oid, 3)]), 150_000, 1);
    assert_eq!((chunks.len(), read(&reader, table, &chunks).await.len()), (3, 3000));
    for (name, expected) in [("empty", 0), ("nothing", 2)] {
        let table = find(&all, name);
        let rows = read(&reader, table, &plan_chunks(table, &HashMap::new(), 150_000, 10)).await;
        assert_eq!(rows.len(), expected, "{name}");
    }
    reader.end().await.expect("ended");
    session.batch_execute("SELECT 1").await.expect("the session is free again");
}

#[tokio::test]
async fn a_ctid_range_is_read_as_a_range() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 10000)");
    let session = cluster.sql("postgres").await;
    let all = tables(&session).await.expect("tables");
    let chunks = plan_chunks(&all[0], &measure(&session, &all[0]).await.expect("measured"), 150_000, 10);
    let query = chunks[1].copy_statement();
    let query = query.strip_prefix("COPY (").and_then(|rest| rest.strip_suffix(") TO STDOUT")).expect("a COPY of a query");
    let plan = cluster.psql("postgres", &format!("EXPLAIN {query}"));
    assert!(plan.contains("Tid Range Scan"), "{plan}");
}

#[tokio::test]
async fn partitioned_inherited_and_odd_tables_are_read_whole() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        r#"CREATE EXTENSION postgres_fdw;
           CREATE TABLE root (id int, body text, twice int GENERATED ALWAYS AS (id * 2) STORED) PARTITION BY RANGE (id);
           CREATE TABLE first PARTITION OF root FOR VALUES FROM (0) TO (100);
           -- Its columns stand in another order, and one of its own was dropped.
           CREATE TABLE second (gone int, body text, twice int GENERATED ALWAYS AS (id * 2) STORED, id int);
           ALTER TABLE second DROP COLUMN gone;
           ALTER TABLE root ATTACH PARTITION second FOR VALUES FROM (100) TO (200);
           INSERT INTO root SELECT i, 'row ' || i FROM generate_series(0, 199) i;
           CREATE TABLE parent ("Id" int, "order" text);
           CREATE TABLE child (more text) INHERITS (parent);
           INSERT INTO parent VALUES (1, 'parent'); INSERT INTO child VALUES (2, 'child', 'more');
           CREATE ROLE reader LOGIN; GRANT SELECT ON root, first TO reader"#,
    );
    let exporter = cluster.sql("postgres").await;
    let snapshot = export(&exporter).await;
    let expected: Vec<Row> = (0..200).map(|id| vec![Some(id.to_string()), Some(format!("row {id}"))]).collect();
    for (role, chunk_count) in [("postgres", 2), ("reader", 1)] {
        let session = crate::catalog::as_role(&cluster, role, "postgres").await;
        let all = tables(&session).await.expect("tables");
        let root = find(&all, "root");
        let reader = SnapshotReader::begin(&*session, &snapshot).await.expect("the snapshot is taken over");
        let pages = measure(reader.client(), root).await.expect("measured");
        let chunks = plan_chunks(root, &pages, 150_000, 10);
        assert_eq!(chunks.len(), chunk_count, "{role} may not read every leaf, and so reads the root");
        let mut rows = read(&reader, root, &chunks).await;
        rows.sort_by_key(|row| row[0].as_deref().and_then(|id| id.parse::<u32>().ok()));
        assert_eq!(rows, expected, "{role}");
    }
    let session = cluster.sql("postgres").await;
    let all = tables(&session).await.expect("tables");
    let reader = SnapshotReader::begin(&*session, &snapshot).await.expect("the snapshot is taken over");
    for (name, expected) in [("parent", vec![Some("1"), Some("parent")]), ("child", vec![Some("2"), Some("child"), Some("more")])]
    {
        let table = find(&all, name);
        let rows = read(&reader, table, &plan_chunks(table, &HashMap::new(), 150_000, 10)).await;
        let expected: Row = expected.into_iter().map(|value| value.map(str::to_owned)).collect();
        assert_eq!(rows, [expected], "{name}");
    }
}

#[tokio::test]
async fn a_foreign_leaf_is_read_in_one_piece() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE DATABASE far");
    cluster.psql("far", "CREATE TABLE away (id int, body text); INSERT INTO away VALUES (150, 'away')");
    let port = cluster.port();
    cluster.psql(
        "postgres",
        &format!(
            "CREATE EXTENSION postgres_fdw;
             CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{port}', dbname 'far');
             CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'postgres');
             CREATE TABLE root (id int, body text) PARTITION BY RANGE (id);
             CREATE TABLE near PARTITION OF root FOR VALUES FROM (0) TO (100);
             CREATE FOREIGN TABLE away PARTITION OF root FOR VALUES FROM (100) TO (200) SERVER far;
             INSERT INTO root VALUES (1, 'near')"
        ),
    );
    let exporter = cluster.sql("postgres").await;
    let snapshot = export(&exporter).await;
    let session = cluster.sql("postgres").await;
    let all = tables(&session).await.expect("tables");
    let root = find(&all, "root");
    assert_eq!(root.leaves.iter().filter(|leaf| leaf.foreign).count(), 1);
    let reader = SnapshotReader::begin(&*session, &snapshot).await.expect("the snapshot is taken over");
    let pages = measure(reader.client(), root).await.expect("measured");
    let mut rows = read(&reader, root, &plan_chunks(root, &pages, 150_000, 1)).await;
    rows.sort();
    assert_eq!(rows.iter().map(|row| row[1].as_deref()).collect::<Vec<_>>(), [Some("near"), Some("away")]);
}

#[tokio::test]
async fn a_table_that_the_planner_fails_on_is_read_all_the_same() {
    let cluster = Cluster::start();
    // The function is found by the search path of those who use the table, and not by ours.
    cluster.psql(
        "postgres",
        "CREATE FUNCTION inner_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
         CREATE FUNCTION outer_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT inner_one($1)';
         CREATE TABLE t (id int, filler text);
         CREATE INDEX ON t (outer_one(id));
         INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 300) i",
    );
    let exporter = cluster.sql("postgres").await;
    let snapshot = export(&exporter).await;
    let session = cluster.sql("postgres").await;
    let all = tables(&session).await.expect("tables");
    let table = find(&all, "t");
    let mut pages = measure(&session, table).await.expect("measured");
    assert!(session.batch_execute("SELECT FROM public.t").await.is_err(), "the planner does not fail on it");
    keep_plannable(&session, table, &mut pages, 4).await;
    let chunks = plan_chunks(table, &pages, 150_000, 4);
    let reader = SnapshotReader::begin(&*session, &snapshot).await.expect("the snapshot is taken over");
    assert_eq!((chunks.len(), read(&reader, table, &chunks).await.len()), (1, 300));
}
