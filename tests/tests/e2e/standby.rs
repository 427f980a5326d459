//! Capture from a standby: rows and changes arrive through whatever happens to it, its promotion too; what it cannot do is said.

use std::time::Duration;

use waltap_tests::{Kafka, Kit, Pair, PostgresOptions, Result, Waltap, ensure, oracle, run, wait_until};

use crate::workload::{Writers, members};

/// How long a step may take: on a busy machine a slot on a standby takes half a minute.
const DEADLINE: Duration = Duration::from_secs(120);

const DATABASE: &str = "shop";
const SLOT: &str = "waltap_waltap_shop";

/// The first version whose standbys decode, and one that names the reason why a slot was lost.
const FIRST: u32 = 16;
const NEWEST: u32 = 18;

const TABLES: usize = 8;
const ROWS_BEFORE: u64 = 50;
const WRITERS: u64 = 2;

/// How many transactions make a load.
const LOAD: u64 = 100;

fn version(major: u32) -> PostgresOptions {
    PostgresOptions { major: Some(major), ..PostgresOptions::default() }
}

fn arguments<'a>(command: &'a str, source: &'a str, brokers: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[command, "--database", DATABASE, "--source", source, "--brokers", brokers], more].concat()
}

/// Waits until every tap streams. Where nobody writes, the primary logs which transactions are open when it is asked to, and no slot is made on
/// the standby before it does.
async fn wait_streaming(pair: &Pair, waltap: &mut Waltap) -> Result {
    let primary = pair.primary.sql("postgres").await?;
    let hurrying = async {
        loop {
            primary.run("SELECT pg_log_standby_snapshot()").await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        ended = hurrying => ended,
        streaming = waltap.wait_streaming_within(DEADLINE) => streaming,
    }
}

async fn load(writers: &Writers) -> Result {
    let before = writers.committed();
    wait_until("the writers commit", DEADLINE, async || Ok(writers.committed() > before + LOAD)).await
}

/// What `waltap check` prints for the owner, run on the primary as it stands.
async fn make_publications(kit: &Kit, pair: &Pair, source: &str, brokers: &str) -> Result {
    let check = kit.output(&arguments("check", source, brokers, &["--json"]), &[], DEADLINE).await?;
    let findings: serde_json::Value = serde_json::from_str(&check.stdout)?;
    let is_missing = |finding: &&serde_json::Value| finding["code"] == "WT0014";
    let missing = findings.as_array().and_then(|findings| findings.iter().find(is_missing));
    let remedy = missing.and_then(|finding| finding["remedy"].as_str()).unwrap_or_default();
    ensure!(check.code == 1 && remedy.starts_with("-- on the primary, as"), "no statements for the primary:\n{}", check.stdout);
    pair.primary.sql(DATABASE).await?.run(remedy).await?;
    pair.wait_following().await
}

/// `noticed`: the tap sees the promotion by itself. Else it is killed before it has looked, having acknowledged what only the new timeline has.
fn goes_on(name: &str, major: u32, delivery: &str, own_publications: bool, noticed: bool) -> Result {
    run(name, async |kit| {
        let mut pair = kit.pair(version(major)).await?;
        let kafka = kit.kafka().await?;
        pair.primary.create_database(DATABASE).await?;
        for member in members(&[DATABASE], TABLES) {
            member.create(&pair.primary, ROWS_BEFORE).await?;
        }
        let (source, brokers) = (pair.standby.url("postgres"), kafka.brokers());
        let mut more = vec!["--delivery", delivery, "--discovery-interval", if noticed { "1s" } else { "10m" }];
        pair.wait_following().await?;
        if own_publications {
            make_publications(kit, &pair, &source, &brokers).await?;
        } else {
            let make = "CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root = true)";
            pair.primary.sql(DATABASE).await?.run(make).await?;
            pair.wait_following().await?;
            more.extend(["--publication", "everything"]);
        }
        let (primary_port, standby_port) = (pair.primary.port(), pair.standby.port());
        let writers = Writers::start_before_slots(standby_port, primary_port, &members(&[DATABASE], TABLES), WRITERS, 1);
        load(&writers).await?;
        let mut waltap = kit.waltap(&arguments("capture", &source, &brokers, &more), &[])?;
        wait_streaming(&pair, &mut waltap).await?;
        let made = "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'";
        ensure!(pair.primary.sql("postgres").await?.number(made).await? == 0, "a slot was made on the primary");

        load(&writers).await?;
        waltap.kill().await?;
        load(&writers).await?;
        waltap.start_again()?;
        wait_streaming(&pair, &mut waltap).await?;

        load(&writers).await?;
        pair.standby.kill().await?;
        load(&writers).await?;
        pair.standby.start_again().await?;
        wait_streaming(&pair, &mut waltap).await?;
        load(&writers).await?;

        pair.primary.kill().await?;
        writers.stop().await?;
        let before = pair.standby.written().await?;
        pair.promote().await?;
        let writers = Writers::start(pair.standby.port(), &members(&[DATABASE], TABLES), WRITERS, 2);
        load(&writers).await?;
        wait_until("what only the new timeline has is confirmed", DEADLINE, async || {
            Ok(pair.standby.confirmed(DATABASE).await?.is_some_and(|confirmed| confirmed > before + (64 << 10)))
        })
        .await?;
        if noticed {
            waltap.wait_log("the standby has become a primary", DEADLINE).await?;
        } else {
            waltap.kill().await?;
            waltap.start_again()?;
        }
        waltap.wait_log("the standby that was read is a primary now, and its slot goes on", DEADLINE).await?;
        waltap.wait_streaming_within(DEADLINE).await?;
        load(&writers).await?;
        writers.stop().await?;
        if own_publications {
            // From now on waltap keeps them in step.
            let sql = pair.standby.sql(DATABASE).await?;
            sql.run("CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)").await?;
            let topics = kafka.topics();
            let late = format!("{DATABASE}.public.late");
            wait_until("a new table is read", DEADLINE, async || Ok(topics.read(&late).await?.len() == 1)).await?;
        }
        pair.standby.wait_confirmed(&[DATABASE], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&pair.standby, &kafka.topics(), &[DATABASE]).await?;
        Ok(())
    })
}

#[test]
fn a_standby_is_read_through_its_promotion_at_least_once() -> Result {
    goes_on("standby_at_least_once", FIRST, "at-least-once", false, false)
}

#[test]
fn a_standby_is_read_through_its_promotion_exactly_once() -> Result {
    goes_on("standby_exactly_once", NEWEST, "exactly-once", true, true)
}

#[test]
fn what_a_standby_cannot_do_is_said() -> Result {
    run("standby_limits", async |kit| {
        let mut pair = kit.pair(version(NEWEST)).await?;
        let kafka = kit.kafka().await?;
        let sql = pair.primary.create_database(DATABASE).await?;
        sql.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await?;
        pair.standby.stop_fast().await?;
        pair.standby.set("hot_standby_feedback", "off");
        pair.standby.start_again().await?;
        pair.wait_following().await?;
        let (source, brokers) = (pair.standby.url("postgres"), kafka.brokers());
        let capture = arguments("capture", &source, &brokers, &["--publication", "everything", "--http", "off"]);
        refuses(kit, &capture, &["WT0014", "fix: -- on the primary:", "CREATE PUBLICATION \"everything\""]).await?;
        let own = arguments("capture", &source, &brokers, &["--http", "off"]);
        refuses(kit, &own, &["WT0014", "let the owner of the tables run, on the primary,", "CREATE PUBLICATION"]).await?;
        refuses(kit, &[&capture[..], &["--failover-slot"]].concat(), &["WT0043", "--failover-slot"]).await?;
        sql.run("CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root = true)").await?;
        pair.wait_following().await?;

        let asked =
            ["--publication", "everything", "--heartbeat-interval", "1s", "--new-tables", "chunks", "--discovery-interval", "1s"];
        // It keeps the slot from being made, whatever the primary logs by itself.
        let writing = pair.primary.sql(DATABASE).await?;
        writing.run("BEGIN; INSERT INTO t VALUES (4)").await?;
        let mut waltap = kit.waltap(&arguments("capture", &source, &brokers, &asked), &[])?;
        waltap.wait_log("on the primary: SELECT pg_log_standby_snapshot();", DEADLINE).await?;
        writing.run("COMMIT").await?;
        wait_streaming(&pair, &mut waltap).await?;
        for said in ["hot_standby_feedback is off", "can write no heartbeats", "the marks that --new-tables chunks needs"] {
            ensure!(waltap.log().contains(said), "{said:?} is not said:\n{}", waltap.log());
        }
        ensure!(!waltap.log().contains("no heartbeat can be written"), "heartbeats are tried:\n{}", waltap.log());
        refuses(kit, &["snapshot", "public.t", "--source", &source, "--brokers", &brokers], &["WT0043", "once it is a primary"])
            .await?;
        // A capture that reads the primary does not take the standby for it.
        let elsewhere = pair.primary.url("postgres");
        let named = ["--name", "other", "--publication", "everything"];
        let mut other = kit.waltap(&arguments("capture", &elsewhere, &brokers, &named), &[])?;
        other.wait_streaming().await?;
        other.stop_cleanly().await?;
        let mut other = kit.waltap(&arguments("capture", &source, &brokers, &named), &[])?;
        other.wait_log("the slot of this capture is on its primary: waiting until it is the primary", DEADLINE).await?;
        other.stop_cleanly().await?;
        // It would keep the rows that the other one needs.
        sql.run("SELECT pg_drop_replication_slot('waltap_other_shop')").await?;
        is_lost_and_begun_anew(kit, &pair, &kafka, waltap).await
    })
}

/// The primary removes rows that the slot needs, since it does not know of it.
async fn is_lost_and_begun_anew(kit: &Kit, pair: &Pair, kafka: &Kafka, mut waltap: Waltap) -> Result {
    let sql = pair.primary.sql(DATABASE).await?;
    // Each in a transaction of its own: what one has made and removed itself nobody has ever seen.
    for statement in ["CREATE TABLE gone (id int)", "DROP TABLE gone", "VACUUM pg_catalog.pg_class", "INSERT INTO t VALUES (2)"] {
        sql.run(statement).await?;
    }
    ensure!(waltap.wait_exit(DEADLINE).await? == 1, "a capture whose slot is lost did not fail");
    let remedy = "hot_standby_feedback = on";
    for word in ["WT0012", "rows_removed", remedy] {
        ensure!(waltap.log().contains(word), "{word:?} is not said:\n{}", waltap.log());
    }
    let (source, brokers) = (pair.standby.url("postgres"), kafka.brokers());
    let publication = ["--publication", "everything"];
    let check = kit.output(&arguments("check", &source, &brokers, &publication), &[], DEADLINE).await?;
    ensure!(check.code == 1 && check.stdout.contains("[WT0012]") && check.stdout.contains(remedy), "{}", check.stdout);

    let anew = [&publication[..], &["--on-slot-lost", "resnapshot"]].concat();
    let mut waltap = kit.waltap(&arguments("capture", &source, &brokers, &anew), &[])?;
    wait_streaming(pair, &mut waltap).await?;
    sql.run("INSERT INTO t VALUES (3)").await?;
    pair.wait_following().await?;
    pair.standby.wait_confirmed(&[DATABASE], DEADLINE).await?;
    waltap.stop_cleanly().await?;
    oracle::ensure_equal(&pair.primary, &kafka.topics(), &[DATABASE]).await?;

    let drop = ["slots", "drop", "--name", "waltap", "--source", &source, "--brokers", &brokers, "--database", DATABASE, "--yes"];
    let dropped = kit.output(&drop, &[], DEADLINE).await?;
    ensure!(dropped.code == 0, "{}{}", dropped.stdout, dropped.stderr);
    let left = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
    ensure!(pair.standby.sql("postgres").await?.number(&left).await? == 0, "the slot is still there");
    Ok(())
}

async fn refuses(kit: &Kit, arguments: &[&str], words: &[&str]) -> Result {
    kit.output(arguments, &[], DEADLINE).await?.expect(1, words)
}
