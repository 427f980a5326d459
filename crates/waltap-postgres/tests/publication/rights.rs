//! A role that has LOGIN and REPLICATION and owns nothing.

use waltap_error::{Code, Kind};
use waltap_postgres::catalog::tables;
use waltap_postgres::preflight::{DatabaseNeeds, Finding, Level, PublicationNeeds, check_database, worst};
use waltap_postgres::publication::{Problem, reconcile};

use super::names;
use crate::catalog::{application, as_role};
use crate::fixture::Cluster;

/// A database `shop` of the role `app`, with tables of all sorts, and a role `tap` that may log in and replicate.
fn shop() -> Cluster {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE ROLE app LOGIN; CREATE ROLE tap LOGIN REPLICATION");
    cluster.psql("postgres", "CREATE DATABASE shop OWNER app");
    cluster.psql(
        "shop",
        r#"GRANT CREATE ON SCHEMA public TO app; SET ROLE app;
           CREATE TABLE orders (id int PRIMARY KEY, total numeric);
           CREATE TABLE "Log ""x" (line text);
           CREATE SCHEMA sales;
           CREATE TABLE sales.regions (id int PRIMARY KEY) PARTITION BY RANGE (id);
           CREATE TABLE sales.regions_0 PARTITION OF sales.regions FOR VALUES FROM (0) TO (10)"#,
    );
    cluster
}

async fn check(cluster: &Cluster) -> Vec<Finding> {
    let sql = as_role(cluster, "tap", "shop").await;
    let tables = tables(&sql).await.expect("tables");
    let needs = DatabaseNeeds {
        database: "shop",
        role: "tap",
        tables: &tables,
        publication: PublicationNeeds::Own(names()),
        snapshot: true,
    };
    check_database(&sql, &needs).await.expect("checked")
}

#[tokio::test]
async fn the_printed_statements_are_all_that_the_owner_has_to_run() {
    let cluster = shop();
    let findings = check(&cluster).await;
    let problems: Vec<&Finding> = findings.iter().filter(|finding| finding.level == Level::Problem).collect();
    let codes: Vec<Option<Code>> = problems.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Some(Code::SELECT_RIGHT), Some(Code::PUBLICATION)], "{problems:?}");
    let owner = application(&cluster, "app", "shop").await;
    for problem in problems {
        let remedy = problem.remedy.as_deref().expect("a remedy");
        owner.batch_execute(remedy).await.unwrap_or_else(|error| panic!("{remedy}\n{error:?}"));
    }
    let findings = check(&cluster).await;
    assert!(worst(&findings) < Level::Problem, "{findings:?}");

    // And they work: our role uses them without changing anything, and the application goes on.
    let mut sql = as_role(&cluster, "tap", "shop").await;
    let wanted = tables(&sql).await.expect("tables");
    let done = reconcile(&mut sql, &names(), &wanted, None).await.expect("reconciled");
    done.require_complete().expect("complete");
    assert_eq!(done.changes, []);
    cluster.psql("shop", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
    for statement in [
        "INSERT INTO orders VALUES (1, 1)",
        "UPDATE orders SET total = 2",
        "DELETE FROM orders",
        r#"INSERT INTO "Log ""x" VALUES ('a')"#,
        r#"UPDATE "Log ""x" SET line = 'b'"#,
        r#"DELETE FROM "Log ""x""#,
        "INSERT INTO sales.regions VALUES (1)",
        "UPDATE sales.regions SET id = 2",
        "DELETE FROM sales.regions",
    ] {
        owner.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    let kinds = cluster.psql(
        "shop",
        "SELECT string_agg(chr(get_byte(data, 0)), '') FROM pg_logical_slot_peek_binary_changes('s', NULL, NULL, 'proto_version', '1', 'publication_names', 'waltap_main,waltap_main_inserts') WHERE get_byte(data, 0) IN (ascii('I'), ascii('U'), ascii('D'))",
    );
    assert_eq!(kinds, "IUDIIUD");
}

#[tokio::test]
async fn a_table_that_comes_later_is_left_to_the_owner_as_well() {
    let cluster = shop();
    let owner = application(&cluster, "app", "shop").await;
    let mut sql = as_role(&cluster, "tap", "shop").await;
    for _ in 0..2 {
        let wanted = tables(&sql).await.expect("tables");
        let done = reconcile(&mut sql, &names(), &wanted, None).await.expect("an answer");
        let error = done.require_complete().expect_err("our role has no rights");
        assert_eq!((error.code(), error.kind()), (Code::PUBLICATION, Kind::Configuration));
        assert!(done.changes.is_empty());
        owner.batch_execute(error.remedy_text().expect("a remedy")).await.expect("the remedy runs");
        let done = reconcile(&mut sql, &names(), &wanted, None).await.expect("an answer");
        done.require_complete().expect("complete");
        // New tables, one without a key, and one that loses it.
        owner
            .batch_execute(
                "CREATE TABLE IF NOT EXISTS late (id int PRIMARY KEY); CREATE TABLE IF NOT EXISTS late_bare (id int);
                 ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_pkey",
            )
            .await
            .expect("new tables");
    }
}

#[tokio::test]
async fn a_table_that_lost_its_identity_is_reported_as_harmful_when_it_cannot_be_moved() {
    let cluster = shop();
    let owner = application(&cluster, "app", "shop").await;
    owner.batch_execute("CREATE PUBLICATION waltap_main FOR ALL TABLES").await.expect_err("needs a superuser");
    cluster.psql("shop", "CREATE PUBLICATION waltap_main FOR ALL TABLES; CREATE PUBLICATION waltap_main_inserts");
    let mut sql = as_role(&cluster, "tap", "shop").await;
    let wanted = tables(&sql).await.expect("tables");
    let done = reconcile(&mut sql, &names(), &wanted, None).await.expect("an answer");
    let harmful = done.problems.iter().filter(|problem| matches!(problem, Problem::Harmful { .. })).count();
    assert_eq!(harmful, 1, "{:?}", done.problems);
    done.require_complete().expect_err("not good enough");
    // What the superuser made so can be mended by the superuser alone, by the same statements.
    cluster.psql("shop", done.remedy.as_deref().expect("a remedy"));
    reconcile(&mut sql, &names(), &wanted, None).await.expect("an answer").require_complete().expect("complete");
}

#[tokio::test]
async fn a_member_of_the_owner_makes_its_own() {
    let cluster = shop();
    cluster.psql("postgres", "GRANT app TO tap");
    let mut sql = as_role(&cluster, "tap", "shop").await;
    let wanted = tables(&sql).await.expect("tables");
    reconcile(&mut sql, &names(), &wanted, None).await.expect("reconciled").require_complete().expect("complete");
    assert_eq!(worst(&check(&cluster).await), Level::Warning, "a table without a key is only a warning");
}
