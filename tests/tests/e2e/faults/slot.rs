//! Faults of the slot.

use std::collections::BTreeMap;

use waltap_tests::{PROGRESS, Postgres, PostgresOptions, Result, ensure, oracle, run, wait_until};

use super::{DEADLINE, shop};

#[test]
fn a_slot_that_another_reads() -> Result {
    run("slot_in_use", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let mut first = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        first.wait_streaming().await?;
        let mut second = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        second.wait_log("WT0009", DEADLINE).await?;
        ensure!(first.get("/readyz").await?.status == 200, "the first was disturbed");
        first.kill().await?;
        if second.process().ended()?.is_some() {
            second.start_again()?;
        }
        // It takes over, whether it waited or was started again.
        second.wait_streaming().await?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        second.terminate().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}

#[test]
fn a_slot_that_is_dropped_while_it_is_read() -> Result {
    run("slot_dropped", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        drop_slot(&postgres).await?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        waltap.wait_log("WT0010", DEADLINE).await?;
        // Never silent: it neither makes a new slot nor goes on as if nothing were lost.
        let slots = postgres.sql("postgres").await?.number("SELECT count(*) FROM pg_replication_slots").await?;
        ensure!(slots == 0, "a slot was made without being asked for");
        if waltap.process().ended()?.is_none() {
            waltap.kill().await?;
        }
        let log = waltap.log().len();
        waltap.start_again()?;
        wait_until("the next start says so too", DEADLINE, async || Ok(waltap.log()[log..].contains("WT0010"))).await
    })
}

#[test]
fn an_ordinary_role_begins_anew_after_a_lost_slot() -> Result {
    run("begin_anew", async |kit| {
        let (mut postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let crm = postgres.create_database("crm").await?;
        crm.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)").await?;
        postgres.sql("postgres").await?.run("CREATE ROLE tap LOGIN REPLICATION").await?;
        for database in ["shop", "crm"] {
            // As `waltap check` prints them for the owner: the publications are not the role's own.
            let owner = postgres.sql(database).await?;
            owner.run("GRANT SELECT ON t TO tap").await?;
            owner.run("CREATE PUBLICATION waltap_waltap FOR TABLE t WITH (publish_via_partition_root = true)").await?;
            let inserts = "publish = 'insert, truncate', publish_via_partition_root = true";
            owner.run(&format!("CREATE PUBLICATION waltap_waltap_inserts WITH ({inserts})")).await?;
        }
        let (source, brokers) = (postgres.url("tap"), kafka.brokers());
        let server = ["--source", source.as_str(), "--brokers", brokers.as_str()];
        let capture = [&["capture", "--database", "shop,crm"], &server[..]].concat();
        let mut waltap = kit.waltap(&capture, &[])?;
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop", "crm"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        let sql = postgres.sql("postgres").await?;
        sql.run("SELECT pg_drop_replication_slot('waltap_waltap_shop')").await?;
        let check = kit.output(&[&["check", "--database", "shop,crm"], &server[..]].concat(), &[], DEADLINE).await?;
        ensure!(check.code == 1 && check.stdout.contains("[WT0010]"), "check does not miss the slot:\n{}", check.stdout);

        let without = kit.output(&["slots", "drop", "--yes", "--source", &source], &[], DEADLINE).await?;
        without.expect(2, &["brokers", "--keep-progress"])?;
        let drop = [&["slots", "drop", "--yes", "--database", "shop"], &server[..]].concat();
        let kept = async |database: &str| -> Result<usize> {
            let records = kafka.topics().read(PROGRESS).await?;
            let last: BTreeMap<String, bool> =
                records.into_iter().filter_map(|record| Some((record.key?, record.value.is_some()))).collect();
            let beginning = format!("waltap/{database}/");
            Ok(last.iter().filter(|(key, is_kept)| key.starts_with(&beginning) && **is_kept).count())
        };
        let (of_shop, of_crm) = (kept("shop").await?, kept("crm").await?);
        ensure!(of_shop >= 2, "there are no records of a slot and of a table: {of_shop}");
        let dropped = kit.output(&drop, &[], DEADLINE).await?;
        dropped.expect(0, &["waltap_waltap of database shop stays", "keep their slots: waltap_waltap_crm"])?;
        let said = format!("dropped 0 slots and 0 publications, forgot {of_shop} records of progress\n");
        ensure!(dropped.stdout == said, "{} instead of {said}", dropped.stdout);
        ensure!((kept("shop").await?, kept("crm").await?) == (0, of_crm), "other records were forgotten than those of shop");

        // The one database begins anew, the other goes on.
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        crm.run("INSERT INTO t VALUES (11)").await?;
        let mut waltap = kit.waltap(&capture, &[])?;
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop", "crm"], DEADLINE).await?;
        waltap.terminate().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop", "crm"]).await?;
        ensure!(kafka.topics().read("shop.public.t").await?.len() == 21, "shop was not read anew");
        ensure!(kafka.topics().read("crm.public.t").await?.len() == 11, "crm was read anew");

        let all = kit.output(&[&["slots", "drop", "--yes"], &server[..]].concat(), &[], DEADLINE).await?;
        all.expect(0, &["waltap_waltap of database crm stays"])?;
        ensure!(sql.number("SELECT count(*) FROM pg_replication_slots").await? == 0, "a slot stays");
        postgres.stop_fast().await
    })
}

/// An active slot cannot be dropped: its reader is thrown out, again and again, until the drop is quicker.
async fn drop_slot(postgres: &Postgres) -> Result {
    let sql = postgres.sql("postgres").await?;
    wait_until("the slot is dropped", DEADLINE, async || {
        sql.run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active").await?;
        sql.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots").await?;
        Ok(sql.number("SELECT count(*) FROM pg_replication_slots").await? == 0)
    })
    .await
}
