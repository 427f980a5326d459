//! A large table under writers, and a capture that is killed while it reads it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use waltap_tests::{Kafka, Kit, Result, ensure, run, run_within, wait_until};

use super::latency::{self, Latencies};
use super::{DEADLINE, Writers, answered, ask, ensure_equal, rows_sent};

/// What applications do meanwhile: hot rows, new ones, rows that go, keys that change, large values that stay. A key is chosen once a statement, so
/// that the index finds it.
const WRITES: [&str; 5] = [
    "UPDATE large SET v = v + 1 WHERE id = (SELECT (random() * 400)::int * 500)",
    "INSERT INTO large (v, body) SELECT 0, 'new' FROM generate_series(1, 5)",
    "DELETE FROM large WHERE id = (SELECT (random() * 200000)::int) AND id % 1000 <> 0",
    "UPDATE large SET id = id + 10000000 WHERE id = (SELECT (random() * 200000)::int) AND id % 7 = 0",
    "BEGIN; UPDATE large SET v = -v WHERE id BETWEEN 100000 AND 100200; UPDATE large SET v = 1 WHERE id = 5; COMMIT",
];

/// Between two statements of one writer: all of them write some 10,000 rows a second then, and leave a little of a small machine to others.
const PAUSE: Duration = Duration::from_millis(20);

fn table(rows: u64) -> String {
    // Some rows have a value that lies outside of the row, and is not told when it stays.
    format!(
        "CREATE TABLE large (id bigserial PRIMARY KEY, v int NOT NULL, body text);
         ALTER TABLE large ALTER body SET STORAGE EXTERNAL;
         INSERT INTO large (v, body) SELECT g, CASE WHEN g % 500 = 0 THEN repeat(md5(g::text), 90) ELSE md5(g::text) END
         FROM generate_series(1, {rows}) g"
    )
}

/// How often each row that nobody wrote to came by a chunk: `(once, more often)`.
async fn times_read(kafka: &Kafka) -> Result<(usize, usize)> {
    let mut times: HashMap<String, usize> = HashMap::new();
    for record in kafka.topics().read("shop.public.large").await? {
        let value: Value = serde_json::from_str(record.value.as_deref().unwrap_or_default())?;
        if value["op"] == "r" {
            *times.entry(record.key.unwrap_or_default()).or_default() += 1;
        }
    }
    let more = times.values().filter(|times| **times > 1).count();
    Ok((times.len() - more, more))
}

async fn read_under_writers(kit: &Kit, rows: u64, flags: &[&str], kills: u32) -> Result {
    let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
    let shop = postgres.create_database("shop").await?;
    shop.run(&table(rows)).await?;
    let flags = [&["--database", "shop", "--snapshot", "never"], flags].concat();
    let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
    waltap.wait_streaming().await?;
    let writers = Writers::start(&postgres, &WRITES, PAUSE).await?;
    ask(&kafka, "1", "snapshot", &["large"], None).await?;
    let mut before = 0;
    for _ in 0..kills {
        wait_until("more rows are sent", DEADLINE, async || Ok(rows_sent(&waltap).await > before + rows / 10)).await?;
        before = rows_sent(&waltap).await;
        waltap.kill().await?;
        waltap.start_again()?;
    }
    let answer = answered(&kafka, &waltap, "large", "1").await?;
    let written = writers.stop().await?;
    ensure_equal(&postgres, &kafka, &mut waltap).await?;
    let (once, more) = times_read(&kafka).await?;
    println!("{answer}, {written} writes, {once} rows were read once and {more} more often");
    ensure!(answer["refused"].is_null(), "{answer}");
    let exactly_once = flags.contains(&"exactly-once");
    let most = if exactly_once { 0 } else { 2 * 4 * 2_048 * kills as usize };
    ensure!(more <= most, "{more} rows were read more than once");
    // It went on from its chunk, and not from the beginning.
    let told = answer["rows"].as_u64().unwrap_or(0);
    ensure!(told > rows * 8 / 10 && told < rows * 12 / 10, "{answer}");
    Ok(())
}

#[test]
fn a_large_table_is_read_under_writers_through_kills() -> Result {
    run_within("chunks_load", Duration::from_secs(400), async |kit| read_under_writers(kit, 200_000, &[], 3).await)
}

