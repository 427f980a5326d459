//! Pieces of tables, read by their keys beside those who write.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::timeout;
use waltap_pgoutput::Lsn;
use waltap_postgres::Sql;
use waltap_postgres::catalog::{Table, commits_wait_for_standbys, tables, take_transaction_id};
use waltap_postgres::copy::{
    CopyError, KeyChunk, KeyColumn, KeyPart, KeyRange, KeyReader, bound_lock_waits, check_condition, chunk_key,
};

use crate::catalog::{as_role, find};
use crate::fixture::{Cluster, PATIENCE, eventually};

/// More than any chunk here has.
const MANY_BYTES: u64 = 1 << 30;

async fn reader(cluster: &Cluster, role: &str) -> KeyReader {
    let (reading, marking) = (as_role(cluster, role, "postgres").await, as_role(cluster, role, "postgres").await);
    KeyReader::new(reading, marking).await.expect("a reader")
}

async fn key_of(sql: &Sql, table: &Table) -> Option<Arc<[KeyColumn]>> {
    chunk_key(sql, table, sql.version().number()).await.expect("the catalog answers")
}

fn range(key: &Arc<[KeyColumn]>, after: Option<Vec<String>>, end: Option<Vec<String>>, rows: u64) -> KeyRange {
    KeyRange { key: Arc::clone(key), part: KeyPart::Range { after, end }, condition: None, rows, bytes: MANY_BYTES }
}

/// Reads a range to its end, one piece after the other.
async fn read_all(reader: &mut KeyReader, table: &Table, mut range: KeyRange) -> Vec<KeyChunk> {
    let mut chunks = Vec::new();
    loop {
        let chunk = reader.read(table, &range).await.expect("a chunk");
        assert!(chunk.low < chunk.high);
        if let (KeyPart::Range { after, .. }, Some(last)) = (&mut range.part, &chunk.last_key) {
            *after = Some(last.clone());
        }
        let at_end = chunk.at_end;
        chunks.push(chunk);
        if at_end {
            return chunks;
        }
    }
}

