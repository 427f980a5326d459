//! Tables that join, change, leave or come back while they are captured: none of their rows is lost, and none comes before its time.

use std::time::Duration;

use waltap_tests::{Kafka, Kit, Postgres, PostgresOptions, Result, Sql, Waltap, ensure, oracle, run, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

/// One connection reads the snapshot, so that what is locked holds up all of it.
const FLAGS: [&str; 6] = ["--database", "shop", "--discovery-interval", "1s", "--snapshot-workers", "1"];

async fn prepare(kit: &Kit, statements: &str) -> Result<(Postgres, Kafka, Sql)> {
    let postgres = kit.postgres_with(PostgresOptions::default().set("max_prepared_transactions", "5")).await?;
    let kafka = kit.kafka().await?;
    let shop = postgres.create_database("shop").await?;
    shop.run(statements).await?;
    Ok((postgres, kafka, shop))
}

/// Waits until everything is read and confirmed, stops waltap, and compares.
async fn ensure_equal(postgres: &Postgres, kafka: &Kafka, mut waltap: Waltap) -> Result {
    waltap.wait_streaming().await?;
    postgres.wait_confirmed(&["shop"], DEADLINE).await?;
    waltap.stop_cleanly().await?;
    oracle::ensure_equal(postgres, &kafka.topics(), &["shop"]).await?;
    Ok(())
}

/// So small that one table of [`read_until_full`] fills it.
const SMALL_QUEUE: [&str; 2] = ["--queue-bytes", "4MiB"];

/// Makes a table larger than the queue, and others that are read after it, while Kafka is paused; returns when the first is being read and
/// nothing gets on any more.
async fn read_until_full(kafka: &mut Kafka, waltap: &Waltap, shop: &Sql, others: &str) -> Result {
    shop.run(&format!(
        "CREATE TABLE a_large (id int PRIMARY KEY, body text);
         INSERT INTO a_large SELECT g, repeat(md5(g::text), 32) FROM generate_series(1, 100000) g;
         {others}"
    ))
    .await?;
    wait_until("the large table is being read", DEADLINE, async || {
        let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
        Ok(status["taps"][0]["snapshot_rows"].as_u64() > Some(0) && status["taps"][0]["state"] == "snapshot")
    })
    .await?;
    kafka.pause()
}

#[test]
fn what_comes_while_the_slot_is_being_made_is_read() -> Result {
    run("joining_early", async |kit| {
        let (postgres, kafka, shop) = prepare(
            kit,
            "CREATE TABLE other (id int PRIMARY KEY);
             CREATE TABLE parted (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
             CREATE TABLE first PARTITION OF parted FOR VALUES FROM (0) TO (10); INSERT INTO parted VALUES (1, 1);
             CREATE TABLE widened (id int PRIMARY KEY); INSERT INTO widened VALUES (1)",
        )
        .await?;
        // The making of a slot waits for this.
        let open = postgres.sql("shop").await?;
        open.run("BEGIN; INSERT INTO other VALUES (1)").await?;
        let waltap = kit.capture(&postgres, &kafka, &FLAGS)?;
        wait_until("the slot is being made", DEADLINE, async || {
            Ok(shop.number("SELECT count(*) FROM pg_replication_slots").await? > 0)
        })
        .await?;
        shop.run(
            "CREATE TABLE second PARTITION OF parted FOR VALUES FROM (10) TO (20); INSERT INTO parted VALUES (11, 11);
             ALTER TABLE widened ADD x int; UPDATE widened SET x = 5",
        )
        .await?;
        open.run("COMMIT").await?;
        ensure_equal(&postgres, &kafka, waltap).await
    })
}

#[test]
fn a_table_rewritten_before_it_is_read_is_read_again() -> Result {
    run("joining_rewritten", async |kit| {
        let (postgres, mut kafka, shop) = prepare(kit, "CREATE TABLE t (id int PRIMARY KEY)").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &[&FLAGS[..], &SMALL_QUEUE].concat())?;
        waltap.wait_streaming().await?;
        // What the snapshot knows of the table is not there any more when its turn comes, and nothing is written to it later.
        read_until_full(
            &mut kafka,
            &waltap,
            &shop,
            "CREATE TABLE late (id int PRIMARY KEY, v int); INSERT INTO late VALUES (1, 1)",
        )
        .await?;
        shop.run("ALTER TABLE late ALTER v TYPE bigint").await?;
        kafka.resume()?;
        waltap.wait_log("their rows take a new one", DEADLINE).await?;
        ensure_equal(&postgres, &kafka, waltap).await
    })
}

#[test]
fn a_table_made_anew_comes_after_the_last_changes_of_its_namesake() -> Result {
    run("joining_again", async |kit| {
        let (postgres, kafka, shop) =
            prepare(kit, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &FLAGS)?;
        waltap.wait_streaming().await?;
        waltap.stop_cleanly().await?;
        shop.run("UPDATE t SET v = 'old' WHERE id = 1; DELETE FROM t WHERE id = 2; DROP TABLE t").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'new'), (2, 'new too')").await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        shop.run("UPDATE t SET v = 'newer' WHERE id = 2").await?;
        ensure_equal(&postgres, &kafka, waltap).await
    })
}

