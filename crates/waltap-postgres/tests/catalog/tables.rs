//! The list of tables.

use waltap_postgres::catalog::{Generated, ReplicaIdentity, column_defaults, identity_key, tables, tables_by_oid};

use super::{as_role, find};
use crate::fixture::Cluster;

#[tokio::test]
async fn tables_come_with_their_columns_keys_and_leaves() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        r#"CREATE TABLE plain (b text NOT NULL, gone int, a int, c int GENERATED ALWAYS AS (a * 2) STORED, PRIMARY KEY (b, a));
           ALTER TABLE plain DROP COLUMN gone;
           CREATE TABLE parent (id int PRIMARY KEY);
           CREATE TABLE child (more text) INHERITS (parent);
           CREATE TABLE nothing ();
           CREATE UNLOGGED TABLE unlogged (id int);
           CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one;
           CREATE SCHEMA "Odd ""schema";
           CREATE TABLE "Odd ""schema"."T.1" ("Id" int PRIMARY KEY, "select" text);
           CREATE TABLE root (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
           CREATE TABLE y24 PARTITION OF root FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
           CREATE TABLE y25 PARTITION OF root FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
           CREATE TABLE y25_0 PARTITION OF y25 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
           CREATE TABLE y25_1 PARTITION OF y25 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
           INSERT INTO plain SELECT 'x', NULL FROM generate_series(1, 0);
           INSERT INTO root SELECT i, '2024-05-05' FROM generate_series(1, 1000) i;
           ANALYZE root, y24, y25_0, y25_1"#,
    );
    let sql = cluster.sql("postgres").await;
    let all = tables(&sql).await.expect("tables");
    let names: Vec<String> = all.iter().map(|table| table.display_name()).collect();
    let expected = ["Odd \"schema.T.1", "public.child", "public.nothing", "public.parent", "public.plain", "public.root"];
    assert_eq!(names, expected);

    for table in &all {
        let key = identity_key(&sql, table.oid).await.expect("a key");
        assert_eq!(key.as_deref(), Some(&*table.key), "{}", table.display_name());
    }
    assert_eq!(identity_key(&sql, 1).await.expect("no key"), None);

    let plain = find(&all, "plain");
    let columns: Vec<(i16, &str, bool, Generated)> =
        plain.columns.iter().map(|column| (column.number, column.name.as_str(), column.not_null, column.generated)).collect();
    let expected = [(1, "b", true, Generated::No), (3, "a", true, Generated::No), (4, "c", false, Generated::Stored)];
    assert_eq!(columns, expected);
    assert_eq!(plain.key, ["b", "a"]);
    assert_eq!(plain.published_columns().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!((plain.rows_estimated, plain.owner.as_str()), (None, "postgres"));
    assert!(find(&all, "nothing").columns.is_empty());
    assert_eq!(find(&all, "T.1").quoted(), r#""Odd ""schema"."T.1""#);
    // The child has no key of its own.
    assert!(find(&all, "parent").has_usable_identity() && !find(&all, "child").has_usable_identity());

    let root = find(&all, "root");
    assert!(root.partitioned && root.has_usable_identity());
    assert_eq!(root.leaves.iter().map(|leaf| leaf.name.as_str()).collect::<Vec<_>>(), ["y24", "y25_0", "y25_1"]);
    assert_eq!(root.rows_estimated, None, "empty leaves were analysed with no pages, which version 13 cannot tell from never");
    assert_eq!(root.leaves[0].rows_estimated, Some(1000));
    assert_eq!(root.pages_estimated, root.leaves[0].pages_estimated);
    assert!(root.leaves[0].pages_estimated > 0);

    let some = tables_by_oid(&sql, &[root.oid, 1, root.leaves[0].oid]).await.expect("tables");
    assert_eq!(some, std::slice::from_ref(root));
}

#[tokio::test]
async fn rights_are_those_of_our_role() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE ROLE app; CREATE ROLE reader LOGIN; CREATE ROLE member LOGIN IN ROLE app;
         CREATE SCHEMA app AUTHORIZATION app;
         SET ROLE app;
         CREATE TABLE app.whole (id int PRIMARY KEY);
         CREATE TABLE app.some (id int PRIMARY KEY, secret text);
         CREATE TABLE app.every (id int PRIMARY KEY, open text, computed int GENERATED ALWAYS AS (id) STORED);
         CREATE TABLE app.guarded (id int PRIMARY KEY);
         ALTER TABLE app.guarded ENABLE ROW LEVEL SECURITY;
         GRANT USAGE ON SCHEMA app TO reader;
         GRANT SELECT ON app.whole, app.guarded TO reader;
         GRANT SELECT (id) ON app.some TO reader;
         GRANT SELECT (id, open) ON app.every TO reader",
    );
    let reader = as_role(&cluster, "reader", "postgres").await;
    let all = tables(&reader).await.expect("tables");
    let rights = |name: &str| {
        let table = find(&all, name);
        (table.may_use_schema, table.may_select, table.row_security, table.may_publish)
    };
    assert_eq!(rights("whole"), (true, true, false, false));
    assert_eq!(rights("some"), (true, false, false, false));
    assert_eq!(rights("every"), (true, true, false, false));
    assert_eq!(rights("guarded"), (true, true, true, false));

    let member = as_role(&cluster, "member", "postgres").await;
    let all = tables(&member).await.expect("tables");
    assert!(all.iter().all(|table| table.may_publish && table.may_select && table.owner == "app"));
    cluster.psql("postgres", "REVOKE USAGE ON SCHEMA app FROM reader");
    assert!(tables(&reader).await.expect("tables").iter().all(|table| !table.may_use_schema));
}