fn keys(chunks: &[KeyChunk]) -> Vec<Vec<String>> {
    chunks.iter().flat_map(|chunk| &chunk.rows).map(|row| row.key.clone()).collect()
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// Tables with a key of every kind of order, of 500 rows each, and their ORDER BY.
const KEYS: &[(&str, &str, &str)] = &[
    ("whole", "id bigint PRIMARY KEY", "i * 3 - 700"),
    ("exact", "id numeric(20, 2) PRIMARY KEY", "(i - 250) * 1000000007.25"),
    ("ids", "id uuid PRIMARY KEY", "md5(i::text)::uuid"),
    ("bytes", r"id bytea PRIMARY KEY", r"decode(md5(i::text), 'hex')"),
    ("moments", "id timestamptz PRIMARY KEY", "'2000-02-28 23:00+00'::timestamptz + i * interval '7 h'"),
    ("bits", "id bit(9) PRIMARY KEY", "(i - 1)::bit(9)"),
    ("padded", "id char(8) PRIMARY KEY", "i::text"),
    ("short", "id varchar(40) PRIMARY KEY", r"chr(96 + i % 26) || CASE i % 3 WHEN 0 THEN E'\\\t''' ELSE E'\n$' END || i"),
    ("floats", "id float8 PRIMARY KEY", "CASE i WHEN 1 THEN 'NaN' WHEN 2 THEN '-infinity' ELSE sqrt(i) * (i % 2 - 0.5) END"),
    ("lists", "id int[] PRIMARY KEY", "ARRAY[i % 10, i]"),
    ("booleans", "yes boolean, id int, PRIMARY KEY (yes, id)", "i % 2 = 0, i"),
    ("pair", "name text COLLATE \"C\", id int, PRIMARY KEY (name, id)", "chr(65 + i % 7 * 6), i"),
    (
        "collations",
        "a text COLLATE \"und-x-icu\", b text COLLATE \"C\", c int, PRIMARY KEY (a, b, c)",
        "chr(65 + i % 50), chr(98 - i % 4), i",
    ),
    ("named", "\"ID\" public.positive PRIMARY KEY", "i"),
    ("moods", "mood public.mood, id int, PRIMARY KEY (mood, id)", "(ARRAY['sad', 'ok', 'glad'])[1 + i % 3]::public.mood, i"),
];

/// The same by REPLICA IDENTITY USING INDEX, whose index may have another order than the columns.
const INDEXES: &[(&str, &str, &str)] = &[
    ("backward", "a text NOT NULL, b int NOT NULL", "(a DESC, b DESC)"),
    ("mixed", "a text NOT NULL, b int NOT NULL", "(a, b DESC)"),
    ("nulls", "a text NOT NULL, b int NOT NULL", "(a NULLS FIRST, b DESC NULLS LAST)"),
    ("patterns", "a text COLLATE \"en-x-icu\" NOT NULL, b int NOT NULL", "(a text_pattern_ops, b)"),
    ("recollated", "a text COLLATE \"en-x-icu\" NOT NULL, b int NOT NULL", "(a COLLATE \"C\", b) INCLUDE (filler)"),
];

#[tokio::test]
async fn every_kind_of_key_is_read_whole_once_and_by_its_index() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad'); CREATE DOMAIN positive AS int CHECK (VALUE > 0)");
    let mut names: Vec<String> = Vec::new();
    let mut make = |name: &str, columns: &str, more: &str, values: &str| {
        names.push(name.to_owned());
        cluster.psql(
            "postgres",
            &format!(
                "CREATE TABLE {name} ({columns}, filler text); {more};
                 INSERT INTO {name} SELECT {values}, repeat('x', 200) FROM generate_series(1, 500) i; ANALYZE {name}"
            ),
        );
    };
    for (name, columns, values) in KEYS {
        make(name, columns, "SELECT", values);
    }
    for (name, columns, index) in INDEXES {
        let index = format!(
            "CREATE UNIQUE INDEX {name}_key ON {name} {index}; ALTER TABLE {name} REPLICA IDENTITY USING INDEX {name}_key"
        );
        make(name, columns, &index, "(ARRAY['b', 'A', 'a', 'B', '-a'])[1 + i % 5], i / 5");
    }
    if cluster.psql("postgres", "SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == "1" {
        cluster.psql("postgres", "CREATE EXTENSION citext");
        make("caseless", "a citext, b int, PRIMARY KEY (a, b)", "SELECT", "(ARRAY['b', 'A', 'C', 'a', 'B'])[1 + i % 5], i");
    }
    let sql = cluster.sql("postgres").await;
    let all = tables(&sql).await.expect("tables");
    let mut reader = reader(&cluster, "postgres").await;
    for name in &names {
        let table = find(&all, name);
        let key = key_of(&sql, table).await.unwrap_or_else(|| panic!("{name} has no key"));
        let end = reader.greatest_key(table, &key).await.expect("asked").expect("a last key");
        let chunks = read_all(&mut reader, table, range(&key, None, Some(end.clone()), 7)).await;
        let read = keys(&chunks);
        assert_eq!(read.last(), Some(&end), "{name}");
        assert_eq!((chunks.len(), read.len(), read.iter().collect::<BTreeSet<_>>().len()), (72, 500, 500), "{name}");
        // Up to a key in the middle, from a key in the middle, and just these.
        let part = range(&key, Some(read[99].clone()), Some(read[299].clone()), 50);
        assert_eq!(keys(&read_all(&mut reader, table, part.clone()).await), read[100..300], "{name}");
        let named = KeyRange { part: KeyPart::Keys(vec![read[7].clone(), read[3].clone()]), ..part.clone() };
        let chunk = reader.read(table, &named).await.expect("a chunk");
        assert_eq!((keys(std::slice::from_ref(&chunk)), chunk.at_end), (vec![read[3].clone(), read[7].clone()], true), "{name}");
        for range in [&part, &named] {
            let query = range.copy_statement(table, None);
            let query =
                query.strip_prefix("COPY (").and_then(|rest| rest.strip_suffix(") TO STDOUT")).expect("a COPY of a query");
            let plan =
                cluster.psql("postgres", &format!("SET search_path = pg_catalog; SET enable_seqscan = off; EXPLAIN {query}"));
            assert!(plan.contains("Index Cond"), "{name}: {query}\n{plan}");
            assert!(matches!(range.part, KeyPart::Keys(_)) || !plan.contains("Sort"), "{name}: {query}\n{plan}");
        }
    }
}

