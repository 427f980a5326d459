//! Faults of the server's settings and rights.

use waltap_tests::{PostgresOptions, Result, ensure, oracle, run, wait_until};

use super::{DEADLINE, everything_arrives, failing_capture, fill, shop};

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
        right.stop_cleanly().await?;
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

#[test]
fn a_server_that_stops_in_every_way_is_waited_for() -> Result {
    run("server_stops", async |kit| {
        let (mut postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        for way in ["fast", "immediate", "kill -9"] {
            postgres.sql("shop").await?.run("INSERT INTO t SELECT max(id) + 1 FROM t").await?;
            match way {
                "fast" => postgres.stop_fast().await?,
                "immediate" => postgres.stop_immediate().await?,
                _ => postgres.kill().await?,
            }
            wait_until("the tap waits for the server", DEADLINE, async || {
                Ok(waltap.get("/status").await?.body.contains("\"state\":\"waiting\""))
            })
            .await?;
            postgres.start_again().await?;
            waltap.wait_streaming().await?;
        }
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn rights_that_are_taken_away_while_it_runs() -> Result {
    run("source_rights", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let sql = postgres.sql("shop").await?;
        sql.run("CREATE ROLE tap LOGIN REPLICATION; GRANT CREATE ON DATABASE shop TO tap; ALTER TABLE t OWNER TO tap").await?;
        let (source, brokers) = (postgres.url("tap"), kafka.brokers());
        let mut waltap = kit.waltap(&["capture", "--database", "shop", "--source", &source, "--brokers", &brokers], &[])?;
        waltap.wait_streaming().await?;
        for (taken, given, code) in [
            ("NOREPLICATION", "REPLICATION", "WT0005"),
            ("NOLOGIN", "LOGIN", "WT0002"),
            ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1", "WT0001"),
        ] {
            sql.run(&format!("ALTER ROLE tap {taken}; INSERT INTO t SELECT max(id) + 1 FROM t")).await?;
            // Rights are looked at when a session begins.
            sql.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tap'").await?;
            // The tap itself: what looks for new tables may be refused before it.
            if code == "WT0001" {
                waltap.wait_log("code=WT0001", DEADLINE).await?;
            } else {
                let ended = waltap.wait_exit(DEADLINE).await?;
                ensure!(ended == 1 && waltap.log().contains(code), "a right that is missing is waited for:\n{}", waltap.log());
            }
            sql.run(&format!("ALTER ROLE tap {given}")).await?;
            if code != "WT0001" {
                waltap.start_again()?;
            }
            waltap.wait_streaming().await?;
        }
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn another_server_of_the_same_databases_is_left_as_it_is() -> Result {
    run("other_server", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        waltap.stop_cleanly().await?;
        let other = kit.postgres().await?;
        fill(&other).await?;
        let output = failing_capture(kit, &other.url("postgres"), &kafka, &["--database", "shop"], &[]).await?;
        output.expect(1, &["WT0019", "correct --source"])?;
        let shop = other.sql("shop").await?;
        let made = "SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots)";
        ensure!(shop.number(made).await? == 0, "something was made on a server that was not meant");
        // The right one is not taken for changed afterwards.
        everything_arrives(kit, &postgres, &kafka).await
    })
}
