//! Faults of a database: dropped, renamed.

use waltap_tests::{Postgres, PostgresOptions, Result, Waltap, ensure, oracle, run, wait_until};

use super::{DEADLINE, shop};

#[test]
fn a_database_that_is_dropped_ends_its_tap_alone_and_a_new_one_of_its_name_is_told() -> Result {
    run("database_dropped", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let crm = postgres.create_database("crm").await?;
        crm.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await?;
        drop(crm);
        let mut waltap = kit.capture(&postgres, &kafka, &["--discovery-interval", "1s"])?;
        waltap.wait_streaming().await?;
        unused(&postgres, "DROP DATABASE crm", "NOT EXISTS (SELECT FROM pg_database WHERE datname = 'crm')").await?;
        wait_until("the tap of crm says why it has ended", DEADLINE, async || {
            Ok(state(&waltap, "crm").await? == Some("failed".to_owned()) && waltap.log().contains("WT0016"))
        })
        .await?;
        let slots = "SELECT string_agg(slot_name, ',') FROM pg_replication_slots";
        ensure!(postgres.sql("postgres").await?.value(slots).await? == "waltap_waltap_shop", "a slot of crm stays");
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;

        // One that is made again under its name is another one: what progress holds is not about it, and that is not passed over.
        let crm = postgres.create_database("crm").await?;
        crm.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (2)").await?;
        waltap.wait_log("waltap slots drop --name waltap --database crm", DEADLINE).await?;
        ensure!(waltap.terminate().await? == 1, "a tap had stopped, and waltap ends as if all were well");
        let (source, brokers) = (postgres.url("postgres"), kafka.brokers());
        let forget =
            ["slots", "drop", "--yes", "--name", "waltap", "--database", "crm", "--source", &source, "--brokers", &brokers];
        kit.output(&forget, &[], DEADLINE).await?.expect(0, &["its progress in Kafka"])?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        crm.run("INSERT INTO t VALUES (3)").await?;
        postgres.wait_confirmed(&["shop", "crm"], DEADLINE).await?;
        waltap.terminate().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        let values: Vec<_> = kafka.topics().read("crm.public.t").await?.into_iter().filter_map(|record| record.value).collect();
        ensure!(values.len() == 3 && values[2].contains("\"id\":3"), "rows of both databases of that name: {values:?}");
        Ok(())
    })
}

#[test]
fn a_database_that_is_renamed_is_a_new_one_and_the_slot_that_it_keeps_is_told() -> Result {
    run("database_renamed", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &[])?;
        waltap.wait_streaming().await?;
        unused(&postgres, "ALTER DATABASE shop RENAME TO store", "EXISTS (SELECT FROM pg_database WHERE datname = 'store')")
            .await?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "the database is gone, and waltap ends as if all were well");
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        // The slot went with the database. Nobody reads it, and it would keep log for ever.
        waltap.wait_log("waltap_waltap_shop of database store is nobody's", DEADLINE).await?;
        let metrics = waltap.get("/metrics").await?.body;
        ensure!(metrics.contains("waltap_alarm{database=\"store\",alarm=\"abandoned_slot\"} 1"), "{metrics}");
        postgres
            .sql("store")
            .await?
            .run("INSERT INTO t VALUES (11); SELECT pg_drop_replication_slot('waltap_waltap_shop')")
            .await?;
        postgres.wait_confirmed(&["store"], DEADLINE).await?;
        waltap.wait_log("the alarm is over", DEADLINE).await?;
        waltap.terminate().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["store"]).await?;
        Ok(())
    })
}

/// Does what only can be done to a database that nobody uses: throws its users out, again and again, until it is quicker than they.
async fn unused(postgres: &Postgres, statement: &str, is_done: &str) -> Result {
    let sql = postgres.sql("postgres").await?;
    wait_until(statement, DEADLINE, async || {
        sql.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname NOT IN ('postgres', 'template1')").await?;
        // It fails for as long as one is left.
        let _ = sql.run(statement).await;
        Ok(sql.value(&format!("SELECT ({is_done})::text")).await? == "true")
    })
    .await
}

/// The state of a database's tap: of the last one, where a database was made anew.
async fn state(waltap: &Waltap, database: &str) -> Result<Option<String>> {
    let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
    let taps = status["taps"].as_array().cloned().unwrap_or_default();
    let tap = taps.iter().rev().find(|tap| tap["database"] == database);
    Ok(tap.and_then(|tap| tap["state"].as_str().map(str::to_owned)))
}
