//! What people ask of a capture, running or not: to rest, to go on, to be given up.

use std::collections::BTreeMap;
use std::time::Duration;

use waltap_tests::{Kafka, Kit, Output, PROGRESS, Postgres, Result, Waltap, ensure, oracle, run, wait_for, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

const FLAGS: [&str; 2] = ["--database", "shop,crm"];

/// A capture's two sides, and its commands.
struct Stage<'a> {
    kit: &'a Kit,
    postgres: Postgres,
    kafka: Kafka,
}

impl<'a> Stage<'a> {
    async fn set(kit: &'a Kit) -> Result<Stage<'a>> {
        let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
        for database in ["shop", "crm"] {
            let sql = postgres.create_database(database).await?;
            sql.run(
                "CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) SELECT 'first' FROM generate_series(1, 10)",
            )
            .await?;
        }
        Ok(Stage { kit, postgres, kafka })
    }

    fn capture(&self, more: &[&str]) -> Result<Waltap> {
        self.kit.capture(&self.postgres, &self.kafka, &[&FLAGS, more].concat())
    }

    async fn command(&self, arguments: &[&str]) -> Result<Output> {
        let brokers = self.kafka.brokers();
        self.kit.output(&[arguments, &["--brokers", &brokers]].concat(), &[], DEADLINE).await
    }

    async fn drop(&self, more: &[&str]) -> Result<Output> {
        let source = self.postgres.url("postgres");
        self.command(&[&["drop", "waltap", "--yes", "--source", &source], more].concat()).await
    }

    async fn write(&self) -> Result {
        for database in ["shop", "crm"] {
            let sql = self.postgres.sql(database).await?;
            sql.run(
                "INSERT INTO t (v) VALUES ('more'); UPDATE t SET v = v || '.' WHERE id % 3 = 0; DELETE FROM t WHERE id % 5 = 0",
            )
            .await?;
        }
        Ok(())
    }

    async fn events(&self, database: &str) -> Result<usize> {
        Ok(self.kafka.topics().read(&format!("{database}.public.t")).await?.len())
    }

    /// How many keys of progress are left, and the numbers of slots and of publications.
    async fn left(&self) -> Result<(usize, u64, u64)> {
        let records = self.kafka.topics().read(PROGRESS).await?;
        let last: BTreeMap<String, bool> =
            records.into_iter().filter_map(|record| Some((record.key?, record.value.is_some()))).collect();
        let sql = self.postgres.sql("postgres").await?;
        let slots = sql.number("SELECT count(*) FROM pg_replication_slots").await?;
        let mut publications = 0;
        for database in ["shop", "crm"] {
            publications += self.postgres.sql(database).await?.number("SELECT count(*) FROM pg_publication").await?;
        }
        Ok((last.values().filter(|is_kept| **is_kept).count(), u64::try_from(slots)?, u64::try_from(publications)?))
    }
}

/// Waits until `/readyz` says that these taps rest, and that they keep log.
async fn wait_paused(waltap: &Waltap, databases: &[&str]) -> Result {
    wait_until(&format!("{databases:?} rest"), DEADLINE, async || {
        let ready = waltap.get("/readyz").await?;
        let lines: Vec<&str> = ready.body.lines().collect();
        let is_told =
            |database: &&str| lines.iter().any(|line| line.starts_with(&format!("{database}: paused, its slot keeps ")));
        Ok(ready.status == 200 && lines[0] == "paused" && lines.len() == 1 + databases.len() && databases.iter().all(is_told))
    })
    .await
    .map_err(|failure| failure.while_doing(waltap.log()))
}

#[test]
fn taps_rest_and_go_on_through_kills_and_a_dropped_capture_leaves_nothing() -> Result {
    run("requests", async |kit| {
        let stage = Stage::set(kit).await?;
        stage.command(&["pause"]).await?.expect(1, &["WT0039", "no capture named waltap"])?;
        stage.drop(&[]).await?.expect(1, &["WT0039", "no capture named waltap"])?;

        let mut waltap = stage.capture(&["--delivery", "exactly-once"])?;
        waltap.wait_streaming().await?;
        stage.write().await?;
        stage.postgres.wait_confirmed(&["shop", "crm"], DEADLINE).await?;
        stage.command(&["pause", "--database", "hr"]).await?.expect(1, &["WT0039", "it reads: crm, shop"])?;
        let paused = stage.command(&["pause", "--database", "shop"]).await?;
        paused.expect(0, &[])?;
        ensure!(paused.stdout.starts_with("paused, of the capture waltap: shop\n"), "{}", paused.stdout);
        wait_paused(&waltap, &["shop"]).await?;
        let before = stage.events("shop").await?;
        stage.write().await?;
        stage.postgres.wait_confirmed(&["crm"], DEADLINE).await?;
        let metrics = waltap.get("/metrics").await?.body;
        ensure!(metrics.contains(r#"waltap_tap_state{database="shop",state="paused"} 1"#), "{metrics}");
        stage.drop(&[]).await?.expect(1, &["WT0039", "at work, on: crm, shop"])?;

        waltap.kill().await?;
        waltap.start_again()?;
        wait_paused(&waltap, &["shop"]).await?;
        stage.write().await?;
        stage.postgres.wait_confirmed(&["crm"], DEADLINE).await?;
        ensure!(stage.events("shop").await? == before, "events came of a database whose tap rests");
        let again = stage.command(&["pause"]).await?;
        ensure!(again.stdout.contains("waltap: crm\n") && again.stdout.ends_with("paused already: shop\n"), "{}", again.stdout);
        wait_paused(&waltap, &["crm", "shop"]).await?;
        stage.write().await?;
        stage.command(&["resume"]).await?.expect(0, &[])?;
        waltap.wait_streaming().await?;
        stage.postgres.wait_confirmed(&["shop", "crm"], DEADLINE).await?;
        waltap.stop_cleanly().await?;

        // While waltap is down.
        stage.command(&["pause", "--database", "shop"]).await?.expect(0, &[])?;
        stage.write().await?;
        waltap.start_again()?;
        wait_paused(&waltap, &["shop"]).await?;
        ensure!(waltap.terminate().await? == 0, "waltap did not stop as asked while a tap rests");
        stage.command(&["resume", "--database", "shop"]).await?.expect(0, &[])?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        stage.postgres.wait_confirmed(&["shop", "crm"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&stage.postgres, &stage.kafka.topics(), &["shop", "crm"]).await?;
        for database in ["shop", "crm"] {
            // Of six writes: a row each that is new, and what was done to the rows that were there. Nothing came twice.
            let report = oracle::read(&stage.kafka.topics(), &format!("{database}.public.t")).await?;
            ensure!(report.repeats == 0, "{} repeats in {database}", report.repeats);
        }

        stage.command(&["pause"]).await?.expect(0, &[])?;
        let dropped = stage.drop(&[]).await?;
        dropped.expect(0, &["slot waltap_waltap_shop"])?;
        ensure!(dropped.stdout.starts_with("dropped 2 slots and 4 publications, forgot "), "{}", dropped.stdout);
        let left = stage.left().await?;
        ensure!(left == (0, 0, 0), "left behind: {left:?} keys, slots, publications");
        stage.drop(&[]).await?.expect(1, &["WT0039", "no capture named waltap"])?;

        // It begins anew, and is dropped at work when that is insisted on.
        let mut waltap = stage.capture(&[])?;
        waltap.wait_streaming().await?;
        let dropped = stage.drop(&["--force"]).await?;
        dropped.expect(0, &[])?;
        ensure!(dropped.stdout.starts_with("dropped 2 slots and 4 publications"), "{}", dropped.stdout);
        if waltap.process().ended()?.is_none() {
            waltap.kill().await?;
        }
        Ok(())
    })
}

/// The rows of the table that is large enough to be met half read.
const LARGE: u64 = 20_000;

impl Stage<'_> {
    async fn snapshot(&self, more: &[&str]) -> Result<Output> {
        let source = self.postgres.url("postgres");
        self.command(&[&["snapshot", "--source", &source], more].concat()).await
    }

    /// How many rows of `shop.public.TABLE` were read, snapshots that came first included.
    async fn read_rows(&self, table: &str) -> Result<usize> {
        let records = self.kafka.topics().read(&format!("shop.public.{table}")).await?;
        Ok(records.iter().filter(|record| record.value.as_ref().is_some_and(|value| value.contains(r#""op":"r""#))).count())
    }
}

/// How many rows are sent of the table that is being read; `None` when none is.
async fn in_chunks(waltap: &Waltap) -> Result<Option<u64>> {
    let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
    let chunks = status["taps"].as_array().and_then(|taps| taps.iter().find_map(|tap| tap["chunks"].get(0).cloned()));
    Ok(chunks.and_then(|chunks| chunks["rows"].as_u64()))
}

#[test]
fn rows_are_read_again_when_it_is_asked_for() -> Result {
    run("requests_snapshot", async |kit| {
        let stage = Stage::set(kit).await?;
        let shop = stage.postgres.sql("shop").await?;
        shop.run(&format!(
            "CREATE TABLE large (id int PRIMARY KEY, v text); INSERT INTO large SELECT g, 'row' FROM generate_series(1, {LARGE}) g;
             CREATE TABLE keyless (v text); ALTER TABLE keyless REPLICA IDENTITY FULL; INSERT INTO keyless VALUES ('a')"
        ))
        .await?;
        let flags = ["--delivery", "exactly-once", "--snapshot-rate", "2000"];
        let mut waltap = stage.capture(&flags)?;
        waltap.wait_streaming().await?;
        stage.postgres.wait_confirmed(&["shop", "crm"], DEADLINE).await?;

        // What cannot be meant is refused before anything is written.
        let unknown = stage.snapshot(&["public.orders"]).await?;
        unknown.expect(1, &["WT0039", "no table `public.orders`"])?;
        for condition in ["ids > 5", "id"] {
            stage.snapshot(&["public.large", "--where", condition]).await?.expect(1, &["WT0039", condition])?;
        }

        let some = stage.snapshot(&["public.large", "--where", "id % 4 = 0", "--wait"]).await?;
        some.expect(0, &[])?;
        ensure!(some.stdout.ends_with("shop: public.large: 5000 rows\n"), "{}", some.stdout);
        ensure!(stage.read_rows("large").await? == 25_000, "{} rows were read", stage.read_rows("large").await?);
        let keyless = stage.snapshot(&["keyless", "--where", "v <> ''", "--wait"]).await?;
        keyless.expect(1, &["WT0039", "shop: public.keyless: it has no key"])?;

        // In both databases, while waltap is down.
        waltap.stop_cleanly().await?;
        let down = stage.snapshot(&["public.t"]).await?;
        down.expect(0, &[])?;
        ensure!(down.stdout.lines().count() == 2, "{}", down.stdout);
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        wait_until("the rows are read again", DEADLINE, async || Ok(stage.read_rows("t").await? == 20)).await?;

        // Killed while it reads, it goes on; and what changed meanwhile is not overtaken.
        stage.snapshot(&["shop.large,public.large", "--database", "shop"]).await?.expect(1, &["no table `shop.large`"])?;
        stage.snapshot(&["large", "--database", "shop"]).await?.expect(0, &[])?;
        wait_until("rows are read", DEADLINE, async || Ok(in_chunks(&waltap).await?.is_some_and(|rows| rows > 4_000))).await?;
        shop.run("UPDATE large SET v = 'changed' WHERE id % 100 = 0; DELETE FROM large WHERE id % 100 = 1").await?;
        waltap.kill().await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        let since = wait_for("it goes on", DEADLINE, async || in_chunks(&waltap).await).await?;
        ensure!(since >= 2_000, "it began anew: {since}");
        wait_until("all are read", DEADLINE, async || Ok(in_chunks(&waltap).await?.is_none())).await?;
        let read = stage.read_rows("large").await?;
        ensure!((44_000..=45_000).contains(&read), "{read} rows were read");

        stage.snapshot(&["large"]).await?.expect(0, &[])?;
        wait_until("rows are read", DEADLINE, async || Ok(in_chunks(&waltap).await?.is_some_and(|rows| rows > 0))).await?;
        stage.snapshot(&["large", "--cancel"]).await?.expect(0, &[])?;
        wait_until("it is left off", DEADLINE, async || Ok(in_chunks(&waltap).await?.is_none())).await?;
        stage.write().await?;
        stage.postgres.wait_confirmed(&["shop", "crm"], DEADLINE).await?;
        ensure!(stage.read_rows("large").await? < 60_000, "it was read to its end");
        waltap.stop_cleanly().await?;
        let reports = oracle::ensure_equal(&stage.postgres, &stage.kafka.topics(), &["shop", "crm"]).await?;
        ensure!(!reports.is_empty(), "nothing was compared");
        Ok(())
    })
}
