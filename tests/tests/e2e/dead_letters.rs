//! Events that are too large for their topic: written whole to the topic of dead letters, and brought back from there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use waltap_tests::{
    Kafka, KafkaOptions, Kit, PROGRESS, Postgres, Record, Resource, Result, Waltap, ensure, oracle, run, wait_until,
};

const DEADLINE: Duration = Duration::from_secs(90);
const TOPIC: &str = "shop.public.docs";
const LETTERS: &str = "waltap.dead-letters";

/// Three megabytes that do not compress much: 96,000 hashes.
const LARGE: &str = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 96000) i)";

async fn fill(postgres: &Postgres) -> Result {
    let shop = postgres.create_database("shop").await?;
    shop.run(&format!(
        "CREATE TABLE docs (id int PRIMARY KEY, body text); INSERT INTO docs SELECT i, 'small' FROM generate_series(1, 20) i; \
         INSERT INTO docs VALUES (50, {LARGE})"
    ))
    .await
}

/// The values of a topic by their keys, the last of each.
async fn last_values(kafka: &Kafka, topic: &str) -> Result<BTreeMap<String, Value>> {
    let records = kafka.topics().read(topic).await?;
    let value = |record: Record| Some((record.key?, serde_json::from_str(&record.value?).ok()?));
    Ok(records.into_iter().filter_map(value).collect())
}

async fn list(kit: &Kit, kafka: &Kafka) -> Result<Vec<Value>> {
    let output = kit.output(&["dead-letters", "list", "--json", "--brokers", &kafka.brokers()], &[], DEADLINE).await?;
    output.expect(0, &[])?;
    Ok(serde_json::from_str(&output.stdout)?)
}

/// What the letters are of, sorted: the topic, and whether it is a row of the snapshot.
fn kinds(letters: &[Value]) -> Vec<(String, bool)> {
    let mut kinds: Vec<(String, bool)> =
        letters.iter().map(|letter| (letter["topic"].as_str().unwrap_or_default().to_owned(), letter["seq"].is_null())).collect();
    kinds.sort();
    kinds
}

async fn metric(waltap: &Waltap, topic: &str) -> Result<u64> {
    let metrics = waltap.get("/metrics").await?.body;
    let line = format!("waltap_dead_letters_total{{database=\"shop\",topic=\"{topic}\"}} ");
    Ok(metrics.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or_default())
}

/// Raises every bound, sends all letters, and looks that the topics hold the source again.
async fn replay_brings_everything(kit: &Kit, postgres: &Postgres, kafka: &Kafka) -> Result {
    for topic in [TOPIC, "shop.public.notes"] {
        kafka.topics().set(topic, "max.message.bytes", "20000000").await?;
    }
    let brokers = kafka.brokers();
    let replay = ["dead-letters", "replay", "--all", "--brokers", &brokers, "--kafka-property", "message.max.bytes=20000000"];
    kit.output(&replay, &[], DEADLINE).await?.expect(0, &[])?;
    ensure!(list(kit, kafka).await?.is_empty(), "letters are left that were sent");
    oracle::ensure_equal(postgres, &kafka.topics(), &["shop"]).await?;
    Ok(())
}

