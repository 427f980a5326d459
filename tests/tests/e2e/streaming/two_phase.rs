//! Prepared transactions: at COMMIT PREPARED, or at PREPARE TRANSACTION with `--two-phase`.

use std::time::Duration;

use waltap_tests::{Result, Sql, ensure, run, wait_until};

use super::{DEADLINE, MAJORS, SMALL_MEMORY, server};
use crate::watched::Watched;

/// Prepares the insertion of so many rows.
async fn prepare(shop: &Sql, name: &str, from: u32, count: u32) -> Result {
    let rows = format!("generate_series({from}, {})", from + count - 1);
    shop.run(&format!("BEGIN; INSERT INTO t SELECT g, repeat('x', 100) FROM {rows} g; PREPARE TRANSACTION '{name}'")).await
}

#[test]
fn without_it_a_prepared_transaction_comes_at_its_commit() -> Result {
    run("streaming_prepared", async |kit| {
        for major in MAJORS {
            let postgres = server(kit, major).await?;
            let shop = postgres.create_database("shop").await?;
            shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
            let mut watched = Watched::start(kit, &postgres, "shop", &SMALL_MEMORY).await?;
            for (name, from) in [("kept", 1), ("undone", 100_001)] {
                shop.run(&format!(
                    "BEGIN; INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series({from}, {}) g",
                    from + 4_999
                ))
                .await?;
                shop.run(&format!("PREPARE TRANSACTION '{name}'")).await?;
            }
            watched.reached(&shop).await?;
            ensure!(watched.of("public.t")?.is_empty(), "PostgreSQL {major}: something came before its commit");
            shop.run("ROLLBACK PREPARED 'undone'").await?;
            shop.run("COMMIT PREPARED 'kept'").await?;
            watched.reached(&shop).await?;
            let events = watched.of("public.t")?;
            ensure!(events.len() == 5_000, "PostgreSQL {major}: {} events", events.len());
            watched.stop().await?;
        }
        Ok(())
    })
}

#[test]
fn with_it_a_prepared_transaction_comes_when_it_is_prepared() -> Result {
    run("streaming_two_phase", async |kit| {
        for major in MAJORS {
            let postgres = server(kit, major).await?;
            let shop = postgres.create_database("shop").await?;
            shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
            let mut watched = Watched::start(kit, &postgres, "shop", &[&SMALL_MEMORY[..], &["--two-phase"]].concat()).await?;
            // Small enough to come whole, and large enough to be streamed.
            for (name, from, count) in [("small", 1, 10), ("large", 1_001, 5_000), ("undone", 100_001, 10)] {
                prepare(&shop, name, from, count).await?;
            }
            watched.reached(&shop).await?;
            let events = watched.of("public.t")?;
            ensure!(events.len() == 5_020, "PostgreSQL {major}: {} events when they are prepared", events.len());
            shop.run("COMMIT PREPARED 'large'").await?;
            shop.run("COMMIT PREPARED 'small'").await?;
            shop.run("ROLLBACK PREPARED 'undone'").await?;
            watched.waltap.wait_log("a prepared transaction is rolled back", DEADLINE).await?;
            watched.reached(&shop).await?;
            ensure!(watched.of("public.t")?.len() == 5_020, "PostgreSQL {major}: something came again");
            watched.stop().await?;
        }
        Ok(())
    })
}

#[test]
fn a_capture_becomes_one_of_two_phases_and_not_back() -> Result {
    run("streaming_switch", async |kit| {
        let postgres = server(kit, 18).await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY)").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        shop.run("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'before'").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop", "--two-phase"])?;
        waltap.wait_streaming().await?;
        shop.run("INSERT INTO t VALUES (2)").await?;
        // Prepared before the slot was one of two phases: it comes now, with the position of its commit.
        shop.run("COMMIT PREPARED 'before'").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        let records = kafka.topics().read("shop.public.t").await?;
        let keys: Vec<&str> = records.iter().filter_map(|record| record.key.as_deref()).collect();
        ensure!(keys == [r#"{"id":2}"#, r#"{"id":1}"#], "{keys:?}");
        let mut back = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        let code = back.wait_exit(DEADLINE).await?;
        ensure!(code == 1 && back.log().contains("WT0048"), "exit code {code}:\n{}", back.log());
        Ok(())
    })
}