#[test]
fn exactly_once_every_row_comes_once_through_kills() -> Result {
    run_within("chunks_once", Duration::from_secs(400), async |kit| {
        read_under_writers(kit, 200_000, &["--delivery", "exactly-once"], 3).await
    })
}

#[test]
fn a_table_that_joins_is_read_while_the_stream_goes_on() -> Result {
    run("chunks_joining", async |kit| {
        let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE first (id serial PRIMARY KEY)").await?;
        let flags = ["--database", "shop", "--new-tables", "chunks", "--discovery-interval", "1s"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        shop.run(&table(20_000)).await?;
        // One without a key is read as ever.
        shop.run("CREATE TABLE keyless (v int); INSERT INTO keyless SELECT generate_series(1, 100)").await?;
        // A transaction that wrote before the table was published, and commits late: its rows come by no stream.
        let open = postgres.sql("shop").await?;
        open.run("BEGIN; UPDATE large SET v = 77 WHERE id = 3; INSERT INTO large (id, v) VALUES (900000, 5)").await?;
        wait_until("the table is published", DEADLINE, async || {
            Ok(shop.number("SELECT count(*) FROM pg_publication_tables WHERE tablename = 'large'").await? > 0)
        })
        .await?;
        let writers = Writers::start(&postgres, &WRITES[..4], Duration::from_millis(5)).await?;
        open.run("COMMIT").await?;
        answered(&kafka, &waltap, "large", "joined").await?;
        writers.stop().await?;
        waltap.wait_streaming().await?;
        ensure_equal(&postgres, &kafka, &mut waltap).await?;
        Ok(())
    })
}

/// How long the latencies of a quiet stream are looked at, before rows are read and after.
const QUIET: Duration = Duration::from_secs(15);

/// A million rows under writers, with three kills, and a look at how long the stream takes meanwhile. Reported, since a machine that has other
/// work says nothing; run it alone.
#[test]
#[ignore = "long: make repair"]
fn a_million_rows_are_read_under_writers() -> Result {
    run_within("chunks_million", Duration::from_secs(1_800), async |kit| {
        let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
        let shop = postgres.create_database("shop").await?;
        shop.run(&table(1_000_000)).await?;
        shop.run(latency::TABLE).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop", "--snapshot", "never"])?;
        waltap.wait_streaming().await?;
        let writers = Writers::start(&postgres, &WRITES, Duration::from_millis(5)).await?;
        let probe = Writers::start(&postgres, &[latency::WRITE], Duration::from_millis(2)).await?;
        let latencies = Latencies::start(&kafka);
        wait_until("the consumer reads along", DEADLINE, async || Ok(latencies.take().len() > 0)).await?;
        tokio::time::sleep(QUIET).await;
        let before = latencies.take();
        ask(&kafka, "1", "snapshot", &["large"], None).await?;
        let begun = Instant::now();
        wait_until("half of it is read", DEADLINE * 5, async || {
            // Seldom, so that the looking is not in what is measured.
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(rows_sent(&waltap).await > 500_000)
        })
        .await?;
        let (during, took) = (latencies.take(), begun.elapsed());
        println!("from commit to consumer, quiet: {before}; while rows are read: {during}; 500,000 rows in {took:?}");
        let mut before = rows_sent(&waltap).await;
        for _ in 0..3 {
            waltap.kill().await?;
            waltap.start_again()?;
            wait_until("more rows are sent", DEADLINE, async || Ok(rows_sent(&waltap).await > before + 50_000)).await?;
            before = rows_sent(&waltap).await;
        }
        let answer = answered(&kafka, &waltap, "large", "1").await?;
        latencies.take();
        tokio::time::sleep(QUIET).await;
        println!("quiet again: {}", latencies.take());
        latencies.stop().await?;
        probe.stop().await?;
        writers.stop().await?;
        ensure_equal(&postgres, &kafka, &mut waltap).await?;
        let (once, more) = times_read(&kafka).await?;
        println!("{answer}; {once} rows were read once and {more} more often");
        ensure!(answer["rows"].as_u64() > Some(900_000) && answer["refused"].is_null(), "{answer}");
        ensure!(more <= 3 * 2 * 4 * 2_048, "{more} rows were read more than once");
        Ok(())
    })
}
