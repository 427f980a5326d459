//! What the catalog says, against what the server does.

mod change_bytes;
pub(crate) mod identity;
mod tables;

use waltap_postgres::catalog::{Table, column_defaults, databases, fingerprint, server, tables, types};

use crate::fixture::Cluster;

/// The table of that name among them.
pub(crate) fn find<'a>(tables: &'a [Table], name: &str) -> &'a Table {
    tables.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

#[tokio::test]
async fn the_server_tells_its_facts() {
    let cluster = Cluster::with().setting("max_slot_wal_keep_size", "1GB").setting("wal_sender_timeout", "0").start();
    cluster.psql(
        "postgres",
        "CREATE ROLE plain LOGIN; CREATE ROLE rds_replication; CREATE ROLE managed LOGIN IN ROLE rds_replication",
    );
    let sql = cluster.sql("postgres").await;
    let facts = server(&sql).await.expect("facts");
    assert_eq!(facts.version_num.to_string(), cluster.psql("postgres", "SHOW server_version_num"));
    let identifier = cluster.psql("postgres", "SELECT system_identifier FROM pg_control_system()");
    assert_eq!(facts.system_identifier.map(|identifier| identifier.to_string()), Some(identifier));
    assert_eq!((facts.wal_level.as_str(), facts.in_recovery), ("logical", false));
    assert_eq!((facts.replication_slots_max, facts.replication_slots_used), (20, 0));
    assert_eq!((facts.wal_senders_max, facts.wal_senders_used), (20, 0));
    assert_eq!((facts.wal_sender_timeout, facts.slot_wal_keep_bytes_max), (None, Some(1 << 30)));
    assert!(facts.role.superuser && facts.role.may_replicate());

    let plain = as_role(&cluster, "plain", "postgres").await;
    assert!(!server(&plain).await.expect("facts").role.may_replicate());
    let managed = as_role(&cluster, "managed", "postgres").await;
    let managed = server(&managed).await.expect("facts").role;
    assert_eq!((managed.may_replicate(), managed.replication), (true, false));

    cluster.psql("postgres", "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    cluster.psql("postgres", "SELECT pg_create_logical_replication_slot('one', 'pgoutput')");
    let facts = server(&plain).await.expect("facts without the identifier");
    assert_eq!((facts.system_identifier, facts.replication_slots_used), (None, 1));
}

/// A session of a role without a password.
pub(crate) async fn as_role(cluster: &Cluster, role: &str, database: &str) -> waltap_postgres::Sql {
    let url = format!("postgres://{role}@127.0.0.1:{}?sslmode=disable", cluster.port());
    crate::fixture::parse(&url).sql(database).await.expect("an SQL session")
}

/// A session of the application: unlike waltap's it finds tables by their bare names.
pub(crate) async fn application(cluster: &Cluster, role: &str, database: &str) -> waltap_postgres::Sql {
    let sql = as_role(cluster, role, database).await;
    sql.batch_execute("SET search_path = public").await.expect("a search path");
    sql
}

#[tokio::test]
async fn databases_that_take_no_connections_are_left_out() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE ROLE plain LOGIN");
    for statement in [
        "CREATE DATABASE shop",
        "CREATE DATABASE \"Odd name\"",
        "CREATE DATABASE closed",
        "ALTER DATABASE closed ALLOW_CONNECTIONS false",
        "CREATE DATABASE private",
        "REVOKE CONNECT ON DATABASE private FROM PUBLIC",
    ] {
        cluster.psql("postgres", statement);
    }
    let plain = as_role(&cluster, "plain", "postgres").await;
    let found = databases(&plain).await.expect("databases");
    let found: Vec<(&str, bool)> = found.iter().map(|database| (database.name.as_str(), database.may_connect)).collect();
    assert_eq!(found, [("Odd name", true), ("postgres", true), ("private", false), ("shop", true)]);
}

