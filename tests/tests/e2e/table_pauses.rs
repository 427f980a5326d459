//! Single tables that are paused and go on, with a writer at work, through kills, in both kinds of delivery.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use waltap_tests::{Kafka, Kit, Output, PROGRESS, Postgres, Result, Sql, Waltap, ensure, oracle, run, wait_until};

const DEADLINE: Duration = Duration::from_secs(90);

/// Between two transactions of the writer.
const WRITER_PAUSE: Duration = Duration::from_millis(10);

/// Transactions of so many rows, and so many of them, are withheld: sending them takes longer than it takes to kill waltap.
const WITHHELD_ROWS: u32 = 1_000;
const WITHHELD_TRANSACTIONS: u32 = 200;

/// A writer that goes on until it is stopped: three tables and a message in each transaction.
struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result>,
}

impl Writer {
    fn start(sql: Sql) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            for number in 1_u64.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let truncates = if number % 300 == 50 { "TRUNCATE held, calm;" } else { "" };
                // Every third row is changed later, and every ninth deleted.
                let (changed, deleted) = (number.saturating_sub(5) / 3 * 3, number.saturating_sub(20) / 9 * 9);
                sql.run(&format!(
                    "BEGIN; {truncates}
                     INSERT INTO held (v) VALUES ('{number}'); INSERT INTO calm (v) VALUES ('{number}');
                     UPDATE held SET v = v || '.' WHERE v = '{changed}'; UPDATE calm SET v = v || '.' WHERE v = '{changed}';
                     DELETE FROM held WHERE v = '{deleted}.'; DELETE FROM calm WHERE v = '{deleted}.';
                     SELECT pg_logical_emit_message(true, 'within', '{number}'); COMMIT;
                     SELECT pg_logical_emit_message(false, 'beside', '{number}');
                     INSERT INTO other (v) VALUES ('{number}')"
                ))
                .await?;
                tokio::time::sleep(WRITER_PAUSE).await;
            }
            Ok(())
        });
        Writer { stop, task }
    }

    async fn stop(self) -> Result {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

/// One capture of one database.
struct Stage<'a> {
    kit: &'a Kit,
    postgres: &'a Postgres,
    kafka: &'a Kafka,
    database: &'a str,
}

impl Stage<'_> {
    async fn command(&self, arguments: &[&str]) -> Result<Output> {
        let (source, brokers) = (self.postgres.url("postgres"), self.kafka.brokers());
        let common = ["--name", self.database, "--source", &source, "--brokers", &brokers];
        self.kit.output(&[arguments, &common].concat(), &[], DEADLINE).await
    }

    fn topic(&self, table: &str) -> String {
        format!("{}.public.{table}", self.database)
    }

    /// How many records there are of a table; those that end Kafka transactions count as well.
    async fn count(&self, table: &str) -> Result<i64> {
        self.kafka.topics().end(&self.topic(table)).await
    }

    /// Waits until so many more events of a table are there.
    async fn wait_more(&self, table: &str, more: i64, waltap: &Waltap) -> Result {
        let before = self.count(table).await?;
        wait_until(&format!("{more} more events of {table}"), DEADLINE, async || Ok(self.count(table).await? >= before + more))
            .await
            .map_err(|failure| failure.while_doing(waltap.log()))
    }

    /// Waits until `/status` says of these tables that they are behind, and how.
    async fn wait_behind(&self, waltap: &Waltap, expected: &[(&str, &str)]) -> Result {
        wait_until(&format!("behind are {expected:?}"), DEADLINE, async || {
            let behind = behind(waltap).await?;
            let found: Vec<(&str, &str)> = behind.iter().map(|(table, state, _)| (table.as_str(), state.as_str())).collect();
            Ok(found == expected)
        })
        .await
        .map_err(|failure| failure.while_doing(waltap.log()))
    }

    /// The last record of progress under a key.
    async fn progress(&self, key: &str) -> Result<Value> {
        let key = format!("{0}/{0}/{key}", self.database);
        let records = self.kafka.topics().read(PROGRESS).await?;
        let last = records.into_iter().rfind(|record| record.key.as_ref() == Some(&key)).and_then(|record| record.value);
        Ok(serde_json::from_str(&last.unwrap_or_else(|| "null".to_owned()))?)
    }

    /// How often each place came that stands before another one.
    async fn places_before(&self, table: &str, lsn: u64) -> Result<BTreeMap<(u64, u64), usize>> {
        let mut places = BTreeMap::new();
        for record in self.kafka.topics().read(&self.topic(table)).await? {
            let event: Value = serde_json::from_str(&record.value.unwrap_or_default())?;
            let source = &event["source"];
            let commit = oracle::parse_lsn(source["commit_lsn"].as_str().unwrap_or_default())?;
            if let Some(number) = source["seq"].as_u64().filter(|_| commit < lsn && event["op"] != "t") {
                *places.entry((commit, number)).or_default() += 1;
            }
        }
        Ok(places)
    }
}

