//! One topic for all tables.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use waltap_tests::{Result, ensure, run};

#[test]
fn all_tables_of_all_databases_share_a_topic_and_no_two_rows_a_key() -> Result {
    run("records_shared_topic", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        for name in ["shop", "crm"] {
            let database = postgres.create_database(name).await?;
            database
                .run(
                    "CREATE TABLE a (id int PRIMARY KEY, n int); INSERT INTO a VALUES (1), (2);
                     CREATE TABLE b (id int PRIMARY KEY, n int); INSERT INTO b VALUES (1), (2)",
                )
                .await?;
        }
        let flags = ["--database", "shop,crm", "--topic", "cdc", "--partitions", "3", "--tombstones"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        for name in ["shop", "crm"] {
            postgres.sql(name).await?.run("UPDATE a SET n = 1; DELETE FROM b WHERE id = 2").await?;
        }
        postgres.wait_confirmed(&["shop", "crm"], Duration::from_secs(60)).await?;
        waltap.stop_cleanly().await?;

        let topics = kafka.topics();
        let names = topics.names().await?;
        ensure!(!names.iter().any(|name| name.contains("public")), "a table has a topic of its own: {names:?}");
        let records = topics.read("cdc").await?;
        ensure!(records.len() == 2 * (4 + 2 + 2), "{} records", records.len());
        let mut keys = BTreeSet::new();
        for record in &records {
            let key = record.key.clone().unwrap_or_default();
            if let Some(value) = &record.value {
                let (key, value): (Value, Value) = (serde_json::from_str(&key)?, serde_json::from_str(value)?);
                let source = &value["source"];
                ensure!(key["_db"] == source["db"] && key["_table"] == source["table"], "{key} of {source}");
            }
            keys.insert(key);
        }
        ensure!(keys.len() == 8, "{keys:?}");
        Ok(())
    })
}