/// Nothing is known of the table when it is prepared, and its rows cannot be read before the end.
#[test]
fn what_is_prepared_of_a_table_that_is_not_read_yet_waits_for_its_end() -> Result {
    run("streaming_prepared_joining", async |kit| {
        for major in MAJORS {
            let postgres = server(kit, major).await?;
            let kafka = kit.kafka().await?;
            let shop = postgres.create_database("shop").await?;
            shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
            shop.run("CREATE PUBLICATION everything FOR ALL TABLES").await?;
            let topic = |table: &str| format!("pg{major}.{table}");
            let template = topic("{table}");
            let flags = ["--database", "shop", "--publication", "everything", "--two-phase", "--topic", &template];
            let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
            waltap.wait_streaming().await?;
            postgres.wait_confirmed(&["shop"], DEADLINE).await?;
            let before = postgres.confirmed("shop").await?;
            for (name, table) in [("kept", "fresh"), ("undone", "never")] {
                shop.run(&format!(
                    "BEGIN; CREATE TABLE {table} (id int PRIMARY KEY); INSERT INTO {table} SELECT generate_series(1, 10); \
                     INSERT INTO t VALUES ({}, '{name}'); PREPARE TRANSACTION '{name}'",
                    10 + name.len()
                ))
                .await?;
            }
            let prepared = postgres.written().await?;
            shop.run("INSERT INTO t VALUES (1, 'meanwhile')").await?;
            let keys = async |table: &str| -> Result<Vec<String>> {
                Ok(kafka.topics().read(&topic(table)).await?.into_iter().filter_map(|record| record.key).collect())
            };
            wait_until("another transaction comes meanwhile", DEADLINE, async || {
                Ok(keys("t").await?.contains(&r#"{"id":1}"#.to_owned()))
            })
            .await?;
            // The slot goes on to the first preparation, and not past it.
            let (confirmed, deadline) = (async || postgres.confirmed("shop").await, DEADLINE);
            wait_until("the slot stands at the preparation", deadline, async || Ok(confirmed().await? > before)).await?;
            shop.run("INSERT INTO t VALUES (3, 'more')").await?;
            wait_until("it comes too", deadline, async || Ok(keys("t").await?.contains(&r#"{"id":3}"#.to_owned()))).await?;
            // Longer than the slot waits to be told: nothing can be waited for that must not happen.
            tokio::time::sleep(Duration::from_secs(3)).await;
            ensure!(confirmed().await? <= Some(prepared), "the slot has passed what waits for its end");
            waltap.kill().await?;
            let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
            waltap.wait_streaming().await?;
            shop.run("ROLLBACK PREPARED 'undone'").await?;
            shop.run("INSERT INTO t VALUES (2, 'after')").await?;
            shop.run("COMMIT PREPARED 'kept'").await?;
            postgres.wait_confirmed(&["shop"], DEADLINE).await?;
            wait_until("the new table is in Kafka", DEADLINE, async || Ok(keys("fresh").await?.len() >= 10)).await?;
            waltap.stop_cleanly().await?;
            let mut fresh = keys("fresh").await?;
            fresh.sort();
            fresh.dedup();
            ensure!(fresh.len() == 10, "PostgreSQL {major}: {fresh:?}");
            let of_t = keys("t").await?;
            ensure!(of_t.contains(&r#"{"id":14}"#.to_owned()), "PostgreSQL {major}: not all of a transaction came: {of_t:?}");
            ensure!(!of_t.contains(&r#"{"id":16}"#.to_owned()), "PostgreSQL {major}: what was rolled back came: {of_t:?}");
            ensure!(of_t.contains(&r#"{"id":2}"#.to_owned()), "PostgreSQL {major}: {of_t:?}");
        }
        Ok(())
    })
}

/// The server announces the leaf as well as the table, and no row of either is still to be read.
#[test]
fn a_prepared_transaction_of_a_partitioned_table_comes_when_it_is_prepared() -> Result {
    run("streaming_prepared_partitions", async |kit| {
        let postgres = server(kit, 18).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)").await?;
        shop.run("CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (0) TO (1000)").await?;
        shop.run("CREATE TABLE t_high PARTITION OF t FOR VALUES FROM (1000) TO (1000000)").await?;
        let mut watched = Watched::start(kit, &postgres, "shop", &[&SMALL_MEMORY[..], &["--two-phase"]].concat()).await?;
        for (name, from, count) in [("small", 1, 10), ("large", 1_001, 5_000)] {
            prepare(&shop, name, from, count).await?;
        }
        watched.reached(&shop).await?;
        let events = watched.of("public.t")?;
        ensure!(events.len() == 5_010, "{} events when they are prepared", events.len());
        shop.run("COMMIT PREPARED 'large'").await?;
        shop.run("COMMIT PREPARED 'small'").await?;
        watched.reached(&shop).await?;
        ensure!(watched.of("public.t")?.len() == 5_010, "something came again");
        watched.stop().await
    })
}