fn large_rows_among_small_ones(name: &str, delivery: &str) -> Result {
    run(name, async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        fill(&postgres).await?;
        let sql = postgres.sql("shop").await?;
        // Without a key, and with its old row in each event.
        sql.run("CREATE TABLE notes (body text); ALTER TABLE notes REPLICA IDENTITY FULL").await?;
        let arguments = ["--database", "shop", "--on-bad-event", "dead-letter", "--delivery", delivery, "--headers", "position"];
        let mut waltap = kit.capture(&postgres, &kafka, &arguments)?;
        waltap.wait_streaming().await?;
        // A row of the snapshot is there already.
        ensure!(kinds(&list(kit, &kafka).await?) == [(TOPIC.to_owned(), true)], "{:?}", list(kit, &kafka).await?);
        let ready = waltap.get("/readyz").await?;
        ensure!(ready.status == 200 && ready.body.contains("dead_letters"), "{ready:?}");

        sql.run(&format!(
            "INSERT INTO docs VALUES (101, 'before'), (102, {LARGE}), (103, 'behind'); INSERT INTO notes VALUES ('small'), ({LARGE}); \
             UPDATE docs SET id = 104, body = {LARGE} WHERE id = 101"
        ))
        .await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        let values = last_values(&kafka, TOPIC).await?;
        for (key, is_there) in [(101, true), (102, false), (103, true), (104, false), (50, false), (20, true)] {
            ensure!(values.contains_key(&format!("{{\"id\":{key}}}")) == is_there, "{key}: {is_there}");
        }
        ensure!(values[r#"{"id":101}"#]["op"] == "d", "the old key's delete is small and goes its way");
        let letters = list(kit, &kafka).await?;
        let (docs, notes) = (TOPIC.to_owned(), "shop.public.notes".to_owned());
        let expected = [(docs.clone(), false), (docs.clone(), false), (docs, true), (notes, false)];
        ensure!(kinds(&letters) == expected, "{letters:?}");
        ensure!(letters.iter().all(|letter| letter["complete"] == true && letter["code"] == "WT0024"), "{letters:?}");
        ensure!(
            metric(&waltap, TOPIC).await? == 3 && metric(&waltap, "shop.public.notes").await? == 1,
            "the metric counts otherwise"
        );
        let status = waltap.get("/status").await?.body;
        ensure!(status.contains("\"dead_letters\":4"), "{status}");
        ensure!(waltap.log().contains("a record is too large for its topic"), "{}", waltap.log());

        // Pieces are small enough for the topic as the broker makes it, and hold the very bytes.
        let pieces = kafka.topics().read(LETTERS).await?;
        ensure!(
            pieces.iter().all(|piece| piece.value.as_ref().is_none_or(|value| value.len() <= 500_000)),
            "a piece is too large"
        );
        ensure!(pieces.len() >= 4 * 7, "{} pieces", pieces.len());

        // It stops and starts as ever: nothing comes again as a letter.
        waltap.stop_cleanly().await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        sql.run("INSERT INTO docs VALUES (105, 'later')").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        ensure!(list(kit, &kafka).await?.len() == 4, "a letter came again");
        waltap.stop_cleanly().await?;
        ensure!(delivery == "at-least-once" || kafka.topics().read(LETTERS).await?.len() == pieces.len(), "pieces came again");

        // One alone, to another topic, and kept.
        kafka.topics().create("elsewhere", 1).await?;
        kafka.topics().set("elsewhere", "max.message.bytes", "20000000").await?;
        let (id, brokers) = (letters[0]["letter"].as_str().unwrap_or_default().to_owned(), kafka.brokers());
        let to = ["dead-letters", "replay", &id, "--to", "elsewhere", "--keep", "--brokers", &brokers];
        kit.output(&to, &[], DEADLINE).await?.expect(1, &["WT0024", "message.max.bytes"])?;
        let to = [to.as_slice(), &["--kafka-property", "message.max.bytes=20000000"]].concat();
        kit.output(&to, &[], DEADLINE).await?.expect(0, &[])?;
        let sent = last_values(&kafka, "elsewhere").await?;
        let body = sent.get(r#"{"id":50}"#).map(|value| value["after"]["body"].as_str().unwrap_or_default().len());
        ensure!(body == Some(96_000 * 32), "{body:?}");
        let unknown = ["dead-letters", "replay", "nonesuch", "--brokers", &brokers];
        kit.output(&unknown, &[], DEADLINE).await?.expect(2, &["WT0032", "nonesuch"])?;
        ensure!(list(kit, &kafka).await?.len() == 4, "what was kept is gone");
        replay_brings_everything(kit, &postgres, &kafka).await
    })
}

#[test]
fn large_rows_among_small_ones_at_least_once() -> Result {
    large_rows_among_small_ones("dead_letters_at_least_once", "at-least-once")
}

#[test]
fn large_rows_among_small_ones_exactly_once() -> Result {
    large_rows_among_small_ones("dead_letters_exactly_once", "exactly-once")
}

fn killed_between_pieces(name: &str, delivery: &str) -> Result {
    run(name, async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        fill(&postgres).await?;
        // A small queue, so that a letter does not fit into it whole.
        let arguments = ["--database", "shop", "--on-bad-event", "dead-letter", "--delivery", delivery, "--queue-bytes", "1MiB"];
        let mut waltap = kit.capture(&postgres, &kafka, &arguments)?;
        waltap.wait_streaming().await?;
        let sql = postgres.sql("shop").await?;
        let written = kafka.topics().end(LETTERS).await?;
        // Slow enough to fall between two pieces.
        kafka.throttle(Some(200_000)).await?;
        sql.run(&format!("INSERT INTO docs VALUES (201, {LARGE}), (202, 'behind')")).await?;
        wait_until("a piece is written", DEADLINE, async || Ok(kafka.topics().end(LETTERS).await? > written)).await?;
        waltap.kill().await?;
        let cut_off = kafka.topics().end(LETTERS).await? - written;
        ensure!(cut_off < 7, "the letter was whole already");
        println!("killed behind {cut_off} pieces");
        ensure!(postgres.confirmed("shop").await? < Some(postgres.written().await?), "the slot has passed the letter");
        kafka.throttle(None).await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        let letters = list(kit, &kafka).await?;
        ensure!(letters.len() == 2 && letters.iter().all(|letter| letter["complete"] == true), "{letters:?}");
        waltap.stop_cleanly().await?;
        sql.run("CREATE TABLE notes (body text)").await?;
        kafka.topics().create("shop.public.notes", 1).await?;
        replay_brings_everything(kit, &postgres, &kafka).await
    })
}

#[test]
fn killed_between_pieces_at_least_once() -> Result {
    killed_between_pieces("dead_letters_killed_at_least_once", "at-least-once")
}

#[test]
fn killed_between_pieces_exactly_once() -> Result {
    killed_between_pieces("dead_letters_killed_exactly_once", "exactly-once")
}

#[test]
fn a_limit_that_is_lowered_while_running_is_learned() -> Result {
    run("dead_letters_limit_lowered", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE docs (id int PRIMARY KEY, body text)").await?;
        for (round, delivery) in ["at-least-once", "exactly-once"].into_iter().enumerate() {
            let arguments = ["--database", "shop", "--on-bad-event", "dead-letter", "--delivery", delivery];
            let mut waltap = kit.capture(&postgres, &kafka, &arguments)?;
            waltap.wait_streaming().await?;
            kafka.topics().set(TOPIC, "max.message.bytes", "100000").await?;
            let first = round * 10_000;
            // Small ones that together are more than the topic takes, and one that is so alone.
            let hashes = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 10000))";
            shop.run(&format!(
                "INSERT INTO docs SELECT i, md5(i::text) FROM generate_series({first} + 1, {first} + 3000) i; \
                 INSERT INTO docs VALUES ({first} + 5000, {hashes}), ({first} + 5001, 'behind')"
            ))
            .await?;
            postgres.wait_confirmed(&["shop"], DEADLINE).await?;
            let letters = list(kit, &kafka).await?;
            ensure!(letters.len() == 1 && letters[0]["bytes_max"].as_u64() < Some(100_000), "{letters:?}");
            let status: Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
            let begun = status["taps"][0]["reconnects"].as_u64().unwrap_or_default();
            ensure!((1..=2).contains(&begun), "the tap began again {begun} times");
            ensure!(waltap.log().contains("what is larger goes to waltap.dead-letters"), "{}", waltap.log());
            waltap.stop_cleanly().await?;
            kafka.topics().set(TOPIC, "max.message.bytes", "20000000").await?;
            let replay = ["dead-letters", "replay", "--all", "--of", TOPIC, "--brokers", &kafka.brokers()];
            kit.output(&replay, &[], DEADLINE).await?.expect(0, &[])?;
        }
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn a_topic_of_dead_letters_that_refuses_them_stops_the_tap_at_least_once() -> Result {
    // Kafka names the topic.
    a_topic_of_dead_letters_that_refuses_them("dead_letters_refused_at_least_once", "at-least-once", "WT0058")
}

#[test]
fn a_topic_of_dead_letters_that_refuses_them_stops_the_tap_exactly_once() -> Result {
    // Kafka refuses the transaction and does not say for which of its topics.
    a_topic_of_dead_letters_that_refuses_them("dead_letters_refused_exactly_once", "exactly-once", "WT0025")
}

fn a_topic_of_dead_letters_that_refuses_them(name: &str, delivery: &str, code: &str) -> Result {
    run(name, async |kit| {
        let postgres = kit.postgres().await?;
        let users = vec![("tap".to_owned(), "word".to_owned())];
        let kafka = kit.kafka_with(KafkaOptions { users, ..KafkaOptions::default() }).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE docs (id int PRIMARY KEY, body text)").await?;
        for (resource, prefix) in
            [(Resource::Topic, "shop."), (Resource::Topic, PROGRESS), (Resource::TransactionalId, "waltap-")]
        {
            kafka.grant("tap", resource, prefix).await?;
        }
        let (source, brokers) = (postgres.url("postgres"), kafka.guarded_brokers());
        let mut arguments = vec!["capture", "--source", &source, "--brokers", &brokers, "--database", "shop"];
        arguments.extend(["--on-bad-event", "dead-letter", "--delivery", delivery]);
        for property in ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=tap"] {
            arguments.extend(["--kafka-property", property]);
        }
        // It may not be made: that is said at the start, and not with the first letter.
        let mut waltap = kit.waltap(&arguments, &[("WALTAP_KAFKA_SASL_PASSWORD", "word")])?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "it did not fail");
        ensure!(waltap.log().contains("WT0058") && waltap.log().contains("kafka-acls.sh"), "{}", waltap.log());

        kafka.grant("tap", Resource::Topic, "waltap.dead").await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        shop.run("INSERT INTO docs VALUES (1, 'small')").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        kafka.revoke("tap", Resource::Topic, "waltap.dead").await?;
        let told = waltap.log().len();
        let before = postgres.written().await?;
        shop.run(&format!("INSERT INTO docs VALUES (11, {LARGE})")).await?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "it did not fail");
        let log = waltap.log()[told..].to_owned();
        ensure!(log.contains(code) && log.contains("kafka-acls.sh"), "{log}");
        ensure!(postgres.confirmed("shop").await? < Some(postgres.written().await?), "the slot has passed the letter");
        println!("it stood at {:?}, {before} was written before", postgres.confirmed("shop").await?);

        kafka.grant("tap", Resource::Topic, "waltap.dead").await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        ensure!(list(kit, &kafka).await?.len() == 1, "the letter is missing, or there twice");
        Ok(())
    })
}