#[tokio::test]
async fn tables_that_no_key_tells_are_not_read_by_one() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE none (id int); CREATE TABLE whole (id int); ALTER TABLE whole REPLICA IDENTITY FULL;
         CREATE TABLE later (id int PRIMARY KEY DEFERRABLE);
         CREATE TABLE computed (id int, twice int GENERATED ALWAYS AS (id * 2) STORED PRIMARY KEY);
         CREATE FUNCTION inner_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
         CREATE FUNCTION outer_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
         CREATE TABLE unplannable (id int PRIMARY KEY); CREATE INDEX ON unplannable (outer_one(id));
         CREATE OR REPLACE FUNCTION outer_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT inner_one($1)';
         CREATE TABLE uneven (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE uneven_leaf PARTITION OF uneven DEFAULT; ALTER TABLE uneven_leaf REPLICA IDENTITY NOTHING;
         CREATE TABLE unlogged (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE UNLOGGED TABLE unlogged_leaf PARTITION OF unlogged DEFAULT;
         CREATE TABLE full_row (a int, b text, PRIMARY KEY (b, a)); ALTER TABLE full_row REPLICA IDENTITY FULL;
         CREATE TABLE inserts (id int PRIMARY KEY); ALTER TABLE inserts REPLICA IDENTITY NOTHING",
    );
    let sql = cluster.sql("postgres").await;
    let all = tables(&sql).await.expect("tables");
    for name in ["none", "whole", "later", "computed", "unplannable", "uneven", "unlogged"] {
        assert_eq!(key_of(&sql, find(&all, name)).await, None, "{name}");
    }
    for (name, expected) in [("full_row", &["b", "a"][..]), ("inserts", &["id"][..])] {
        let key = key_of(&sql, find(&all, name)).await.expect("a key");
        assert_eq!(key.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn roots_are_read_with_their_leaves_and_parents_without_their_children() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE root (id int, body text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
         CREATE TABLE low PARTITION OF root FOR VALUES FROM (0) TO (100);
         -- Its columns stand in another order, and one of its own was dropped.
         CREATE TABLE high (gone int, body text, id int NOT NULL);
         ALTER TABLE high DROP COLUMN gone;
         ALTER TABLE root ATTACH PARTITION high FOR VALUES FROM (100) TO (200);
         INSERT INTO root SELECT i, 'row ' || i FROM generate_series(0, 199) i;
         CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (more text) INHERITS (parent);
         INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 'more');
         CREATE ROLE reader LOGIN; GRANT SELECT ON root, parent TO reader",
    );
    let sql = as_role(&cluster, "reader", "postgres").await;
    let all = tables(&sql).await.expect("tables");
    let mut reader = reader(&cluster, "reader").await;
    let root = find(&all, "root");
    let key = key_of(&sql, root).await.expect("a key");
    let chunks = read_all(&mut reader, root, range(&key, None, None, 30)).await;
    assert_eq!(keys(&chunks), (0..200).map(|id| vec![id.to_string()]).collect::<Vec<_>>());
    assert_eq!(chunks[4].rows[0].line.as_ref(), b"120\trow 120");
    let parent = find(&all, "parent");
    let key = key_of(&sql, parent).await.expect("a key");
    assert_eq!(keys(&read_all(&mut reader, parent, range(&key, None, None, 30)).await), [["1"]]);
}

#[tokio::test]
async fn a_chunk_ends_at_its_bytes_and_a_condition_bounds_what_is_looked_at() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE wide (id int PRIMARY KEY, body text); ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
         INSERT INTO wide SELECT i, repeat('x', 1000000) FROM generate_series(1, 60) i;
         CREATE TABLE many (id int PRIMARY KEY, body text); INSERT INTO many SELECT i, 'row' FROM generate_series(1, 1000) i;
         CREATE TABLE empty (id int PRIMARY KEY)",
    );
    let sql = cluster.sql("postgres").await;
    let all = tables(&sql).await.expect("tables");
    let mut reader = reader(&cluster, "postgres").await;
    let wide = find(&all, "wide");
    let key = key_of(&sql, wide).await.expect("a key");
    for (bytes, rows) in [(2_500_000, 3), (1, 1)] {
        let bounded = KeyRange { bytes, ..range(&key, None, None, 2048) };
        let chunks = read_all(&mut reader, wide, bounded.clone()).await;
        assert_eq!(keys(&chunks), (1..=60).map(|id| vec![id.to_string()]).collect::<Vec<_>>());
        let last = chunks.len() - 1;
        assert!(chunks[..last].iter().all(|chunk| chunk.rows.len() == rows && !chunk.at_end));
        let named = KeyRange { part: KeyPart::Keys(keys(&chunks)), ..bounded };
        let chunk = reader.read(wide, &named).await.expect("a chunk");
        assert_eq!((chunk.rows.len(), chunk.last_key, chunk.at_end), (rows, None, false));
    }

    let many = find(&all, "many");
    let key = key_of(&sql, many).await.expect("a key");
    let some = KeyRange { condition: Some("id % 100 = 0 -- few".to_owned()), ..range(&key, None, Some(texts(&["950"])), 100) };
    let chunks = read_all(&mut reader, many, some.clone()).await;
    assert_eq!(keys(&chunks), (1..=9).map(|id| vec![(id * 100).to_string()]).collect::<Vec<_>>());
    assert_eq!(chunks.iter().map(|chunk| chunk.rows.len()).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
    assert_eq!(chunks[3].last_key, Some(texts(&["400"])));
    // The row filter of a publication counts too.
    let mut filtered = many.clone();
    filtered.row_filter = Some("id > 500".to_owned());
    assert_eq!(keys(&read_all(&mut reader, &filtered, some).await).len(), 4);

    let empty = find(&all, "empty");
    let key = key_of(&sql, empty).await.expect("a key");
    assert_eq!(reader.greatest_key(empty, &key).await.expect("asked"), None);
    let chunk = reader.read(empty, &range(&key, None, None, 10)).await.expect("a chunk");
    assert_eq!((chunk.rows.len(), chunk.last_key, chunk.at_end), (0, None, true));
}

