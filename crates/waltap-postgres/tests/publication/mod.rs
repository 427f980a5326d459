//! Publications, reconciled on a real server.

mod concurrent;
mod rights;

use tokio_postgres::Client;
use waltap_error::Code;
use waltap_postgres::catalog::{Table, tables};
use waltap_postgres::publication::{Change, Operations, inspect, membership, reconcile};
use waltap_postgres::slot::{PublicationNames, publication_names};

use crate::catalog::identity::{TABLES, make};
use crate::catalog::{application, find};
use crate::fixture::Cluster;

/// The publications of a capture called `main`.
pub(crate) fn names() -> PublicationNames {
    publication_names("main")
}

/// What a publication lists, as psql sees it.
pub(crate) fn listed(cluster: &Cluster, publication: &str) -> Vec<String> {
    let sql = format!(
        "SELECT c.relname FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid WHERE p.pubname = '{publication}' ORDER BY 1"
    );
    cluster.psql("postgres", &sql).lines().map(str::to_owned).collect()
}

async fn all(client: &Client) -> Vec<Table> {
    tables(client).await.expect("tables")
}

/// Counts changes of a kind that pgoutput gives for the capture's publications: `I`, `U`, `D` or `T`.
fn decoded(cluster: &Cluster, slot: &str, kind: char) -> usize {
    let sql = format!(
        "SELECT count(*) FROM pg_logical_slot_peek_binary_changes('{slot}', NULL, NULL, 'proto_version', '1', 'publication_names', 'waltap_main,waltap_main_inserts') WHERE get_byte(data, 0) = ascii('{kind}')"
    );
    cluster.psql("postgres", &sql).parse().expect("a count")
}

#[tokio::test]
async fn no_publication_of_ours_makes_an_update_or_delete_fail() {
    let cluster = Cluster::start();
    make(&cluster, "postgres");
    let mut sql = cluster.sql("postgres").await;
    let wanted = all(&sql).await;
    let done = reconcile(&mut sql, &names(), &wanted, None).await.expect("reconciled");
    done.require_complete().expect("nothing is left to the owner");
    assert_eq!(done.tables, wanted);
    cluster.psql("postgres", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
    for (name, _) in TABLES {
        cluster.psql("postgres", &format!("INSERT INTO {name} (id, body) VALUES (3, 'three')"));
        cluster.psql("postgres", &format!("UPDATE {name} SET body = 'changed' WHERE id = 3"));
        cluster.psql("postgres", &format!("DELETE FROM {name} WHERE id = 3"));
    }
    let identified = wanted.iter().filter(|table| table.has_usable_identity()).count();
    assert_eq!(listed(&cluster, "waltap_main").len(), identified);
    assert_eq!(listed(&cluster, "waltap_main_inserts").len(), wanted.len() - identified);
    // The unlogged leaf of one table writes no log.
    assert_eq!(decoded(&cluster, "s", 'I'), TABLES.len() - 1);
    assert_eq!(decoded(&cluster, "s", 'U'), identified);
    assert_eq!(decoded(&cluster, "s", 'D'), identified);

    // A partition that is made later has no identity, unless the root has a primary key.
    for name in ["full_root", "parted"] {
        cluster.psql("postgres", &format!("CREATE TABLE {name}_2 PARTITION OF {name} FOR VALUES FROM (10) TO (20)"));
        cluster.psql("postgres", &format!("INSERT INTO {name} (id, body) VALUES (11, 'eleven')"));
        cluster.psql("postgres", &format!("UPDATE {name} SET body = 'changed' WHERE id = 11; DELETE FROM {name} WHERE id = 11"));
    }

    let again = reconcile(&mut sql, &names(), &wanted, None).await.expect("reconciled");
    assert_eq!(again.changes, [], "the second time there is nothing to do");
}

#[tokio::test]
async fn tables_follow_their_identity_and_no_change_is_missed() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE TABLE t (id int PRIMARY KEY, body text); CREATE TABLE other (id int)");
    let mut sql = cluster.sql("postgres").await;
    let wanted = all(&sql).await;
    reconcile(&mut sql, &names(), &wanted, None).await.expect("reconciled");
    assert_eq!(listed(&cluster, "waltap_main"), ["t"]);
    assert_eq!(listed(&cluster, "waltap_main_inserts"), ["other"]);
    cluster.psql("postgres", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')");

    // A writer that never stops while the table moves to and fro.
    let writer = application(&cluster, "postgres", "postgres").await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let mut written = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            writer.execute("INSERT INTO t VALUES ($1)", &[&written]).await.expect("an insert");
            written += 1;
        }
        usize::try_from(written).expect("a count")
    });
    for _ in 0..5 {
        cluster.psql("postgres", "ALTER TABLE t DROP CONSTRAINT t_pkey");
        let moved = reconcile(&mut sql, &names(), &wanted, None).await.expect("reconciled");
        assert!(matches!(moved.changes.as_slice(), [Change::Added { .. }, Change::Removed { .. }]), "{:?}", moved.changes);
        cluster.psql("postgres", "UPDATE t SET body = 'x' WHERE id = -1");
        assert_eq!(listed(&cluster, "waltap_main_inserts"), ["other", "t"]);
        cluster.psql("postgres", "ALTER TABLE t ADD PRIMARY KEY (id)");
        reconcile(&mut sql, &names(), &wanted, None).await.expect("reconciled");
        assert_eq!(
            (listed(&cluster, "waltap_main"), listed(&cluster, "waltap_main_inserts")),
            (vec!["t".to_owned()], vec!["other".to_owned()])
        );
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let written = writing.await.expect("the writer ends well");
    assert!(written > 0);
    assert_eq!(decoded(&cluster, "s", 'I'), written);
}

