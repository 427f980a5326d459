//! Topics that are no table's: transaction metadata and heartbeats arrive whole, also through crashes, and once where delivery is exactly-once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use waltap_tests::checker::Delivery;
use waltap_tests::{Failure, Result, ensure, run, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

const TRANSACTIONS: usize = 60;

/// One crash after so many transactions, and another after twice as many.
const BETWEEN_CRASHES: usize = 20;

/// So many before a crash it is waited for that something is told: they are on their way when it comes.
const BEFORE_CRASH: usize = 8;

#[test]
fn every_transaction_is_told_with_all_its_events_through_crashes() -> Result {
    through_crashes(Delivery::AtLeastOnce)
}

#[test]
fn every_transaction_is_told_once_with_all_its_events_where_delivery_is_exactly_once() -> Result {
    through_crashes(Delivery::ExactlyOnce)
}

fn through_crashes(delivery: Delivery) -> Result {
    run(&format!("side_topics_{delivery}"), async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id serial PRIMARY KEY); CREATE TABLE other (id int)")
            .await?;
        let delivery_flag = delivery.to_string();
        let mut flags =
            vec!["--delivery", &delivery_flag, "--database", "shop", "--exclude-table", "public.other", "--format", "debezium"];
        flags.extend(["--debezium", "provide.transaction.metadata=true", "--debezium", "heartbeat.interval.ms=100"]);
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        let mut committed = BTreeSet::new();
        let mut told_before = 0;
        for number in 1..=TRANSACTIONS {
            let statements = "INSERT INTO a SELECT FROM generate_series(1, 20); INSERT INTO other VALUES (1);
                 INSERT INTO b SELECT FROM generate_series(1, 3); UPDATE a SET id = id + 1000000 WHERE id = (SELECT min(id) FROM a)";
            shop.run("BEGIN").await?;
            shop.run(statements).await?;
            committed.insert(shop.value("SELECT txid_current()").await?);
            shop.run("COMMIT").await?;
            if (number + BEFORE_CRASH).is_multiple_of(BETWEEN_CRASHES) {
                wait_until("more is told", DEADLINE, async || {
                    let told = kafka.topics().read("shop.transaction").await?.len();
                    let more = told > told_before;
                    told_before = told;
                    Ok(more)
                })
                .await?;
            }
            if number.is_multiple_of(BETWEEN_CRASHES) && number < TRANSACTIONS {
                waltap.kill().await?;
                waltap.start_again()?;
            }
        }
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        wait_until("a sign of life", DEADLINE, async || Ok(kafka.topics().names().await?.contains(&HEARTBEATS.to_owned())))
            .await?;
        waltap.stop_cleanly().await?;

        // By transaction: the numbers of its events, of which only at least once some come again.
        let once = delivery == Delivery::ExactlyOnce;
        let mut events: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for topic in ["shop.public.a", "shop.public.b"] {
            for value in kafka.topics().read(topic).await?.iter().filter_map(|record| record.value.as_deref()) {
                let value: Value = serde_json::from_str(value)?;
                let order = number(&value["transaction"]["total_order"])?;
                let id = transaction(&value["transaction"])?;
                let is_new = events.entry(id.clone()).or_default().insert(order);
                ensure!(is_new || !once, "event {order} of transaction {id} is there again");
            }
        }
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in kafka.topics().read("shop.transaction").await? {
            let value: Value = serde_json::from_str(record.value.as_deref().unwrap_or_default())?;
            let id = transaction(&value)?;
            let status = value["status"].as_str().unwrap_or_default().to_owned();
            if status == "END" {
                let count = number(&value["event_count"])?;
                let found = events.get(&id).cloned().unwrap_or_default();
                ensure!(found == (1..=count).collect(), "transaction {id}: {count} events are told, and {found:?} are there");
                let counts = value["data_collections"].to_string();
                ensure!(counts.contains("public.a") && counts.contains("public.b") && !counts.contains("other"), "{counts}");
            }
            told.entry(id).or_default().push(status);
        }
        ensure!(told.keys().cloned().collect::<BTreeSet<_>>() == committed, "{:?} and not {committed:?}", told.keys());
        // What comes again begins again.
        let whole = |statuses: &Vec<String>| match once {
            true => *statuses == ["BEGIN", "END"],
            false => statuses.first().is_some_and(|first| first == "BEGIN") && statuses.contains(&"END".to_owned()),
        };
        ensure!(told.values().all(whole), "{told:?}");
        let beats = kafka.topics().read(HEARTBEATS).await?;
        ensure!(beats.iter().all(|beat| beat.key.as_deref() == Some("{\"serverName\":\"shop\"}")), "{:?}", beats.first());
        ensure!(!beats.is_empty(), "no sign of life");
        Ok(())
    })
}

const HEARTBEATS: &str = "__debezium-heartbeat.shop";

/// The number of the transaction in an id.
fn transaction(block: &Value) -> Result<String> {
    let id = block["id"].as_str().and_then(|id| id.split_once(':'));
    id.map(|(transaction, _)| transaction.to_owned()).ok_or_else(|| Failure::new(format!("no transaction in {block}")))
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().ok_or_else(|| Failure::new(format!("{value} is no number")))
}
