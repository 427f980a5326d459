//! Whether our notion of a usable identity is the server's: each table is really published, and really updated.

use waltap_postgres::catalog::{Identity, IdentityProblem, tables};

use super::{application, find};
use crate::fixture::Cluster;

/// Every way in which a table can have or lack an identity: its name and how it is made. Each has a row with `id` 1.
pub(crate) const TABLES: &[(&str, &str)] = &[
    ("keyed", "CREATE TABLE keyed (id int PRIMARY KEY, body text)"),
    ("no_key", "CREATE TABLE no_key (id int, body text)"),
    ("whole", "CREATE TABLE whole (id int, body text); ALTER TABLE whole REPLICA IDENTITY FULL"),
    ("whole_keyed", "CREATE TABLE whole_keyed (id int PRIMARY KEY, body text); ALTER TABLE whole_keyed REPLICA IDENTITY FULL"),
    ("nothing", "CREATE TABLE nothing (id int PRIMARY KEY, body text); ALTER TABLE nothing REPLICA IDENTITY NOTHING"),
    ("deferred_key", "CREATE TABLE deferred_key (id int PRIMARY KEY DEFERRABLE, body text)"),
    ("unique_only", "CREATE TABLE unique_only (id int NOT NULL UNIQUE, body text)"),
    (
        "indexed",
        "CREATE TABLE indexed (id int NOT NULL UNIQUE, body text); ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_id_key",
    ),
    (
        "index_dropped",
        "CREATE TABLE index_dropped (id int PRIMARY KEY, body text);
         CREATE UNIQUE INDEX chosen ON index_dropped (id);
         ALTER TABLE index_dropped REPLICA IDENTITY USING INDEX chosen;
         DROP INDEX chosen",
    ),
    ("generated", "CREATE TABLE generated (id int PRIMARY KEY, body text, twice int GENERATED ALWAYS AS (id * 2) STORED)"),
    (
        "generated_whole",
        "CREATE TABLE generated_whole (id int, body text, twice int GENERATED ALWAYS AS (id * 2) STORED);
         ALTER TABLE generated_whole REPLICA IDENTITY FULL",
    ),
    (
        "generated_key",
        "CREATE TABLE generated_key (id int, body text, twice int GENERATED ALWAYS AS (id * 2) STORED PRIMARY KEY)",
    ),
    (
        "parted",
        "CREATE TABLE parted (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
    ),
    (
        "parted_no_key",
        "CREATE TABLE parted_no_key (id int, body text) PARTITION BY RANGE (id);
         CREATE TABLE parted_no_key_1 PARTITION OF parted_no_key FOR VALUES FROM (0) TO (10)",
    ),
    (
        "parted_deep",
        "CREATE TABLE parted_deep (id int, body text) PARTITION BY RANGE (id);
         CREATE TABLE parted_deep_1 PARTITION OF parted_deep FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
         CREATE TABLE parted_deep_2 PARTITION OF parted_deep_1 FOR VALUES FROM (0) TO (10);
         ALTER TABLE parted_deep REPLICA IDENTITY FULL",
    ),
    (
        "leaf_without",
        "CREATE TABLE leaf_without (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
         CREATE TABLE leaf_without_1 PARTITION OF leaf_without FOR VALUES FROM (0) TO (10);
         ALTER TABLE leaf_without_1 REPLICA IDENTITY NOTHING",
    ),
    (
        "full_root",
        "CREATE TABLE full_root (id int, body text) PARTITION BY RANGE (id);
         CREATE TABLE full_root_1 PARTITION OF full_root FOR VALUES FROM (0) TO (10);
         ALTER TABLE full_root REPLICA IDENTITY FULL;
         ALTER TABLE full_root_1 REPLICA IDENTITY FULL",
    ),
    (
        "unlogged_leaf",
        "CREATE TABLE unlogged_leaf (id int, body text) PARTITION BY RANGE (id);
         CREATE UNLOGGED TABLE unlogged_leaf_1 PARTITION OF unlogged_leaf FOR VALUES FROM (0) TO (10);
         ALTER TABLE unlogged_leaf REPLICA IDENTITY FULL",
    ),
    ("inheriting", "CREATE TABLE inheriting (id int PRIMARY KEY, body text)"),
    ("inherited", "CREATE TABLE inherited (more text) INHERITS (inheriting)"),
    (
        "invalid_index",
        // Made ONLY on the root and not attached, so that it is not valid.
        "CREATE TABLE invalid_index (id int NOT NULL, body text) PARTITION BY RANGE (id);
         CREATE TABLE invalid_index_1 PARTITION OF invalid_index FOR VALUES FROM (0) TO (10);
         ALTER TABLE ONLY invalid_index ADD PRIMARY KEY (id)",
    ),
];

