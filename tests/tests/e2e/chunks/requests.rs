//! Requests: some rows of a table, a table that is emptied or altered meanwhile, one without a key, and requests that are taken back.

use serde_json::Value;
use waltap_tests::{Kafka, PROGRESS, Result, ensure, run, wait_until};

use super::{DEADLINE, answered, ask, ensure_equal, rows_sent, table_record};

/// The keys of rows that were read, of a table's topic.
async fn keys_read(kafka: &Kafka, table: &str) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for record in kafka.topics().read(&format!("shop.public.{table}")).await? {
        let value: Value = serde_json::from_str(record.value.as_deref().unwrap_or_default())?;
        if value["op"] == "r" {
            keys.push(record.key.unwrap_or_default());
        }
    }
    Ok(keys)
}

#[test]
fn what_is_asked_is_read_and_nothing_else() -> Result {
    run("chunks_requests", async |kit| {
        let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
        let shop = postgres.create_database("shop").await?;
        shop.run(
            "CREATE TABLE chosen (id int PRIMARY KEY, v text);
             INSERT INTO chosen SELECT g, 'x' FROM generate_series(1, 1000) g;
             CREATE TABLE slow (id int PRIMARY KEY, v text);
             INSERT INTO slow SELECT g, 'x' FROM generate_series(1, 2000) g;
             CREATE TABLE rekeyed (id int PRIMARY KEY, v text);
             INSERT INTO rekeyed SELECT g, 'x' FROM generate_series(1, 1000) g;
             CREATE TABLE emptied (id int PRIMARY KEY, v text);
             INSERT INTO emptied SELECT g, 'x' FROM generate_series(1, 2000) g;
             CREATE TABLE keyless (v int);
             INSERT INTO keyless SELECT g FROM generate_series(1, 50) g;
             CREATE TABLE empty (id int PRIMARY KEY)",
        )
        .await?;
        let flags = ["--database", "shop", "--snapshot-chunk-rows", "100", "--snapshot-rate", "400"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        let before = keys_read(&kafka, "chosen").await?.len();
        ensure!(before == 1_000, "{before} rows were read first");

        // One of a later version is passed over, and stays for who understands it.
        ask(&kafka, "00", "of a later version", &["chosen"], None).await?;
        waltap.wait_log("is not understood", DEADLINE).await?;

        // A condition; a request that comes twice; one that cannot be.
        ask(&kafka, "01", "snapshot", &["chosen"], Some("id > 990 AND v = 'x'")).await?;
        let answer = answered(&kafka, &waltap, "chosen", "01").await?;
        ensure!(answer["rows"] == 10 && answer["refused"].is_null(), "{answer}");
        ask(&kafka, "01", "snapshot", &["chosen"], Some("id > 990 AND v = 'x'")).await?;
        ask(&kafka, "02", "snapshot", &["chosen"], Some("nothing = 1")).await?;
        let answer = answered(&kafka, &waltap, "chosen", "02").await?;
        ensure!(answer["refused"].as_str().is_some_and(|reason| reason.contains("nothing")), "{answer}");
        let read = keys_read(&kafka, "chosen").await?;
        ensure!(read.len() == 1_010 && read[1_000..].contains(&r#"{"id":1000}"#.to_owned()), "{} rows", read.len());

        // Two that are slow, by the rate: one is taken back, one is emptied. Both are gone at once.
        ask(&kafka, "03", "snapshot", &["slow", "emptied"], None).await?;
        wait_until("rows are sent", DEADLINE, async || Ok(rows_sent(&waltap).await >= 200)).await?;
        ask(&kafka, "04", "cancel", &["slow"], None).await?;
        let answer = answered(&kafka, &waltap, "slow", "03").await?;
        let rows = answer["rows"].as_u64().unwrap_or(u64::MAX);
        ensure!(rows < 1_500 && answer["refused"] == "it was cancelled", "{answer}");
        shop.run("TRUNCATE emptied; INSERT INTO emptied VALUES (1, 'after'), (5000, 'after')").await?;
        let answer = answered(&kafka, &waltap, "emptied", "03").await?;
        ensure!(answer["rows"].as_u64() < Some(1_500), "{answer}");

        // Tables that are locked say so, and hold up no other.
        let holder = postgres.sql("shop").await?;
        holder.run("BEGIN; LOCK TABLE rekeyed, empty").await?;
        ask(&kafka, "041", "snapshot", &["rekeyed", "empty", "chosen"], None).await?;
        let answer = answered(&kafka, &waltap, "chosen", "041").await?;
        ensure!(answer["rows"] == 1_000, "{answer}");
        wait_until("the locked tables say so", DEADLINE, async || {
            let status: Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
            let chunks = status["taps"][0]["chunks"].as_array().cloned().unwrap_or_default();
            let is_told = |chunk: &Value| chunk["waiting_for"].as_str().is_some_and(|what| what.starts_with("it is locked"));
            Ok(chunks.len() == 2 && chunks.iter().all(is_told))
        })
        .await?;
        holder.run("COMMIT").await?;
        for (table, rows) in [("rekeyed", 1_000), ("empty", 0)] {
            let answer = answered(&kafka, &waltap, table, "041").await?;
            ensure!(answer["rows"] == rows && answer["refused"].is_null(), "{table}: {answer}");
        }

        // A table that changes its shape in the middle, and one that changes its key.
        ask(&kafka, "05", "snapshot", &["slow", "rekeyed", "empty"], None).await?;
        wait_until("rows are sent", DEADLINE, async || Ok(rows_sent(&waltap).await >= 400)).await?;
        shop.run(
            "ALTER TABLE slow ADD more int DEFAULT 7; UPDATE slow SET more = 8 WHERE id = 1900;
             ALTER TABLE rekeyed DROP CONSTRAINT rekeyed_pkey, ADD PRIMARY KEY (v, id)",
        )
        .await?;
        for (table, rows) in [("slow", 2_000), ("rekeyed", 1_000)] {
            let answer = answered(&kafka, &waltap, table, "05").await?;
            ensure!(answer["rows"] == rows && answer["refused"].is_null(), "{table}: {answer}");
        }
        let answer = answered(&kafka, &waltap, "empty", "05").await?;
        ensure!(answer["rows"] == 0, "{answer}");

        // One without a key is read under an exported snapshot.
        let before = keys_read(&kafka, "keyless").await?.len();
        ask(&kafka, "06", "snapshot", &["keyless"], None).await?;
        let answer = answered(&kafka, &waltap, "keyless", "06").await?;
        ensure!(answer["refused"].as_str().is_some_and(|reason| reason.contains("exported snapshot")), "{answer}");
        wait_until("it is read", DEADLINE, async || Ok(table_record(&kafka, "keyless").await?["state"] == "done")).await?;
        ensure!(keys_read(&kafka, "keyless").await?.len() == before + 50, "its rows came again");

        let metrics = waltap.get("/metrics").await?.body;
        ensure!(metrics.contains(r#"waltap_chunk_tables{database="shop"} 0"#), "{metrics}");
        ensure!(!metrics.contains(r#"waltap_chunk_rows_total{database="shop"} 0"#), "{metrics}");
        let told = waltap.log().lines().filter(|line| line.contains("is not understood") && line.contains("ask/00")).count();
        ensure!(told == 1, "it is told of {told} times");
        let records = kafka.topics().read(PROGRESS).await?;
        let last = records.iter().rfind(|record| record.key.as_deref() == Some("waltap/shop/ask/00"));
        ensure!(last.is_some_and(|record| record.value.is_some()), "it was deleted");

        shop.run("DROP TABLE keyless, rekeyed").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        // The default of a column that was added is told of no row that does not change.
        shop.run("UPDATE chosen SET v = 'y'; UPDATE slow SET v = 'y'").await?;
        ensure_equal(&postgres, &kafka, &mut waltap).await?;
        Ok(())
    })
}
