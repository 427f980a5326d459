//! A slot, or a log, that is not as it was left: never gone on with in silence, and begun anew by itself only where that is asked for.

use std::time::Duration;

use waltap_tests::{Kafka, Kit, Output, PROGRESS, Postgres, PostgresOptions, Record, Result, ensure, oracle, run, wait_until};

/// How long a step may take.
const DEADLINE: Duration = Duration::from_secs(60);

const SLOT: &str = "waltap_waltap_shop";
const RESNAPSHOT: [&str; 2] = ["--on-slot-lost", "resnapshot"];
const ANEW: &str = "changes are lost; beginning anew";

struct Shop<'a> {
    kit: &'a Kit,
    postgres: Postgres,
    kafka: Kafka,
}

impl<'a> Shop<'a> {
    async fn open(kit: &'a Kit, options: PostgresOptions) -> Result<Self> {
        let postgres = kit.postgres_with(options).await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t SELECT generate_series(1, 10), 'before'").await?;
        Ok(Shop { kit, postgres, kafka })
    }

    async fn run(&self, statements: &str) -> Result {
        self.postgres.sql("shop").await?.run(statements).await
    }

    /// Captures until all that is there is confirmed, and stops. Gives what was logged.
    async fn capture(&self, more: &[&str]) -> Result<String> {
        let mut waltap = self.kit.capture(&self.postgres, &self.kafka, &[&["--database", "shop"], more].concat())?;
        waltap.wait_streaming().await?;
        self.postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        Ok(waltap.log())
    }

    /// Captures, which is expected to end by itself.
    async fn refused(&self, command: &str, more: &[&str]) -> Result<Output> {
        let (source, brokers) = (self.postgres.url("postgres"), self.kafka.brokers());
        let http: &[&str] = if command == "capture" { &["--http", "127.0.0.1:0"] } else { &[] };
        let arguments = [&[command, "--database", "shop", "--source", &source, "--brokers", &brokers], http, more].concat();
        self.kit.output(&arguments, &[], DEADLINE).await
    }

    async fn ensure_equal(&self) -> Result {
        oracle::ensure_equal(&self.postgres, &self.kafka.topics(), &["shop"]).await.map(drop)
    }

    async fn slots(&self) -> Result<Vec<String>> {
        self.postgres.sql("shop").await?.column("SELECT slot_name FROM pg_replication_slots").await
    }

    async fn events(&self) -> Result<usize> {
        Ok(self.kafka.topics().read("shop.public.t").await?.len())
    }
}

