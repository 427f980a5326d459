//! What is written arrives: rows that were there, changes, tables and databases made later.

use std::time::Duration;

use waltap_tests::{Result, ensure, oracle, run, wait_until};

#[test]
fn rows_and_changes_of_every_database_arrive() -> Result {
    run("arrival", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        let crm = postgres.create_database("crm").await?;
        shop.run(
            "CREATE TABLE orders (id int PRIMARY KEY, total numeric(12, 2), paid_at timestamptz, tags text[], doc jsonb);
             INSERT INTO orders VALUES (7, 12.50, '2024-11-21 09:06:40.123456+00', '{a,b}', '{\"k\": [1]}')",
        )
        .await?;
        crm.run("CREATE TABLE notes (body text); INSERT INTO notes VALUES ('a'), ('a'), (NULL)").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--discovery-interval", "1s"])?;
        waltap.wait_streaming().await?;

        shop.run("UPDATE orders SET total = 13 WHERE id = 7; INSERT INTO orders (id) VALUES (8)").await?;
        shop.run("UPDATE orders SET id = 9 WHERE id = 8; DELETE FROM orders WHERE id = 7").await?;
        crm.run("INSERT INTO notes VALUES ('b')").await?;
        shop.run("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (1), (2)").await?;
        let billing = postgres.create_database("billing").await?;
        billing.run("CREATE TABLE invoices (id int PRIMARY KEY); INSERT INTO invoices VALUES (1)").await?;

        let topics = kafka.topics();
        wait_until("the new table and the new database have topics", Duration::from_secs(60), async || {
            let names = topics.names().await?;
            Ok(["shop.public.later", "billing.public.invoices"].iter().all(|topic| names.iter().any(|name| name == topic)))
        })
        .await?;
        waltap.wait_streaming().await?;
        shop.run("INSERT INTO later VALUES (3)").await?;
        let databases = ["shop", "crm", "billing"];
        postgres.wait_confirmed(&databases, Duration::from_secs(60)).await?;
        waltap.stop_cleanly().await?;
        let reports = oracle::ensure_equal(&postgres, &topics, &databases).await?;
        ensure!(reports.len() == 4 && reports.iter().all(|report| report.repeats == 0), "{reports:?}");
        Ok(())
    })
}

#[test]
fn a_stop_and_a_start_lose_and_repeat_nothing() -> Result {
    run("stop_and_start", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 1000) g").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        for round in 1..=3 {
            shop.run(&format!("UPDATE t SET n = {round} WHERE id % 3 = 0 AND id <= 1000")).await?;
            waltap.stop_cleanly().await?;
            shop.run(&format!("INSERT INTO t VALUES ({}, {round})", 1000 + round)).await?;
            waltap.start_again()?;
            waltap.wait_streaming().await?;
        }
        postgres.wait_confirmed(&["shop"], Duration::from_secs(60)).await?;
        waltap.stop_cleanly().await?;
        let reports = oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        // An orderly stop acknowledges all that it sent, however short the run was.
        ensure!(
            !waltap.process().log_tail(usize::MAX).contains("will be sent again"),
            "a stop gave up:\n{}",
            waltap.process().log_tail(40)
        );
        ensure!(reports.iter().all(|report| report.repeats == 0), "{reports:?}");
        // The first rows, three updates of the 333 of them that 3 divides, three new rows.
        ensure!(reports.iter().all(|report| report.events == 1000 + 3 * 333 + 3), "{reports:?}");
        Ok(())
    })
}
