//! waltap does not harm the source: whatever it publishes, the application's writes go on.

use std::time::Duration;

use waltap_tests::{Output, Postgres, Result, Sql, ensure, oracle, run};

/// Tables as applications have them, some without anything that identifies a row; all owned by `app`.
const TABLES: &str = "
    CREATE TABLE keyed (id int PRIMARY KEY, n int);
    CREATE TABLE keyless (id int, n int);
    CREATE TABLE nothing (id int PRIMARY KEY, n int);
    ALTER TABLE nothing REPLICA IDENTITY NOTHING;
    CREATE TABLE deferred (id int UNIQUE DEFERRABLE, n int);
    CREATE TABLE nullable (id int UNIQUE, n int);
    CREATE TABLE parted (id int, n int) PARTITION BY RANGE (id);
    CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (2);
    CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (2) TO (100);
    CREATE UNLOGGED TABLE unlogged (id int, n int);
    CREATE TABLE \"Odd \"\"name\" (id int, n int)";

const NAMES: [&str; 8] = ["keyed", "keyless", "nothing", "deferred", "nullable", "parted", "unlogged", "\"Odd \"\"name\""];

/// A database whose owner is an ordinary role, and a second role that may replicate and owns nothing.
async fn prepare(postgres: &Postgres) -> Result<Sql> {
    let admin = postgres.sql("postgres").await?;
    admin.run("CREATE ROLE app LOGIN REPLICATION; CREATE ROLE reader LOGIN REPLICATION").await?;
    admin.run("CREATE DATABASE shop OWNER app").await?;
    let app = postgres.sql_as("shop", "app", "").await?;
    postgres.sql("shop").await?.run("GRANT ALL ON SCHEMA public TO app").await?;
    app.run(TABLES).await?;
    for name in NAMES {
        app.run(&format!("INSERT INTO {name} SELECT g, 0 FROM generate_series(1, 9) g")).await?;
    }
    Ok(app)
}

/// Every kind of write on every table.
async fn write(app: &Sql) -> Result {
    for name in NAMES {
        app.run(&format!("INSERT INTO {name} VALUES (10, 1)")).await?;
        app.run(&format!("UPDATE {name} SET n = n + 1 WHERE id = 1")).await?;
        app.run(&format!("UPDATE {name} SET id = 1 + id WHERE id = 10")).await?;
        app.run(&format!("DELETE FROM {name} WHERE id IN (2, 11)")).await?;
    }
    app.run("TRUNCATE nullable").await
}

#[test]
fn no_write_fails_under_a_capture_by_the_owner() -> Result {
    run("application_writes", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let app = prepare(&postgres).await?;
        let source = postgres.url("app");
        let arguments =
            ["capture", "--source", &source, "--brokers", &kafka.brokers(), "--database", "shop", "--discovery-interval", "1s"];
        let mut waltap = kit.waltap(&arguments, &[])?;
        waltap.wait_streaming().await?;
        write(&app).await?;
        // A table that is made later is published too, and so must stay writable.
        app.run("CREATE TABLE later (id int, n int); INSERT INTO later VALUES (1, 1)").await?;
        waltap.wait_log("later", Duration::from_secs(60)).await?;
        waltap.wait_streaming().await?;
        app.run("UPDATE later SET n = 2; DELETE FROM later").await?;
        postgres.wait_confirmed(&["shop"], Duration::from_secs(60)).await?;
        for name in ["keyless", "nothing", "later"] {
            ensure!(waltap.log().contains(name), "no warning names {name}");
        }
        waltap.stop_cleanly().await?;
        let reports = oracle::compare(&postgres, &kafka.topics(), &["shop"]).await?;
        let keyed = reports.iter().find(|report| report.topic == "shop.public.keyed");
        ensure!(keyed.is_some_and(|report| report.is_equal()), "{keyed:?}");
        Ok(())
    })
}

#[test]
fn check_prints_what_the_owner_must_run_for_a_role_without_rights() -> Result {
    run("ordinary_role", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let app = prepare(&postgres).await?;
        let source = postgres.url("reader");
        let brokers = kafka.brokers();
        let check = ["check", "--source", &source, "--brokers", &brokers, "--database", "shop"];
        let first = kit.output(&check, &[], Duration::from_secs(60)).await?;
        ensure!(first.code == 1, "check found nothing missing:\n{}{}", first.stdout, first.stderr);
        run_statements(&postgres, &first).await?;
        let second = kit.output(&check, &[], Duration::from_secs(60)).await?;
        ensure!(second.code == 0, "something is missing still:\n{}{}", second.stdout, second.stderr);

        let arguments = ["capture", "--source", &source, "--brokers", &brokers, "--database", "shop"];
        let mut waltap = kit.waltap(&arguments, &[])?;
        waltap.wait_streaming().await?;
        write(&app).await?;
        postgres.wait_confirmed(&["shop"], Duration::from_secs(60)).await?;
        waltap.stop_cleanly().await?;
        let reports = oracle::compare(&postgres, &kafka.topics(), &["shop"]).await?;
        let keyed = reports.iter().find(|report| report.topic == "shop.public.keyed");
        ensure!(keyed.is_some_and(|report| report.is_equal()), "{keyed:?}");
        Ok(())
    })
}

/// Runs the printed statements as a person would paste them: those that end with a semicolon.
async fn run_statements(postgres: &Postgres, output: &Output) -> Result {
    let sql = postgres.sql("shop").await?;
    let mut ran = 0;
    for line in output.stdout.lines().map(str::trim) {
        let is_statement = ["GRANT ", "CREATE ", "ALTER "].iter().any(|word| line.starts_with(word));
        if is_statement && line.ends_with(';') {
            println!("{line}");
            sql.run(line).await?;
            ran += 1;
        }
    }
    ensure!(ran > 0, "check printed no statement:\n{}", output.stdout);
    Ok(())
}
