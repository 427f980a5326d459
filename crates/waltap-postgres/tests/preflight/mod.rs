//! Checks of a real server.

use waltap_error::Code;
use waltap_postgres::Sql;
use waltap_postgres::catalog::{fingerprint, tables};
use waltap_postgres::preflight::{
    DatabaseNeeds, Finding, Level, PublicationNeeds, ServerNeeds, check_database, check_server, worst,
};
use waltap_postgres::slot::publication_names;

use crate::catalog::as_role;
use crate::fixture::Cluster;

fn needs(databases: &[&str]) -> ServerNeeds {
    let databases = databases.iter().map(|name| (*name).to_owned()).collect();
    ServerNeeds { capture: "main".to_owned(), databases, without_tables: Vec::new() }
}

fn codes(findings: &[Finding], level: Level) -> Vec<Code> {
    findings.iter().filter(|finding| finding.level == level).filter_map(|finding| finding.code).collect()
}

async fn database(sql: &Sql, role: &str, publication: PublicationNeeds) -> Vec<Finding> {
    let tables = tables(sql).await.expect("tables");
    let needs = DatabaseNeeds { database: "postgres", role, tables: &tables, publication, snapshot: true };
    check_database(sql, &needs).await.expect("checked")
}

#[tokio::test]
async fn a_server_that_lacks_everything_is_told_so_and_the_remedies_mend_it() {
    let mut cluster = Cluster::with()
        .setting("wal_level", "replica")
        .setting("max_replication_slots", "2")
        .setting("max_wal_senders", "1")
        .setting("max_slot_wal_keep_size", "100MB")
        .start();
    cluster.psql("postgres", "CREATE ROLE \"My tap\" LOGIN");
    cluster.psql("postgres", "ALTER ROLE \"My tap\" SET wal_sender_timeout = '5s'");
    for statement in ["CREATE DATABASE a", "CREATE DATABASE b", "REVOKE CONNECT ON DATABASE b FROM PUBLIC"] {
        cluster.psql("postgres", statement);
    }
    cluster.psql("postgres", "SELECT pg_create_physical_replication_slot('standby')");
    let chosen = needs(&["a", "b", "absent"]);
    let sql = as_role(&cluster, "My tap", "postgres").await;
    let findings = check_server(&sql, &chosen).await.expect("checked");
    let problems = codes(&findings, Level::Problem);
    let expected = [
        Code::WAL_LEVEL,
        Code::REPLICATION_RIGHT,
        Code::REPLICATION_SLOTS,
        Code::WAL_SENDERS,
        Code::NO_DATABASE,
        Code::NO_DATABASE,
    ];
    assert_eq!(problems, expected, "{findings:#?}");
    assert_eq!(findings.iter().filter(|finding| finding.level == Level::Warning).count(), 2);

    let remedies = findings.iter().filter_map(|finding| finding.remedy.as_deref());
    for line in remedies.flat_map(str::lines).filter(|line| !line.starts_with("--")) {
        // psql sends what it is given as one transaction, and ALTER SYSTEM wants none.
        for statement in line.split("; ").filter(|statement| !statement.starts_with("--")) {
            cluster.psql("postgres", statement);
        }
    }
    cluster.psql("postgres", "CREATE DATABASE absent");
    cluster.crash_and_restart();
    let sql = as_role(&cluster, "My tap", "postgres").await;
    let findings = check_server(&sql, &chosen).await.expect("checked");
    assert_eq!(worst(&findings), Level::Ok, "{findings:#?}");
}

#[tokio::test]
async fn slots_of_our_own_are_counted_and_judged() {
    let cluster = Cluster::with().setting("max_replication_slots", "3").start();
    let sql = cluster.sql("postgres").await;
    cluster.psql("postgres", "SELECT pg_create_logical_replication_slot('waltap_main_postgres', 'pgoutput')");
    cluster.psql("postgres", "SELECT pg_create_logical_replication_slot('waltap_old_postgres', 'pgoutput')");
    // The slot that is there is used again, and one is left for the temporary one.
    let findings = check_server(&sql, &needs(&["postgres"])).await.expect("checked");
    assert_eq!(codes(&findings, Level::Problem), []);
    assert!(!findings.iter().any(|finding| finding.what.contains("waltap_old_postgres")), "{findings:#?}");
    let mut two = needs(&["postgres", "template1"]);
    let findings = check_server(&sql, &two).await.expect("checked");
    assert_eq!(codes(&findings, Level::Problem), [Code::REPLICATION_SLOTS, Code::NO_DATABASE]);
    two.without_tables = vec!["template1".to_owned()];
    let findings = check_server(&sql, &two).await.expect("checked");
    assert_eq!(codes(&findings, Level::Problem), [Code::NO_DATABASE]);
}

#[tokio::test]
async fn tables_are_judged_and_nothing_is_changed() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE ROLE tap LOGIN REPLICATION;
         CREATE TABLE keyed (id int PRIMARY KEY);
         CREATE TABLE bare (id int);
         CREATE TABLE guarded (id int PRIMARY KEY);
         ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
         CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE leaf PARTITION OF root FOR VALUES FROM (0) TO (10);
         ALTER TABLE leaf REPLICA IDENTITY NOTHING;
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO tap",
    );
    let sql = as_role(&cluster, "tap", "postgres").await;
    let before = fingerprint(&sql).await.expect("a fingerprint");
    let own = || PublicationNeeds::Own(publication_names("main"));
    let findings = database(&sql, "tap", own()).await;
    assert_eq!(codes(&findings, Level::Problem), [Code::ROW_SECURITY, Code::PUBLICATION], "{findings:#?}");
    let identity = findings.iter().find(|finding| finding.what.starts_with("only INSERT and TRUNCATE")).expect("a warning");
    let remedy = identity.remedy.clone().expect("a remedy");
    assert!(identity.what.contains("public.bare, public.root"), "{}", identity.what);
    assert_eq!(fingerprint(&sql).await.expect("a fingerprint"), before);
    assert_eq!(cluster.psql("postgres", "SELECT count(*) FROM pg_publication"), "0");
    let error = findings.iter().find_map(Finding::to_error).expect("an error");
    assert_eq!(error.code(), Code::ROW_SECURITY);
    assert!(error.message().starts_with("database postgres: "), "{}", error.message());

    cluster.psql("postgres", &remedy);
    let findings = database(&sql, "tap", own()).await;
    assert!(!findings.iter().any(|finding| finding.what.starts_with("only INSERT")), "the remedy mends it: {findings:#?}");

    // With a publication of the user's own there is nothing that the owner would have to do.
    let findings = database(&sql, "tap", PublicationNeeds::User("mine".to_owned())).await;
    assert_eq!(codes(&findings, Level::Problem), [Code::ROW_SECURITY, Code::PUBLICATION]);
    let missing = findings.iter().find(|finding| finding.code == Some(Code::PUBLICATION)).expect("a problem");
    cluster.psql("postgres", missing.remedy.as_deref().expect("a remedy"));
    let findings = database(&sql, "tap", PublicationNeeds::User("mine".to_owned())).await;
    assert_eq!(codes(&findings, Level::Problem), [Code::ROW_SECURITY]);
}