#[test]
fn a_slot_that_is_made_anew_or_moved_by_hand() -> Result {
    run("slot_moved", async |kit| {
        let shop = Shop::open(kit, PostgresOptions::default()).await?;
        shop.capture(&[]).await?;
        // What is written between the two is seen by neither.
        shop.run("INSERT INTO t VALUES (11, 'unseen')").await?;
        shop.run(&format!("SELECT pg_drop_replication_slot('{SLOT}')")).await?;
        shop.run("INSERT INTO t VALUES (12, 'unseen')").await?;
        shop.run(&format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')")).await?;
        shop.refused("capture", &[]).await?.expect(1, &["WT0011", "waltap has confirmed no more than 0/"])?;
        let check = shop.refused("check", &[]).await?;
        ensure!(check.code == 1 && check.stdout.contains("[WT0011]"), "check does not see it:\n{}", check.stdout);
        ensure!(shop.events().await? == 10, "something was sent");

        let log = shop.capture(&RESNAPSHOT).await?;
        ensure!(log.contains(ANEW) && log.contains("WT0011"), "the loss is not told:\n{log}");
        ensure!(shop.slots().await? == [SLOT], "{:?}", shop.slots().await?);
        ensure!(shop.events().await? == 22, "{} events instead of 10 and 12 rows", shop.events().await?);
        shop.ensure_equal().await?;
        // A start after it is an ordinary one.
        shop.run("INSERT INTO t VALUES (13, 'seen')").await?;
        let log = shop.capture(&RESNAPSHOT).await?;
        ensure!(!log.contains(ANEW) && shop.events().await? == 23, "rows were read again:\n{log}");

        // What a session of before has written comes late, when another has gone on: the slot is not taken for one that was moved.
        let records = shop.kafka.topics().read(PROGRESS).await?;
        let is_slot = |record: &&Record| record.key.as_deref() == Some("waltap/shop/slot");
        let mut values = records.iter().filter(is_slot).filter_map(|record| record.value.as_deref());
        let late = values.find(|value| value.contains(r#""acknowledged":"0/"#)).unwrap_or_default();
        shop.kafka.topics().produce(PROGRESS, &[("waltap/shop/slot", late)]).await?;
        let log = shop.capture(&RESNAPSHOT).await?;
        ensure!(!log.contains(ANEW) && shop.events().await? == 23, "a late record is believed:\n{log}\n{late}");

        // Not again and again.
        shop.run("INSERT INTO t VALUES (14, 'skipped')").await?;
        shop.run(&format!("SELECT pg_replication_slot_advance('{SLOT}', pg_current_wal_lsn())")).await?;
        let bounded = shop.refused("capture", &RESNAPSHOT).await?;
        bounded.expect(1, &["WT0059", "WT0011", "waltap slots drop --name waltap --database shop"])?;
        ensure!(shop.slots().await? == [SLOT] && shop.events().await? == 23, "something was given up or sent");
        Ok(())
    })
}

#[test]
fn a_slot_whose_log_was_removed() -> Result {
    run("slot_invalidated", async |kit| {
        let options = PostgresOptions::default().set("max_slot_wal_keep_size", "16MB").set("max_wal_size", "32MB");
        let options = options.set("min_wal_size", "32MB").set("wal_keep_size", "0");
        let shop = Shop::open(kit, options).await?;
        let arguments = [&["--database", "shop", "--delivery", "exactly-once"], &RESNAPSHOT[..]].concat();
        let mut waltap = kit.capture(&shop.postgres, &shop.kafka, &arguments)?;
        waltap.wait_streaming().await?;
        waltap.process().pause()?;
        shop.run("INSERT INTO t VALUES (11, 'lost')").await?;
        let sql = shop.postgres.sql("shop").await?;
        wait_until("the server invalidates the slot", DEADLINE, async || {
            sql.run("CREATE TABLE junk AS SELECT repeat('x', 1000) FROM generate_series(1, 20000)").await?;
            sql.run("DROP TABLE junk; SELECT pg_switch_wal(); CHECKPOINT").await?;
            Ok(sql.value(&format!("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{SLOT}'")).await? == "lost")
        })
        .await?;
        waltap.process().resume()?;
        waltap.wait_log(ANEW, DEADLINE).await?;
        waltap.wait_streaming().await?;
        ensure!(waltap.log().contains("WT0012") && waltap.log().contains("wal_removed"), "the loss is not told");
        shop.run("INSERT INTO t VALUES (12, 'seen')").await?;
        shop.postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        ensure!(shop.slots().await? == [SLOT], "{:?}", shop.slots().await?);
        shop.run("DROP TABLE IF EXISTS junk").await?;
        let report = oracle::compare(&shop.postgres, &shop.kafka.topics(), &["shop"]).await?;
        ensure!(report.iter().filter(|table| table.topic == "shop.public.t").all(|table| table.is_equal()), "{report:?}");
        Ok(())
    })
}

#[test]
fn a_slot_that_was_idle_for_too_long_and_a_server_that_was_restored() -> Result {
    run("slot_idle_restored", async |kit| {
        let options = PostgresOptions { major: Some(18), ..PostgresOptions::default() };
        let mut shop = Shop::open(kit, options).await?;
        shop.capture(&[]).await?;
        let sql = shop.postgres.sql("postgres").await?;
        sql.run("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'").await?;
        sql.run("SELECT pg_reload_conf()").await?;
        wait_until("the server invalidates the slot", DEADLINE, async || {
            sql.run("CHECKPOINT").await?;
            let invalidated = format!("SELECT count(invalidation_reason) FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
            Ok(sql.number(&invalidated).await? == 1)
        })
        .await?;
        sql.run("ALTER SYSTEM RESET idle_replication_slot_timeout").await?;
        sql.run("SELECT pg_reload_conf()").await?;
        shop.refused("capture", &[]).await?.expect(1, &["WT0012", "idle_timeout", "changes between 0/"])?;
        let log = shop.capture(&RESNAPSHOT).await?;
        ensure!(log.contains(ANEW) && log.contains("idle_timeout"), "the loss is not told:\n{log}");
        shop.ensure_equal().await?;
        drop(sql);

        // The disk of yesterday.
        shop.postgres.stop_fast().await?;
        shop.postgres.back_up()?;
        shop.postgres.start_again().await?;
        shop.run("UPDATE t SET note = 'of a day that never was'; SELECT pg_switch_wal()").await?;
        shop.capture(&["--delivery", "exactly-once"]).await?;
        shop.postgres.stop_fast().await?;
        shop.postgres.restore()?;
        shop.postgres.start_again().await?;
        for delivery in ["at-least-once", "exactly-once"] {
            let refused = shop.refused("capture", &["--delivery", delivery]).await?;
            refused.expect(1, &["WT0056", "restored to an earlier state"])?;
        }
        let events = shop.events().await?;
        let bounded = shop.refused("capture", &RESNAPSHOT).await?;
        bounded.expect(1, &["WT0059", "WT0056"])?;
        ensure!(shop.events().await? == events, "something was sent");
        Ok(())
    })
}
