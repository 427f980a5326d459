//! Faults of the server's settings and rights.

use waltap_tests::{PostgresOptions, Result, ensure, run};

use super::{everything_arrives, failing_capture, shop};

#[test]
fn a_wrong_password() -> Result {
    run("wrong_password", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default().ask_password("app")).await?;
        postgres.sql("postgres").await?.run("CREATE ROLE app LOGIN SUPERUSER PASSWORD 'the right one'").await?;
        let source = postgres.url("app");
        let wrong = failing_capture(kit, &source, &kafka, &["--database", "shop"], &[("PGPASSWORD", "a wrong one")]).await?;
        wrong.expect(1, &["WT0002", "app"])?;
        ensure!(!wrong.stderr.contains("a wrong one"), "the password is told:\n{}", wrong.stderr);

        let arguments = ["capture", "--source", &source, "--brokers", &kafka.brokers(), "--database", "shop"];
        let mut right = kit.waltap(&arguments, &[("PGPASSWORD", "the right one")])?;
        right.wait_streaming().await?;
        ensure!(right.terminate().await? == 0, "waltap did not stop as asked");
        ensure!(kafka.topics().read("shop.public.t").await?.len() == 10, "not every row arrived");
        ensure!(!right.log().contains("the right one"), "the password is logged");
        Ok(())
    })
}

#[test]
fn a_wal_level_that_is_not_logical() -> Result {
    run("wal_level", async |kit| {
        let (mut postgres, kafka) = shop(kit, PostgresOptions::default().set("wal_level", "replica")).await?;
        let output = failing_capture(kit, &postgres.url("postgres"), &kafka, &["--database", "shop"], &[]).await?;
        output.expect(1, &["WT0007", "wal_level", "logical"])?;
        postgres.stop_fast().await?;
        postgres.set("wal_level", "logical");
        postgres.start_again().await?;
        everything_arrives(kit, &postgres, &kafka).await
    })
}

#[test]
fn a_role_that_may_not_replicate() -> Result {
    run("no_replication", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        postgres.sql("postgres").await?.run("CREATE ROLE plain LOGIN").await?;
        let output = failing_capture(kit, &postgres.url("plain"), &kafka, &["--database", "shop"], &[]).await?;
        output.expect(1, &["WT0005", "plain", "REPLICATION"])?;
        everything_arrives(kit, &postgres, &kafka).await
    })
}

#[test]
fn no_free_slot() -> Result {
    run("no_free_slot", async |kit| {
        // A tap needs a slot for its stream, and one more for a moment when a table joins.
        let (postgres, kafka) = shop(kit, PostgresOptions::default().set("max_replication_slots", "2")).await?;
        let sql = postgres.sql("postgres").await?;
        sql.run("SELECT pg_create_physical_replication_slot('taken')").await?;
        let output = failing_capture(kit, &postgres.url("postgres"), &kafka, &["--database", "shop"], &[]).await?;
        output.expect(1, &["WT0006", "max_replication_slots"])?;
        sql.run("SELECT pg_drop_replication_slot('taken')").await?;
        everything_arrives(kit, &postgres, &kafka).await
    })
}