#[tokio::test]
async fn the_fingerprint_notices_what_matters_and_nothing_else() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TABLE a (id int PRIMARY KEY, other int NOT NULL UNIQUE, body text);
         CREATE TABLE parted (id int) PARTITION BY RANGE (id);
         CREATE TABLE loose (id int);
         CREATE SCHEMA s",
    );
    let sql = cluster.sql("postgres").await;
    let mut before = fingerprint(&sql).await.expect("a fingerprint");
    for statement in [
        "CREATE TABLE b (id int)",
        "ALTER TABLE b RENAME TO c",
        "ALTER TABLE c SET SCHEMA s",
        "ALTER SCHEMA s RENAME TO t",
        "ALTER TABLE t.c ADD PRIMARY KEY (id)",
        "ALTER TABLE t.c RENAME COLUMN id TO number",
        "ALTER TABLE t.c DROP CONSTRAINT c_pkey",
        "ALTER TABLE a REPLICA IDENTITY FULL",
        "ALTER TABLE a REPLICA IDENTITY USING INDEX a_other_key",
        "ALTER TABLE parted ATTACH PARTITION loose FOR VALUES FROM (1) TO (2)",
        "ALTER TABLE parted DETACH PARTITION loose",
        "ALTER TABLE a ENABLE ROW LEVEL SECURITY",
        "GRANT SELECT ON a TO PUBLIC",
        "CREATE ROLE other",
        "ALTER TABLE a OWNER TO other",
        "DROP TABLE t.c",
    ] {
        cluster.psql("postgres", statement);
        let after = fingerprint(&sql).await.expect("a fingerprint");
        // A role alone is nothing that a table has.
        assert_eq!(after == before, statement.starts_with("CREATE ROLE"), "{statement}");
        before = after;
    }
    for statement in [
        "INSERT INTO a SELECT i, i, 'x' FROM generate_series(1, 5000) i",
        "VACUUM ANALYZE a",
        "TRUNCATE a",
        "CREATE INDEX ON a (body)",
        "CREATE VIEW seen AS SELECT * FROM a",
    ] {
        cluster.psql("postgres", statement);
        assert_eq!(fingerprint(&sql).await.expect("a fingerprint"), before, "{statement}");
    }
    // Temporary tables live as long as their session, so this one stays open while it is looked.
    let application = application(&cluster, "postgres", "postgres").await;
    for statement in [
        "CREATE TEMPORARY TABLE passing (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TEMPORARY TABLE passing_one PARTITION OF passing FOR VALUES FROM (1) TO (2)",
    ] {
        application.batch_execute(statement).await.expect("a temporary table");
        assert_eq!(fingerprint(&sql).await.expect("a fingerprint"), before, "{statement}");
    }
}

#[tokio::test]
async fn user_types_are_listed_as_the_catalog_has_them() {
    let cluster = Cluster::start();
    cluster.psql(
        "postgres",
        "CREATE TYPE mood AS ENUM ('ok'); ALTER TYPE mood ADD VALUE 'sad' BEFORE 'ok'; CREATE DOMAIN small AS int CHECK (VALUE < 10); CREATE TABLE t (m mood[], s small)",
    );
    let sql = cluster.sql("postgres").await;
    let all = types(&sql, None).await.expect("types");
    let find = |name: &str| all.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no type {name}"));
    let (mood, moods, small) = (find("mood"), find("_mood"), find("small"));
    assert_eq!((mood.kind, mood.element, mood.schema.as_str()), ('e', 0, "public"));
    assert_eq!((moods.kind, moods.element, moods.delimiter, moods.category), ('b', mood.oid, ',', 'A'));
    assert_eq!((small.kind, small.base), ('d', 23));
    assert_eq!(mood.labels, ["sad", "ok"]);
    assert!(moods.labels.is_empty() && small.labels.is_empty());
    assert_eq!(find("t").kind, 'c');
    assert_eq!(types(&sql, Some(&[mood.oid])).await.expect("types"), std::slice::from_ref(mood));
    assert!(tables(&sql).await.expect("tables")[0].columns.iter().any(|column| column.type_oid == moods.oid));
}

/// In SQL_ASCII a text is any bytes.
#[tokio::test]
async fn labels_and_defaults_that_are_not_utf8_do_not_keep_the_catalog_from_being_read() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");
    cluster.psql(
        "bytes",
        "DO $$ BEGIN
             EXECUTE format('CREATE TYPE mood AS ENUM (%L, %L, %L)', 'ok', E'caf\\xe9', 'café');
             EXECUTE format('CREATE TABLE t (id int PRIMARY KEY DEFAULT 7, m mood DEFAULT %L, v text DEFAULT %L)', E'caf\\xe9', 'é');
         END $$",
    );
    let sql = cluster.sql("bytes").await;
    let mood = types(&sql, None).await.expect("types").into_iter().find(|row| row.name == "mood").expect("mood");
    assert_eq!(mood.labels, ["ok", "\\x636166e9", "café"]);
    let table = tables(&sql).await.expect("tables")[0].oid;
    let mut defaults: Vec<_> =
        column_defaults(&sql, &[table]).await.expect("defaults").remove(&table).expect("of the table").into_iter().collect();
    defaults.sort_unstable();
    assert_eq!(defaults, [("id".to_owned(), "7".to_owned()), ("v".to_owned(), "'é'::text".to_owned())]);
}