#[tokio::test]
async fn a_chunk_tells_whom_it_sees_and_between_which_places_it_stands() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE TABLE t (id int PRIMARY KEY, body text); INSERT INTO t VALUES (1, 'old'), (2, 'old')");
    let (sql, open, done) = (cluster.sql("postgres").await, cluster.sql("postgres").await, cluster.sql("postgres").await);
    let all = tables(&sql).await.expect("tables");
    let key = key_of(&sql, &all[0]).await.expect("a key");
    let mut reader = reader(&cluster, "postgres").await;
    open.batch_execute("BEGIN; UPDATE public.t SET body = 'open' WHERE id = 1").await.expect("updated");
    done.batch_execute("BEGIN; UPDATE public.t SET body = 'done' WHERE id = 2").await.expect("updated");
    let open_id = take_transaction_id(&open).await.expect("an id");
    let done_id = take_transaction_id(&done).await.expect("an id");
    done.batch_execute("COMMIT").await.expect("committed");
    let before: Lsn = cluster.psql("postgres", "SELECT pg_current_wal_insert_lsn()").parse().expect("a place");
    let chunk = reader.read(&all[0], &range(&key, None, None, 10)).await.expect("a chunk");
    let flushed: Lsn = cluster.psql("postgres", "SELECT pg_current_wal_flush_lsn()").parse().expect("a place");
    let later_id = take_transaction_id(&sql).await.expect("an id");
    assert!(before <= chunk.low && chunk.low < chunk.high && chunk.high <= flushed, "{chunk:?}, {before}, {flushed}");
    assert_eq!(chunk.rows.iter().map(|row| row.line.as_ref()).collect::<Vec<_>>(), [&b"1\told"[..], b"2\tdone"]);
    let sees = |xid: u64| chunk.visible.sees(u32::try_from(xid).expect("of the first epoch"));
    assert_eq!([open_id, done_id, later_id].map(sees), [false, true, false]);
    open.batch_execute("COMMIT").await.expect("committed");
    let chunk = reader.read(&all[0], &range(&key, None, None, 10)).await.expect("a chunk");
    assert!(chunk.visible.sees(u32::try_from(open_id).expect("of the first epoch")) && chunk.visible.xmin > later_id);
    assert!(!commits_wait_for_standbys(&sql).await.expect("asked"));
}

