//! Transactions that come while they are open: what of them arrives, when, and what does not.

mod disk;
mod equality;
mod ten_million;
mod two_phase;
mod undone;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use waltap_tests::{Kit, Postgres, PostgresOptions, Result, Waltap, ensure, open_file_bytes, run, wait_until};

use crate::watched::Watched;

const DEADLINE: Duration = Duration::from_secs(60);

/// The oldest server that is tested with all of it, and the newest.
const MAJORS: [u32; 2] = [15, 18];

/// A server that streams whatever is larger than 64 KiB.
async fn server(kit: &Kit, major: u32) -> Result<Postgres> {
    server_with(kit, major, "64kB").await
}

/// A server that streams whatever is larger than that.
async fn server_with(kit: &Kit, major: u32, work_memory: &str) -> Result<Postgres> {
    let options = PostgresOptions { major: Some(major), ..PostgresOptions::default() };
    let options = options.set("logical_decoding_work_mem", work_memory).set("max_prepared_transactions", "5");
    kit.postgres_with(options).await
}

/// Flags under which nearly everything goes to the disk.
const SMALL_MEMORY: [&str; 4] = ["--streaming", "on", "--spill-memory", "64KiB"];

async fn tap(waltap: &Waltap) -> Result<Value> {
    let mut status: Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
    Ok(status["taps"][0].take())
}

/// Waits until as many transactions wait for their commit, with some of it on the disk or with none.
async fn wait_open(waltap: &Waltap, transactions: u64, on_disk: bool) -> Result {
    wait_until(&format!("{transactions} transactions are open"), DEADLINE, async || {
        let tap = tap(waltap).await?;
        let disk = tap["spill_disk_bytes"].as_u64().unwrap_or_default();
        Ok(tap["open_transactions"].as_u64() == Some(transactions) && (disk > 0) == on_disk)
    })
    .await
}

/// A folder for the files of open transactions, which have no names there.
struct SpillFolder(PathBuf);

impl SpillFolder {
    fn new(kit: &Kit) -> Result<Self> {
        let path = kit.folder().join("spill");
        std::fs::create_dir_all(&path)?;
        Ok(SpillFolder(path))
    }

    fn shown(&self) -> String {
        self.0.display().to_string()
    }

    /// What waltap's files take of the disk, as the kernel says.
    fn bytes(&self, waltap: &mut Waltap) -> Result<u64> {
        open_file_bytes(waltap.process().id(), &self.0)
    }
}

#[test]
fn others_are_delivered_while_large_ones_are_open() -> Result {
    run("streaming_open", async |kit| {
        let postgres = server(kit, 18).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE small (id int PRIMARY KEY)").await?;
        let mut watched = Watched::start(kit, &postgres, "shop", &SMALL_MEMORY).await?;
        let (first, second) = (postgres.sql("shop").await?, postgres.sql("shop").await?);
        for (sql, from) in [(&first, 1), (&second, 100_001)] {
            sql.run(&format!(
                "BEGIN; INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series({from}, {}) g",
                from + 19_999
            ))
            .await?;
        }
        wait_open(&watched.waltap, 2, true).await?;
        shop.run("INSERT INTO small VALUES (1)").await?;
        watched.reached(&shop).await?;
        watched.expect("public.small", &[r#"c {"id":1} null {"id":1}"#])?;
        ensure!(watched.of("public.t")?.is_empty(), "something of an open transaction was sent");
        let metrics = watched.waltap.get("/metrics").await?.body;
        ensure!(metrics.contains(r#"waltap_open_transactions{database="shop"} 2"#), "{metrics}");
        // The later one commits first, the other comes to nothing.
        second.run("COMMIT").await?;
        first.run("ROLLBACK").await?;
        watched.reached(&shop).await?;
        let events: Vec<Value> = watched.all()?.into_iter().filter(|event| event.topic == "public.t").map(|e| e.value).collect();
        ensure!(events.len() == 20_000, "{} events", events.len());
        for (index, event) in events.iter().enumerate() {
            let is_due = event["after"]["id"] == 100_001 + index && event["source"]["seq"] == index;
            ensure!(is_due, "event {index} is {event}");
        }
        wait_open(&watched.waltap, 0, false).await?;
        watched.stop().await
    })
}

#[test]
fn memory_is_bounded_and_the_disk_is_given_back() -> Result {
    run("streaming_memory", async |kit| {
        let postgres = server(kit, 15).await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
        let spill = SpillFolder::new(kit)?;
        let flags = ["--database", "shop", "--streaming", "on", "--core-dumps", "--spill-directory", &spill.shown()];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        shop.run("BEGIN; INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 300000) g").await?;
        wait_open(&waltap, 1, true).await?;
        ensure!(spill.bytes(&mut waltap)? > 0, "the files of open transactions take nothing of the disk");
        shop.run("COMMIT").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        wait_open(&waltap, 0, false).await?;
        ensure!(spill.bytes(&mut waltap)? == 0, "the disk is not given back");
        let peak = waltap.process().peak_resident_bytes()?;
        println!("memory at most: {} MiB", peak >> 20);
        ensure!(peak < 150 << 20, "{} MiB", peak >> 20);
        waltap_tests::oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn a_kill_in_the_middle_loses_nothing() -> Result {
    run("streaming_kill", async |kit| {
        let postgres = server(kit, 18).await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
        let flags = [&["--database", "shop", "--queue-bytes", "1MiB"], &SMALL_MEMORY[..]].concat();
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        let large = postgres.sql("shop").await?;
        large.run("BEGIN; INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 30000) g").await?;
        wait_open(&waltap, 1, true).await?;
        // The slot goes on, past the beginning of what is open.
        shop.run("INSERT INTO t VALUES (-1, 'meanwhile')").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.kill().await?;
        large.run("UPDATE t SET v = 'y' WHERE id % 2 = 0").await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        wait_open(&waltap, 1, true).await?;
        large.run("COMMIT").await?;
        wait_until("it is being sent", DEADLINE, async || {
            let tap = tap(&waltap).await?;
            Ok(tap["events"].as_u64() > Some(1_000))
        })
        .await?;
        waltap.kill().await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        waltap_tests::oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn a_directory_that_cannot_be_written_is_found_at_the_start() -> Result {
    run("streaming_directory", async |kit| {
        let postgres = server(kit, 18).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY)").await?;
        let source = postgres.url("postgres");
        let missing = kit.folder().join("missing");
        let missing = missing.display().to_string();
        for command in ["capture", "check"] {
            let arguments =
                [command, "--source", &source, "--database", "shop", "--sink", "stdout", "--spill-directory", &missing];
            let output = kit.output(&arguments, &[], DEADLINE).await?;
            let said = format!("{}{}", output.stdout, output.stderr);
            ensure!(output.code != 0 && said.contains("WT0047") && said.contains(&missing), "{command}: {output:?}");
            ensure!(said.contains("--spill-directory") && said.contains("--streaming off"), "{command}: {output:?}");
        }
        ensure!(shop.number("SELECT count(*) FROM pg_replication_slots").await? == 0, "a slot was made");
        let off = ["check", "--source", &source, "--database", "shop", "--sink", "stdout", "--spill-directory", &missing];
        let output = kit.output(&[&off[..], &["--streaming", "off"]].concat(), &[], DEADLINE).await?;
        ensure!(output.code == 0, "{output:?}");
        Ok(())
    })
}