/// Makes all of them in a database, with a row each.
pub(crate) fn make(cluster: &Cluster, database: &str) {
    for (name, statements) in TABLES {
        cluster.psql(database, statements);
        cluster.psql(database, &format!("INSERT INTO {name} (id, body) VALUES (1, 'one'), (2, 'two')"));
    }
}

#[tokio::test]
async fn a_usable_identity_is_what_the_server_takes_for_one() {
    let cluster = Cluster::start();
    make(&cluster, "postgres");
    let sql = cluster.sql("postgres").await;
    let app = application(&cluster, "postgres", "postgres").await;
    let all = tables(&sql).await.expect("tables");
    assert_eq!(all.len(), TABLES.len());
    for (name, _) in TABLES {
        let table = find(&all, name);
        cluster.psql("postgres", &format!("CREATE PUBLICATION p FOR TABLE ONLY {name} WITH (publish_via_partition_root = true)"));
        let update = app.batch_execute(&format!("UPDATE ONLY {name} SET body = 'new' WHERE id = 1")).await;
        let update = match table.partitioned {
            // ONLY a root holds no rows.
            true => app.batch_execute(&format!("UPDATE {name} SET body = 'new' WHERE id = 1")).await,
            false => update,
        };
        let delete = app.batch_execute(&format!("DELETE FROM {name} WHERE id = 2 AND tableoid >= 0")).await;
        cluster.psql("postgres", "DROP PUBLICATION p");
        if table.has_usable_identity() {
            update.unwrap_or_else(|error| panic!("{name}: {error}"));
            delete.unwrap_or_else(|error| panic!("{name}: {error}"));
        } else if !matches!(*name, "invalid_index" | "parted_deep" | "full_root" | "unlogged_leaf") {
            // Of a partitioned table some versions look at the root's identity as well as at the leaves', so that we always do; and of
            // others it is the partitions to come that would be harmed.
            assert!(
                update.is_err() && delete.is_err(),
                "{name} can be updated and deleted from, and we say it has {:?}",
                table.identity
            );
        }
    }
    let problem = |name: &str| match &find(&all, name).identity {
        Identity::Usable => None,
        Identity::Missing(problem) => Some(problem.clone()),
    };
    assert_eq!(problem("no_key"), Some(IdentityProblem::NoPrimaryKey(None)));
    assert_eq!(problem("deferred_key"), Some(IdentityProblem::NoPrimaryKey(None)));
    assert_eq!(problem("nothing"), Some(IdentityProblem::Nothing(None)));
    assert_eq!(problem("index_dropped"), Some(IdentityProblem::NoIndex(None)));
    assert_eq!(problem("leaf_without"), Some(IdentityProblem::Nothing(Some("public.leaf_without_1".to_owned()))));
    assert_eq!(problem("parted_deep"), Some(IdentityProblem::NoPrimaryKey(Some("public.parted_deep_2".to_owned()))));
    assert_eq!(problem("full_root"), Some(IdentityProblem::NotInherited));
    assert_eq!(problem("keyed"), None);
    assert_eq!((find(&all, "whole").key.len(), find(&all, "whole_keyed").key.as_slice()), (0, &["id".to_owned()][..]));
    assert!(find(&all, "generated_key").key.is_empty());
}