/// What `/status` says of tables that are behind: name, state, place.
async fn behind(waltap: &Waltap) -> Result<Vec<(String, String, u64)>> {
    let Ok(page) = waltap.get("/status").await else { return Ok(Vec::new()) };
    let status: Value = serde_json::from_str(&page.body)?;
    let mut behind = Vec::new();
    for table in status["taps"][0]["paused_tables"].as_array().into_iter().flatten() {
        let text = |name: &str| table[name].as_str().unwrap_or_default().to_owned();
        behind.push((text("table"), text("state"), oracle::parse_lsn(&text("since_lsn"))?));
    }
    behind.sort();
    Ok(behind)
}

async fn pauses_and_goes_on(stage: &Stage<'_>, delivery: &str) -> Result {
    let is_exactly_once = delivery == "exactly-once";
    let Stage { postgres, database, .. } = stage;
    let sql = postgres.create_database(database).await?;
    for table in ["held", "calm", "other"] {
        sql.run(&format!("CREATE TABLE {table} (id serial PRIMARY KEY, v text); INSERT INTO {table} (v) VALUES ('first')"))
            .await?;
    }
    let flags = ["--name", database, "--database", database, "--delivery", delivery, "--messages", "--discovery-interval", "1s"];
    let mut waltap = stage.kit.capture(postgres, stage.kafka, &flags)?;
    waltap.wait_streaming().await?;
    let writer = Writer::start(postgres.sql(database).await?);
    stage.wait_more("held", 30, &waltap).await?;

    let paused = stage.command(&["pause", "--table", "held", "--wait"]).await?;
    paused.expect(0, &[])?;
    ensure!(paused.stdout.ends_with(&format!("{database}: public.held: paused\n")), "{}", paused.stdout);
    stage.wait_behind(&waltap, &[("public.held", "paused")]).await?;
    let since = behind(&waltap).await?[0].2;
    let (metrics, ready) = (waltap.get("/metrics").await?.body, waltap.get("/readyz").await?);
    ensure!(metrics.contains(&format!("waltap_paused_tables{{database=\"{database}\"}} 1")), "{metrics}");
    ensure!(ready.status == 200 && ready.body.contains("public.held paused"), "{}", ready.body);
    if is_exactly_once {
        stage.command(&["pause", "--table", "public.nothing"]).await?.expect(1, &["WT0039", "no table `public.nothing`"])?;
        stage.command(&["snapshot", "held", "--wait"]).await?.expect(1, &["WT0039", "it is paused"])?;
    }

    // Others go on, nothing of it comes, and the slot waits.
    stage.wait_more("calm", 200, &waltap).await?;
    let withheld = stage.count("held").await?;
    let is_held = async || {
        Ok::<bool, waltap_tests::Failure>(postgres.confirmed(database).await?.is_some_and(|confirmed| confirmed <= since))
    };
    wait_until("progress says how far the others are", DEADLINE, async || {
        let record = stage.progress("slot").await?;
        let place = record["delivered"].as_str().or(record["position"]["commit_lsn"].as_str()).map(str::to_owned);
        Ok(oracle::parse_lsn(&place.unwrap_or_default()).is_ok_and(|place| place > since + 10_000))
    })
    .await?;
    waltap.kill().await?;
    ensure!(is_held().await?, "the slot is past {since}");
    let record = stage.progress("slot").await?;
    let delivered = record["delivered"].as_str().or(record["position"]["commit_lsn"].as_str()).unwrap_or_default().to_owned();
    let before_kill = stage.places_before("calm", oracle::parse_lsn(&delivered)?).await?;
    ensure!(before_kill.len() > 50, "{} events stand before {delivered}", before_kill.len());

    // Another one while waltap is down. What was sent of the others is not sent again.
    stage.command(&["pause", "--table", "public.other"]).await?.expect(0, &[])?;
    waltap.start_again()?;
    stage.wait_behind(&waltap, &[("public.held", "paused"), ("public.other", "paused")]).await?;
    stage.wait_more("calm", 100, &waltap).await?;
    let again = stage.places_before("calm", oracle::parse_lsn(&delivered)?).await?;
    ensure!(again == before_kill, "what stands before {delivered} was sent again");
    ensure!(stage.count("held").await? == withheld, "events came of a table that is paused");
    ensure!(is_held().await?, "the slot is past {since}");

    // A large piece is withheld, and waltap is killed while it sends that.
    for number in 0..WITHHELD_TRANSACTIONS {
        sql.run(&format!("INSERT INTO held (v) SELECT 'large {number}' FROM generate_series(1, {WITHHELD_ROWS})")).await?;
    }
    sql.run("ALTER TABLE held ADD COLUMN added int; UPDATE held SET added = 8 WHERE id % 2 = 0").await?;
    stage.command(&["resume", "--table", "held"]).await?.expect(0, &[])?;
    wait_until("what was withheld comes", DEADLINE, async || {
        Ok(stage.count("held").await? > withheld + 2 * i64::from(WITHHELD_ROWS))
    })
    .await
    .map_err(|failure| failure.while_doing(waltap.log()))?;
    waltap.kill().await?;
    let oid = sql.value("SELECT 'held'::regclass::oid").await?;
    let record = stage.progress(&format!("table/{oid}")).await?;
    ensure!(record["paused"]["resumed"] == true, "it was not killed amid the catching up: {record}");
    waltap.start_again()?;
    stage.wait_behind(&waltap, &[("public.other", "paused")]).await?;
    stage.wait_more("held", 30, &waltap).await?;
    let other = behind(&waltap).await?[0].2;
    let is_moved =
        async || Ok(postgres.confirmed(database).await?.is_some_and(|confirmed| confirmed > since && confirmed <= other));
    wait_until("the slot stands where the other table is paused", DEADLINE, is_moved).await?;

    // A pause ends with its table, and nothing of it is lost.
    writer.stop().await?;
    // With nothing to be sent it goes on as well. Keepalives alone tell then how far the stream is.
    if !is_exactly_once {
        stage.command(&["pause", "--table", "calm"]).await?.expect(0, &[])?;
        stage.command(&["resume", "--table", "calm", "--wait"]).await?.expect(0, &[])?;
    }
    stage.wait_behind(&waltap, &[("public.other", "paused")]).await?;
    let rows = sql.number("SELECT count(*) FROM other").await?;
    sql.run("DROP TABLE other").await?;
    waltap.wait_log("its pause ends", DEADLINE).await?;
    postgres.wait_confirmed(&[database], DEADLINE).await.map_err(|failure| failure.while_doing(waltap.log()))?;
    stage.wait_behind(&waltap, &[]).await?;
    waltap.stop_cleanly().await?;
    let inserted = stage.places_before("other", u64::MAX).await?;
    ensure!(inserted.len() as i64 == rows - 1, "{} of {} rows of the dropped table came", inserted.len(), rows - 1);
    oracle::ensure_equal(postgres, &stage.kafka.topics(), &[database]).await?;
    if is_exactly_once {
        for table in ["held", "calm"] {
            let report = oracle::read(&stage.kafka.topics(), &stage.topic(table)).await?;
            ensure!(report.repeats == 0, "{} repeats of {table}", report.repeats);
        }
        ensure!(inserted.values().all(|times| *times == 1), "repeats of the dropped table");
        let mut messages: Vec<Option<String>> = Vec::new();
        for record in stage.kafka.topics().read(&format!("{database}.message")).await? {
            let event: Value = serde_json::from_str(&record.value.unwrap_or_default())?;
            messages.push(Some(format!("{} {}", event["source"]["commit_lsn"], event["source"]["seq"])));
        }
        let sent = messages.len();
        messages.sort();
        messages.dedup();
        ensure!(messages.len() == sent && sent > 100, "{} messages of {sent} are repeats", sent - messages.len());
    }
    Ok(())
}

#[test]
fn a_table_rests_and_catches_up_while_others_go_on() -> Result {
    run("table_pauses", async |kit| {
        let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
        for (database, delivery) in [("shop", "exactly-once"), ("crm", "at-least-once")] {
            let stage = Stage { kit, postgres: &postgres, kafka: &kafka, database };
            let told = pauses_and_goes_on(&stage, delivery).await;
            told.map_err(|failure| failure.while_doing(delivery))?;
        }
        Ok(())
    })
}
