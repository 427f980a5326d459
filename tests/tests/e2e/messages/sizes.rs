//! The widest row, and the largest value.

use std::time::Duration;

use serde_json::Value;
use waltap_tests::{KafkaOptions, Result, ensure, run, run_within, wait_until};

use crate::watched::Watched;

/// As many as a table can have.
const COLUMNS: usize = 1600;

#[test]
fn a_row_of_1600_columns() -> Result {
    run("messages_wide", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        let columns: Vec<String> = (1..COLUMNS).map(|number| format!("c{number} bool")).collect();
        shop.run(&format!("CREATE TABLE wide (id int PRIMARY KEY, {}); INSERT INTO wide VALUES (1)", columns.join(", "))).await?;
        let mut watched = Watched::start(kit, &postgres, "shop", &[]).await?;
        shop.run(&format!("UPDATE wide SET c{} = true", COLUMNS - 1)).await?;
        watched.reached(&shop).await?;
        let events: Vec<_> = watched.all()?.into_iter().filter(|event| event.topic == "public.wide").collect();
        ensure!(events.len() == 2, "{} events", events.len());
        for (event, last) in events.iter().zip([Value::Null, Value::Bool(true)]) {
            let after = event.value["after"].as_object().map_or(0, serde_json::Map::len);
            ensure!(after == COLUMNS && event.value["after"][format!("c{}", COLUMNS - 1)] == last, "{after} columns");
        }
        watched.stop().await
    })
}

/// In bytes, as a string of digits that do not compress into nothing.
const LARGE: usize = 200 << 20;

/// What waltap may use of memory while it sends such a value: some copies of it (the frame, the JSON, the producer's) and its usual needs.
const MEMORY_MAX: u64 = 6 * LARGE as u64 + (100 << 20);

#[test]
#[ignore = "make test-large"]
fn a_value_of_200_megabytes() -> Result {
    run_within("messages_large", Duration::from_secs(600), async |kit| {
        let postgres = kit.postgres().await?;
        let limit = (LARGE + (16 << 20)).to_string();
        let options = ["message.max.bytes", "socket.request.max.bytes", "replica.fetch.max.bytes"]
            .iter()
            .fold(KafkaOptions::default(), |options, name| options.set(name, &limit));
        let kafka = kit.kafka_with(options).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL").await?;
        shop.run(&format!("INSERT INTO t VALUES (1, repeat('0123456789', {}))", LARGE / 10)).await?;
        let property = format!("message.max.bytes={limit}");
        let flags = ["--database", "shop", "--kafka-property", &property];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming_within(Duration::from_secs(300)).await?;
        shop.run("INSERT INTO t SELECT 2, v FROM t; UPDATE t SET id = 3 WHERE id = 1").await?;
        postgres.wait_confirmed(&["shop"], Duration::from_secs(300)).await?;
        let peak = waltap.process().peak_resident_bytes()?;
        println!("waltap's memory at most: {} MiB", peak >> 20);
        waltap.stop_cleanly().await?;
        ensure!(peak <= MEMORY_MAX, "{} MiB of memory", peak >> 20);
        let mut found = Vec::new();
        kafka.topics().visit(&["shop.public.t"], &mut |record| {
            let value = record.value.unwrap_or_default();
            found.push((record.key.unwrap_or_default(), value.len() > LARGE, value.contains("\"unchanged\":[\"v\"]")));
            Ok(())
        })?;
        let expected = [
            (r#"{"id":1}"#, true, false),
            (r#"{"id":2}"#, true, false),
            (r#"{"id":1}"#, false, false),
            (r#"{"id":3}"#, false, true),
        ];
        let found: Vec<_> = found.iter().map(|(key, large, unchanged)| (key.as_str(), *large, *unchanged)).collect();
        ensure!(found == expected, "{found:?}");

        // A broker that does not take it: nothing is lost, and the error says what to raise.
        let small = kit.kafka().await?;
        let mut waltap = kit.capture(&postgres, &small, &["--database", "shop", "--name", "small"])?;
        wait_until("it is told", Duration::from_secs(120), async || Ok(waltap.log().contains("message.max.bytes"))).await?;
        let code = waltap.wait_exit(Duration::from_secs(60)).await?;
        ensure!(code == 1, "exit code {code}");
        Ok(())
    })
}