#[tokio::test]
async fn what_is_not_chosen_leaves_and_children_do_not_come_along() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        r#"CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent);
           CREATE SCHEMA "S s"; CREATE TABLE "S s"."T ""t" (id int PRIMARY KEY);
           CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id);
           CREATE TABLE leaf (id int PRIMARY KEY)"#,
    );
    let mut sql = cluster.sql("postgres").await;
    let everything = all(&sql).await;
    reconcile(&mut sql, &names(), &everything, None).await.expect("reconciled");
    assert_eq!(listed(&cluster, "waltap_main"), ["T \"t", "leaf", "parent", "root"]);
    assert_eq!(listed(&cluster, "waltap_main_inserts"), ["child"]);

    let only_parent = [find(&everything, "parent").clone()];
    let narrowed = reconcile(&mut sql, &names(), &only_parent, None).await.expect("reconciled");
    assert_eq!(narrowed.changes.len(), 4);
    assert_eq!((listed(&cluster, "waltap_main"), listed(&cluster, "waltap_main_inserts").len()), (vec!["parent".to_owned()], 0));

    // A table that became a partition is no table of its own any more.
    reconcile(&mut sql, &names(), &everything, None).await.expect("reconciled");
    cluster.psql("postgres", "ALTER TABLE root ATTACH PARTITION leaf FOR VALUES FROM (0) TO (10)");
    let without_the_leaf = all(&sql).await;
    let attached = reconcile(&mut sql, &names(), &without_the_leaf, None).await;
    attached.expect("reconciled").require_complete().expect("complete");
    assert_eq!(listed(&cluster, "waltap_main"), ["T \"t", "parent", "root"]);
}

#[tokio::test]
async fn options_that_do_harm_or_hold_back_are_mended() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE bare (id int);
         CREATE PUBLICATION waltap_main FOR TABLE t, bare WITH (publish = 'insert, update');
         CREATE PUBLICATION waltap_main_inserts",
    );
    let mut sql = cluster.sql("postgres").await;
    let wanted = all(&sql).await;
    let done = reconcile(&mut sql, &names(), &wanted, None).await.expect("reconciled");
    done.require_complete().expect("complete");
    for (name, operations, table) in [
        ("waltap_main", Operations::ALL, "\"public\".\"t\""),
        ("waltap_main_inserts", Operations::INSERTS, "\"public\".\"bare\""),
    ] {
        let publication = membership(&sql, name).await.expect("an answer").expect("a publication");
        assert_eq!((publication.operations, publication.via_root), (operations, true), "{name}");
        assert_eq!(publication.tables.values().map(|listed| listed.quoted.as_str()).collect::<Vec<_>>(), [table]);
    }
    cluster.psql("postgres", "UPDATE bare SET id = 1");
}

#[tokio::test]
async fn more_tables_than_one_transaction_takes() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "DO $$ BEGIN FOR i IN 1..1100 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY)', i); END LOOP; END $$",
    );
    let mut sql = cluster.sql("postgres").await;
    let wanted = all(&sql).await;
    let done = reconcile(&mut sql, &names(), &wanted, None).await.expect("reconciled");
    assert_eq!(done.changes.len(), 1102);
    assert_eq!(listed(&cluster, "waltap_main").len(), 1100);
}

#[tokio::test]
async fn a_publication_of_the_user_is_looked_at_and_left_alone() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE t (id int PRIMARY KEY, secret text); CREATE TABLE bare (id int); CREATE TABLE outside (id int);
         CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE PUBLICATION mine FOR TABLE t (id) WHERE (id > 5), bare, root WITH (publish = 'insert, update, delete')",
    );
    let sql = cluster.sql("postgres").await;
    let wanted = all(&sql).await;
    let seen = inspect(&sql, "mine", &wanted).await.expect("inspected");
    assert_eq!(seen.unpublished, [find(&wanted, "outside").oid]);
    let table = seen.published.iter().find(|table| table.oid == find(&wanted, "t").oid).expect("published");
    assert!(table.row_filter && table.column_list && table.operations.update && !table.operations.truncate);
    let warnings = seen.warnings.join("\n");
    for part in [
        "does not publish some chosen tables: public.outside",
        "rows of: public.t",
        "columns of: public.t",
        "under the partitions' names (publish_via_partition_root is off): public.root",
        "without a replica identity: public.bare",
        "does not publish truncate",
    ] {
        assert!(warnings.contains(part), "{part} is missing in\n{warnings}");
    }
    let absent = inspect(&sql, "absent", &wanted).await.expect_err("no such publication");
    assert_eq!(absent.code(), Code::PUBLICATION);

    cluster
        .psql("postgres", "CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION schema FOR TABLES IN SCHEMA public");
    for name in ["everything", "schema"] {
        assert_eq!(inspect(&sql, name, &wanted).await.expect("inspected").published.len(), wanted.len(), "{name}");
    }
}