#[tokio::test]
async fn locks_are_waited_for_a_moment_and_kept_to_the_high_mark() {
    let cluster = Cluster::start();
    // Of `partial`, the role may read columns, which is not enough for LOCK TABLE.
    cluster.psql(
        "postgres",
        "CREATE ROLE reader LOGIN;
         CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE partial (id int PRIMARY KEY);
         INSERT INTO t SELECT generate_series(1, 300000); INSERT INTO partial VALUES (1);
         GRANT SELECT ON t TO reader; GRANT SELECT (id) ON partial TO reader",
    );
    let (sql, other) = (as_role(&cluster, "reader", "postgres").await, cluster.sql("postgres").await);
    let all = tables(&sql).await.expect("tables");
    let mut reader = reader(&cluster, "reader").await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation IS NOT NULL AND NOT granted";
    for name in ["partial", "t"] {
        let table = find(&all, name);
        let key = key_of(&sql, table).await.expect("a key");
        let everything = range(&key, None, None, 1_000_000);
        let counted = reader.read(table, &everything).await.expect("a chunk").rows.len();
        other.batch_execute(&format!("BEGIN; LOCK TABLE public.{name}")).await.expect("locked");
        let writer = async {
            eventually("nobody waits for the lock", async || (cluster.psql("postgres", waiting) == "1").then_some(())).await;
            other.batch_execute(&format!("INSERT INTO public.{name} VALUES (1000001); COMMIT")).await.expect("committed");
        };
        let (chunk, ()) = tokio::join!(reader.read(table, &everything), writer);
        let read = chunk.expect("a chunk").rows.len();
        // What was committed under the lock is seen, unless a snapshot came before it, as it does where the lock is a query's.
        assert!(read == counted + 1 || (name == "partial" && read == counted), "{name}: {read} rows");

        // With a lock that is kept it comes to an end, says who has it, and is of use after it.
        other.batch_execute(&format!("BEGIN; LOCK TABLE public.{name}")).await.expect("locked");
        let locked = timeout(PATIENCE, reader.read(table, &everything)).await.expect("in time");
        let Err(CopyError::Locked(error)) = locked else { panic!("{name} was read") };
        assert_eq!(error.message(), format!("it is locked against reading, by the process {}", other.process_id()));
        let locked = reader.greatest_key(table, &key).await;
        assert!(matches!(locked, Err(CopyError::Locked(_))), "{name}: {locked:?}");
        bound_lock_waits(&sql).await.expect("bounded");
        let unknown = chunk_key(&sql, table, sql.version().number()).await;
        assert!(unknown.is_err() || name == "partial", "{name}: no key is found, for it is locked: {unknown:?}");
        other.batch_execute("COMMIT").await.expect("committed");
        assert_eq!(reader.read(table, &everything).await.expect("a chunk").rows.len(), counted + 1);
    }

    // ALTER TABLE comes behind the high mark, however long the reading takes.
    let table = find(&all, "t");
    let key = key_of(&sql, table).await.expect("a key");
    let held = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND granted AND mode = 'AccessShareLock'";
    let everything = range(&key, None, None, 1_000_000);
    let alter = async {
        eventually("the table is not read", async || (cluster.psql("postgres", held) != "0").then_some(())).await;
        other.batch_execute("BEGIN; ALTER TABLE public.t ADD more int").await.expect("altered");
        let row = other.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await.expect("a place");
        other.batch_execute("COMMIT").await.expect("committed");
        row.get::<_, String>(0).parse::<Lsn>().expect("a place")
    };
    let (chunk, altered) =
        timeout(PATIENCE, async { tokio::join!(reader.read(table, &everything), alter) }).await.expect("in time");
    let chunk = chunk.expect("a chunk");
    assert!(chunk.high <= altered, "{} is not before {altered}", chunk.high);
    assert_eq!(chunk.rows.len(), 300_001);

    // What has become of a table shows, and the reader is of use after it.
    cluster.psql("postgres", "ALTER TABLE t RENAME TO renamed");
    assert!(matches!(reader.read(table, &everything).await, Err(CopyError::Changed(_))));
    cluster.psql("postgres", "ALTER TABLE renamed RENAME TO t; REVOKE SELECT ON t FROM reader");
    let Err(CopyError::Failed(error)) = reader.read(table, &everything).await else { panic!("it was read") };
    assert_eq!(error.code(), waltap_error::Code::SELECT_RIGHT, "{}", error.report());
    cluster.psql("postgres", error.remedy_text().expect("a remedy"));
    assert_eq!(reader.read(table, &everything).await.expect("a chunk").rows.len(), 300_001);
}

#[tokio::test]
async fn conditions_are_checked_without_reading() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE t (id int PRIMARY KEY, body text); CREATE FUNCTION mine(int) RETURNS bool LANGUAGE sql AS 'SELECT true'",
    );
    let sql = cluster.sql("postgres").await;
    let all = tables(&sql).await.expect("tables");
    for good in ["id > 5", "body LIKE 'a%' OR id = 1 -- why", "public.mine(id)"] {
        check_condition(&sql, &all[0], good).await.expect(good);
    }
    for bad in ["id", "ids > 5", "id > $1", "mine(id)", "id > 5; DROP TABLE t", "true) OR (true", "true, true", ""] {
        let error = check_condition(&sql, &all[0], bad).await.expect_err(bad);
        assert!(error.remedy_text().is_some(), "{}", error.report());
    }
}