#[test]
fn partitions_that_are_attached_with_rows_are_read() -> Result {
    run("joining_partitions", async |kit| {
        let (postgres, kafka, shop) = prepare(
            kit,
            "CREATE TABLE parted (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
             CREATE TABLE p0 PARTITION OF parted FOR VALUES FROM (0) TO (10); INSERT INTO parted VALUES (1, 1)",
        )
        .await?;
        let attach = async |from: u32| {
            shop.run(&format!(
                "BEGIN; CREATE TABLE p{from} (id int PRIMARY KEY, v int); INSERT INTO p{from} VALUES ({from}, 0), ({from} + 1, 0);
                 ALTER TABLE parted ATTACH PARTITION p{from} FOR VALUES FROM ({from}) TO ({from} + 10); COMMIT"
            ))
            .await
        };
        let mut waltap = kit.capture(&postgres, &kafka, &FLAGS)?;
        waltap.wait_streaming().await?;
        attach(10).await?;
        waltap.wait_log("rows of tables are to be read", DEADLINE).await?;
        waltap.wait_streaming().await?;
        waltap.stop_cleanly().await?;
        attach(20).await?;
        // Born empty: its rows are in the stream, and nothing is read.
        shop.run("CREATE TABLE p30 PARTITION OF parted FOR VALUES FROM (30) TO (40)").await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        shop.run("UPDATE parted SET v = 7; INSERT INTO parted VALUES (31, 1)").await?;
        ensure_equal(&postgres, &kafka, waltap).await
    })
}

#[test]
fn a_capture_whose_last_table_is_gone_goes_on() -> Result {
    run("joining_none", async |kit| {
        let (postgres, kafka, shop) = prepare(kit, "CREATE TABLE t (id int PRIMARY KEY)").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &FLAGS)?;
        waltap.wait_streaming().await?;
        waltap.stop_cleanly().await?;
        shop.run("INSERT INTO t VALUES (1); DROP TABLE t").await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        shop.run("CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (2)").await?;
        let topics = kafka.topics();
        wait_until("the new table's topic", DEADLINE, async || {
            Ok(topics.names().await?.iter().any(|name| name == "shop.public.u"))
        })
        .await?;
        ensure_equal(&postgres, &kafka, waltap).await
    })
}

#[test]
fn a_transaction_that_holds_up_a_snapshot_is_named() -> Result {
    run("joining_held_up", async |kit| {
        let (postgres, kafka, shop) = prepare(kit, "CREATE TABLE t (id int PRIMARY KEY)").await?;
        let mut waltap = kit.capture(&postgres, &kafka, &FLAGS)?;
        waltap.wait_streaming().await?;
        let elsewhere = postgres.create_database("elsewhere").await?;
        elsewhere.run("CREATE TABLE x (id int); BEGIN; INSERT INTO x VALUES (1); PREPARE TRANSACTION 'forgotten'").await?;
        shop.run("CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)").await?;
        waltap.wait_log("prepared transaction 'forgotten'", DEADLINE).await?;
        ensure!(waltap.get("/readyz").await?.status == 503, "it says that it is ready");
        elsewhere.run("COMMIT PREPARED 'forgotten'").await?;
        waltap.wait_ready().await?;
        ensure_equal(&postgres, &kafka, waltap).await
    })
}

#[test]
fn a_second_waltap_waits_while_the_first_reads() -> Result {
    run("joining_second", async |kit| {
        let (postgres, mut kafka, shop) = prepare(kit, "CREATE TABLE t (id int PRIMARY KEY)").await?;
        let flags = [&FLAGS[..], &SMALL_QUEUE].concat();
        let mut first = kit.capture(&postgres, &kafka, &flags)?;
        first.wait_streaming().await?;
        read_until_full(&mut kafka, &first, &shop, "CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)").await?;
        let lock = postgres.sql("shop").await?;
        lock.run("BEGIN; LOCK TABLE late IN ACCESS EXCLUSIVE MODE").await?;
        kafka.resume()?;
        // The second is kept out by the first one's claim, before it looks at the slot or reads anything.
        let mut second = kit.capture(&postgres, &kafka, &flags)?;
        second.wait_log("another waltap works with the slot", DEADLINE).await?;
        lock.run("COMMIT").await?;
        first.wait_streaming().await?;
        first.kill().await?;
        ensure_equal(&postgres, &kafka, second).await
    })
}

#[test]
fn a_table_that_may_not_be_published_does_not_stop_the_others() -> Result {
    run("joining_refused", async |kit| {
        let (postgres, kafka, _) =
            prepare(kit, "CREATE ROLE app LOGIN REPLICATION; CREATE ROLE other; GRANT ALL ON DATABASE shop TO app").await?;
        let admin = postgres.sql("shop").await?;
        admin.run("GRANT ALL ON SCHEMA public TO app, other").await?;
        let app = postgres.sql_as("shop", "app", "").await?;
        app.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await?;
        let (source, brokers) = (postgres.url("app"), kafka.brokers());
        let mut waltap = kit.waltap(&[&["capture", "--source", &source, "--brokers", &brokers], &FLAGS[..]].concat(), &[])?;
        waltap.wait_streaming().await?;
        admin.run("SET ROLE other; CREATE TABLE foreigner (id int PRIMARY KEY); INSERT INTO foreigner VALUES (1)").await?;
        waltap.wait_log("some tables are not captured", DEADLINE).await?;
        let walsender = "SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots WHERE active";
        ensure!(postgres.sql("shop").await?.number(walsender).await? == 1, "there was no walsender");
        waltap.wait_log("the tap begins again", DEADLINE).await?;
        waltap.wait_streaming().await?;
        app.run("INSERT INTO t VALUES (2)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        admin.run("RESET ROLE; DROP TABLE foreigner").await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