#[tokio::test]
async fn leaves_have_identities_of_their_own() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE root (id int, region int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
         CREATE TABLE even PARTITION OF root FOR VALUES IN (0);
         CREATE TABLE odd PARTITION OF root FOR VALUES IN (1);
         CREATE UNIQUE INDEX odd_id ON odd (id);
         ALTER TABLE odd REPLICA IDENTITY USING INDEX odd_id;
         CREATE TABLE whole PARTITION OF root FOR VALUES IN (2);
         ALTER TABLE whole REPLICA IDENTITY FULL",
    );
    let sql = cluster.sql("postgres").await;
    let all = tables(&sql).await.expect("tables");
    let root = find(&all, "root");
    assert!(root.has_usable_identity());
    let settings: Vec<(&str, ReplicaIdentity)> =
        root.leaves.iter().map(|leaf| (leaf.name.as_str(), leaf.replica_identity)).collect();
    let expected = [("even", ReplicaIdentity::Default), ("odd", ReplicaIdentity::Index), ("whole", ReplicaIdentity::Full)];
    assert_eq!(settings, expected);
    // A delete in it comes without the region.
    assert_eq!(root.uneven_leaves().map(|leaf| leaf.name.as_str()).collect::<Vec<_>>(), ["odd"]);
}

#[tokio::test]
async fn defaults_are_read_without_waiting_for_who_alters_the_table() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE t (id serial, name text DEFAULT 'it''s', at timestamptz DEFAULT now(), plain int, gone int DEFAULT 1,
                         twice int GENERATED ALWAYS AS (plain * 2) STORED, nothing int DEFAULT NULL);
         ALTER TABLE t DROP COLUMN gone;
         CREATE TABLE without (id int)",
    );
    let sql = cluster.sql("postgres").await;
    let all = tables(&sql).await.expect("tables");
    let oids: Vec<u32> = all.iter().map(|table| table.oid).collect();
    let locked = cluster.sql("postgres").await;
    locked.batch_execute("BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE").await.expect("a lock");
    sql.batch_execute("SET lock_timeout = '1s'").await.expect("a timeout");
    let defaults = column_defaults(&sql, &oids).await.expect("defaults");
    let mut of_t: Vec<(&str, &str)> =
        defaults[&find(&all, "t").oid].iter().map(|(name, expression)| (name.as_str(), expression.as_str())).collect();
    of_t.sort_unstable();
    assert_eq!(of_t, [("at", "now()"), ("id", "nextval('public.t_id_seq'::regclass)"), ("name", "'it''s'::text")]);
    assert!(!defaults.contains_key(&find(&all, "without").oid));
}
