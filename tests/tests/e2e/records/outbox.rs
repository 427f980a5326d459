//! Tables whose rows are messages.

use std::time::Duration;

use serde_json::json;
use waltap_tests::{Result, ensure, run};

use super::{DEADLINE, capture, records};

const TABLE: &str = "CREATE TABLE outbox (id int PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload jsonb)";

#[test]
fn rows_of_an_outbox_are_messages_with_topics_of_their_own() -> Result {
    run("records_outbox", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(TABLE).await?;
        shop.run(
            "INSERT INTO outbox VALUES (1, 'order', 'a-1', 'placed', '{\"n\": 1}');
             CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (7)",
        )
        .await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop", "--outbox", "public.outbox"])?;
        waltap.wait_streaming().await?;
        shop.run(
            "BEGIN; INSERT INTO outbox VALUES (2, 'order', 'a-1', 'paid', '{\"n\": 2}'); DELETE FROM outbox WHERE id = 2; COMMIT;
             INSERT INTO outbox VALUES (3, 'in voice', 'b-1', NULL, NULL);
             UPDATE outbox SET type = 'changed'; DELETE FROM outbox; TRUNCATE outbox",
        )
        .await?;
        postgres.wait_confirmed(&["shop"], Duration::from_secs(60)).await?;
        waltap.stop_cleanly().await?;
        let topics = kafka.topics();
        let names = topics.names().await?;
        ensure!(!names.iter().any(|name| name == "shop.public.outbox"), "the outbox has a topic: {names:?}");
        ensure!(names.iter().any(|name| name == "shop.public.orders"), "orders have none: {names:?}");
        let of = async |topic: &str| -> Result<Vec<(String, Option<String>)>> {
            let records = topics.read(topic).await?;
            Ok(records.into_iter().map(|record| (record.key.unwrap_or_default(), record.value)).collect())
        };
        let order = |n: u32| ("a-1".to_owned(), Some(format!("{{\"n\": {n}}}")));
        ensure!(of("outbox.event.order").await? == [order(1), order(2)], "{:?}", of("outbox.event.order").await?);
        let invoices = of("outbox.event.in_voice").await?;
        ensure!(invoices == [("b-1".to_owned(), None)], "{invoices:?}");
        Ok(())
    })
}

#[test]
fn columns_of_an_outbox_are_as_they_are_named() -> Result {
    run("records_outbox_columns", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE sent (n bigserial PRIMARY KEY, target text, who text, body bytea, trace text)").await?;
        let outbox = "sent=key:who,payload:body,header:trace,header:n";
        let mut waltap = capture(kit, &postgres, &["--outbox", outbox, "--outbox-topic", "to-{target}"]).await?;
        shop.run(
            "INSERT INTO sent (target, who, body, trace) VALUES ('x', 'ann', 'line one', 't\"1'), ('x', '7', '{\"a\":1}', NULL)",
        )
        .await?;
        let records = records(&mut waltap, 2).await?;
        ensure!(
            records[0] == json!({"topic": "to-x", "key": "ann", "value": "line one", "headers": {"trace": "t\"1", "n": "1"}}),
            "{}",
            records[0]
        );
        ensure!(records[1] == json!({"topic": "to-x", "key": 7, "value": {"a": 1}, "headers": {"n": "2"}}), "{}", records[1]);

        let source = postgres.url("postgres");
        let flags =
            ["capture", "--source", &source, "--database", "shop", "--sink", "stdout", "--http", "off", "--outbox", "sent"];
        kit.output(&flags, &[], DEADLINE).await?.expect(1, &["WT0035", "payload"])
    })
}