/// A record without the times at which it was written, which differ from capture to capture.
fn timeless(record: &Value) -> String {
    let mut text = String::new();
    let mut rest = record.to_string();
    while let Some(at) = rest.find("\"ts_").or_else(|| rest.find("\"_ts")) {
        let after = rest.split_off(at);
        text += &rest;
        // The name, the colon, and what is before the next comma or brace: a number or a time.
        rest = after.split_at(after.find([',', '}']).unwrap_or(after.len())).1.to_owned();
    }
    text + &rest
}

/// Key, value and headers of the records of a topic that hold a text, as `waltap topics tail` shows them.
async fn tail(kit: &Kit, kafka: &Kafka, topic: &str, holding: &str) -> Result<Vec<Value>> {
    let brokers = kafka.brokers();
    let output = kit.output(&["topics", "tail", topic, "--brokers", &brokers], &[], DEADLINE).await?;
    output.expect(0, &[])?;
    let mut records = Vec::new();
    for line in output.stdout.lines().filter(|line| line.contains(holding)) {
        let mut record: Value = serde_json::from_str(line)?;
        for field in ["topic", "partition", "offset"] {
            record[field].take();
        }
        records.push(record);
    }
    Ok(records)
}

#[test]
fn what_is_replayed_is_what_would_have_been_sent_in_every_format() -> Result {
    run("dead_letters_formats", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE docs (id int PRIMARY KEY, body text); ALTER TABLE docs REPLICA IDENTITY FULL").await?;
        let roomy = ["--kafka-property", "message.max.bytes=20000000"];
        for (format, headers) in [("native", "position"), ("flat", "cloudevents"), ("debezium", "none")] {
            let topic = "docs".to_owned() + format;
            kafka.topics().create(&topic, 1).await?;
            kafka.topics().set(&topic, "max.message.bytes", "20000000").await?;
            let common =
                ["--database", "shop", "--snapshot", "never", "--topic", &topic, "--format", format, "--headers", headers];
            let refusing = [&common[..], &["--name", "refusing", "--on-bad-event", "dead-letter"]].concat();
            let mut refusing = kit.capture(&postgres, &kafka, &refusing)?;
            refusing.wait_streaming().await?;
            let taking = [&common[..], &["--name", "taking"], &roomy].concat();
            let mut taking = kit.capture(&postgres, &kafka, &taking)?;
            taking.wait_streaming().await?;
            // Large, large with its old row, under another key, and gone.
            shop.run(&format!("INSERT INTO docs VALUES (1, {LARGE})")).await?;
            shop.run("UPDATE docs SET body = body || 'b'").await?;
            shop.run("UPDATE docs SET id = 2").await?;
            shop.run("DELETE FROM docs").await?;
            let slots = "SELECT count(*) FROM pg_replication_slots WHERE confirmed_flush_lsn < pg_current_wal_lsn()";
            wait_until("both have sent everything", DEADLINE, async || {
                ensure!(shop.number(slots).await? == 0, "not yet");
                Ok(true)
            })
            .await?;
            ensure!(refusing.terminate().await? == 0 && taking.terminate().await? == 0, "one did not stop as asked");
            // Of 1, with which each body begins.
            let hash = "c4ca4238a0b923820dcc509a6f75849b";
            let mut sent: Vec<String> = tail(kit, &kafka, &topic, hash).await?.iter().map(timeless).collect();
            let letters = list(kit, &kafka).await?.len();
            ensure!(letters == sent.len() && letters >= 4, "{format}: {letters} letters of {} events", sent.len());
            let brokers = kafka.brokers();
            let replay = [&["dead-letters", "replay", "--all", "--to", "elsewhere", "--brokers", &brokers], &roomy[..]].concat();
            kafka.topics().create("elsewhere", 1).await?;
            kafka.topics().set("elsewhere", "max.message.bytes", "20000000").await?;
            kit.output(&replay, &[], DEADLINE).await?.expect(0, &[])?;
            let mut replayed = Vec::new();
            for mut record in tail(kit, &kafka, "elsewhere", hash).await? {
                let place = record["headers"].as_object_mut().and_then(|headers| headers.remove("waltap.replayed"));
                ensure!(place.is_some(), "a record does not say that it was replayed");
                if record["headers"].as_object().is_some_and(serde_json::Map::is_empty) {
                    record.as_object_mut().and_then(|record| record.remove("headers"));
                }
                replayed.push(timeless(&record));
            }
            sent.sort();
            replayed.sort();
            let differs = sent.iter().zip(&replayed).find(|(sent, replayed)| sent != replayed);
            let short = |text: &str| text.chars().take(700).collect::<String>();
            ensure!(differs.is_none(), "{format}: {:?}", differs.map(|(sent, replayed)| (short(sent), short(replayed))));
            ensure!(sent.len() == replayed.len(), "{format}: {} of {}", replayed.len(), sent.len());
            println!("{format}: {letters} letters, as they would have been sent");
            kafka.topics().delete("elsewhere").await?;
            let (source, brokers) = (postgres.url("postgres"), kafka.brokers());
            for name in ["refusing", "taking"] {
                let drop = ["slots", "drop", "--yes", "--name", name, "--source", &source, "--brokers", &brokers];
                kit.output(&drop, &[], DEADLINE).await?.expect(0, &[])?;
            }
        }
        Ok(())
    })
}
