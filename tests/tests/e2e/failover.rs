//! A standby becomes the primary under load: with failover slots nothing is lost, without them the loss is said.

use std::time::Duration;

use waltap_tests::{Kafka, Pair, PostgresOptions, Proxy, Result, ensure, oracle, run, wait_until};

use crate::workload::{Writers, members};

/// How long a step may take, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(120);

const DATABASE: &str = "shop";
const SLOT: &str = "waltap_waltap_shop";

/// A version whose standbys keep logical slots.
const WITH_FAILOVER_SLOTS: u32 = 18;

const TABLES: usize = 8;
const ROWS_BEFORE: u64 = 50;
const WRITERS: u64 = 2;

/// A table that is captured later than the others.
const LATE: &str = "public.late";

/// How many transactions make a load.
const LOAD: u64 = 300;

fn version(major: Option<u32>) -> PostgresOptions {
    PostgresOptions { major, ..PostgresOptions::default() }
}

fn capture<'a>(source: &'a str, brokers: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["capture", "--database", DATABASE, "--source", source, "--brokers", brokers], more].concat()
}

async fn create_tables(pair: &Pair) -> Result {
    pair.primary.create_database(DATABASE).await?;
    for member in members(&[DATABASE], TABLES) {
        member.create(&pair.primary, ROWS_BEFORE).await?;
    }
    let sql = pair.primary.sql(DATABASE).await?;
    sql.run("CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)").await?;
    sql.run("CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root = true)").await
}

/// Writes until there was a load.
async fn load(port: u16, seed: u64) -> Result<Writers> {
    let writers = Writers::start(port, &members(&[DATABASE], TABLES), WRITERS, seed);
    wait_until("the writers commit", DEADLINE, async || Ok(writers.committed() > LOAD)).await?;
    Ok(writers)
}

/// `restarted`: waltap dies with the primary, and knows afterwards what progress tells it, and no more.
fn goes_on(name: &str, delivery: &str, restarted: bool) -> Result {
    run(name, async |kit| {
        let mut pair = kit.pair(version(Some(WITH_FAILOVER_SLOTS))).await?;
        let kafka = kit.kafka().await?;
        create_tables(&pair).await?;
        // One address, which leads to the other server as soon as the first is gone, whatever that is by then.
        let address = Proxy::start(pair.primary.port()).await?;
        let (source, brokers) = (pair.primary.url_through("postgres", address.port()), kafka.brokers());
        let late = ["--exclude-table", LATE];
        // What waltap adds to a publication of its own while the standby is away the new primary does not have: that is WT0057.
        let publication: &[&str] = if restarted { &["--publication", "everything"] } else { &[] };
        let whole = [&capture(&source, &brokers, &["--delivery", delivery, "--failover-slot"])[..], publication].concat();
        let with = [&whole[..], &late].concat();
        let without: Vec<&str> = with.iter().copied().filter(|argument| *argument != "--failover-slot").collect();
        // A slot that is there already becomes one that standbys keep.
        let mut waltap = kit.waltap(&without, &[])?;
        waltap.wait_streaming().await?;
        waltap.stop_cleanly().await?;
        let mut waltap = kit.waltap(&with, &[])?;
        waltap.wait_log("standbys keep the slot from now on", DEADLINE).await?;
        ensure!(!waltap.log().contains("synchronized_standby_slots is empty"), "the setting of the pair is not seen");
        let writers = load(pair.primary.port(), 1).await?;
        pair.wait_slot_kept(SLOT).await?;
        let before = writers.committed();
        wait_until("there is load again", DEADLINE, async || Ok(writers.committed() > before + LOAD)).await?;
        if restarted {
            // A table joins, read at a place that the standby does not come to: nothing waits for it where rows are read.
            pair.standby.stop_fast().await?;
            let junk = "CREATE TABLE junk AS SELECT repeat('x', 1000) FROM generate_series(1, 20000); DROP TABLE junk";
            pair.primary.sql("postgres").await?.run(junk).await?;
            waltap.kill().await?;
            waltap = kit.waltap(&whole, &[])?;
            let topics = kafka.topics();
            let late = format!("{DATABASE}.{LATE}");
            wait_until("the table is read", DEADLINE, async || Ok(topics.read(&late).await?.len() == 1)).await?;
        }
        pair.primary.kill().await?;
        if restarted {
            waltap.kill().await?;
            pair.standby.start_again().await?;
        }
        writers.stop().await?;
        address.lead_to(pair.standby.port());
        if restarted {
            waltap.start_again()?;
        }
        waltap.wait_log("waiting until it is the primary", DEADLINE).await?;
        pair.promote().await?;
        pair.standby.sql(DATABASE).await?.run("INSERT INTO late VALUES (2)").await?;
        let writers = load(pair.standby.port(), 2).await?;
        waltap.wait_streaming().await?;
        let before = writers.committed();
        wait_until("there is load on the new primary", DEADLINE, async || Ok(writers.committed() > before + LOAD)).await?;
        writers.stop().await?;
        pair.standby.wait_confirmed(&[DATABASE], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        ensure!(waltap.log().contains("a standby has become the primary"), "the failover is not told");
        let again = waltap.log().contains("read on the old primary, behind") && waltap.log().contains(LATE);
        ensure!(again == restarted, "rows are read again: {again}");
        // Once more, on the timeline that is known by now, and with what was left out before.
        let mut waltap = kit.waltap(&whole, &[])?;
        waltap.wait_streaming().await?;
        pair.standby.sql(DATABASE).await?.run("INSERT INTO keyless_4 (id) VALUES (1)").await?;
        pair.standby.wait_confirmed(&[DATABASE], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        ensure!(!waltap.log().contains("a standby has become the primary"), "the failover is told again");
        let late: Vec<_> =
            kafka.topics().read(&format!("{DATABASE}.{LATE}")).await?.into_iter().filter_map(|row| row.key).collect();
        ensure!(late.iter().any(|key| key == r#"{"id":2}"#), "a change of the new primary is missing: {late:?}");
        // Its rows were read at a place behind the fork, and again before it, which the oracle takes for disorder.
        pair.standby.sql(DATABASE).await?.run("DROP TABLE late").await?;
        oracle::ensure_equal(&pair.standby, &kafka.topics(), &[DATABASE]).await?;
        Ok(())
    })
}

#[test]
fn a_failover_slot_goes_on_at_least_once() -> Result {
    goes_on("failover_at_least_once", "at-least-once", false)
}

#[test]
fn a_failover_slot_goes_on_exactly_once() -> Result {
    goes_on("failover_exactly_once", "exactly-once", true)
}

#[test]
fn without_failover_slots_the_loss_is_said() -> Result {
    run("failover_lost", async |kit| {
        let mut pair = kit.pair(version(None)).await?;
        let kafka = kit.kafka().await?;
        create_tables(&pair).await?;
        let (source, brokers) = (pair.url("postgres"), kafka.brokers());
        let arguments = capture(&source, &brokers, &[]);
        let refused = kit.output(&[&arguments[..], &["--failover-slot", "--http", "off"]].concat(), &[], DEADLINE).await?;
        refused.expect(1, &["WT0042", "--failover-slot needs PostgreSQL 17"])?;
        pair.wait_following().await?;
        let follower = pair.standby.url("postgres");
        let of_follower = [&capture(&follower, &brokers, &[])[..], &["--http", "off"]].concat();
        let refused = kit.output(&of_follower, &[], DEADLINE).await?;
        refused.expect(1, &["WT0043", "changes can be read from a standby from 16 on"])?;
        let mut waltap = kit.waltap(&arguments, &[])?;
        waltap.wait_streaming().await?;
        let writers = load(pair.primary.port(), 3).await?;
        // It misses what is sent from here on, since nothing waits for it.
        pair.standby.stop_fast().await?;
        let missed = pair.primary.written().await?;
        wait_until("something is sent that the standby does not have", DEADLINE, async || {
            Ok(pair.primary.confirmed(DATABASE).await? > Some(missed))
        })
        .await?;
        pair.primary.kill().await?;
        writers.stop().await?;
        pair.standby.start_again().await?;
        pair.promote().await?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "a capture without its slot did not fail");
        let said = waltap.log();
        let told = |said: &str| {
            let words = ["WT0010", "timeline 2 began at", "changes between 0/", "where the log ends now", "does not have"];
            words.iter().all(|word| said.contains(word))
        };
        ensure!(told(&said), "the loss is not told with its range:\n{said}");
        // Nothing goes on in silence, also when it is started anew.
        waltap.start_again()?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "a capture without its slot did not fail");
        ensure!(told(&waltap.log()[said.len()..]), "the loss is not told again:\n{}", waltap.log());
        let check = kit.output(&[&["check"], &arguments[1..]].concat(), &[], DEADLINE).await?;
        ensure!(check.code == 1 && check.stdout.contains("[WT0010]"), "check does not see the loss:\n{}", check.stdout);
        let slots = pair.standby.sql("postgres").await?.number("SELECT count(*) FROM pg_replication_slots").await?;
        ensure!(slots == 0, "a slot was made without being asked for");
        // A slot that somebody made there himself does not make up for what the log lacks.
        let make = format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')");
        pair.standby.sql(DATABASE).await?.run(&make).await?;
        let said = waltap.log().len();
        waltap.start_again()?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "a capture of a log that lacks something did not fail");
        ensure!(waltap.log()[said..].contains("WT0056"), "what is lacking is not told:\n{}", waltap.log());
        ensure!(committed_after(&pair, &kafka).await? == 0, "something of the new primary arrived");
        Ok(())
    })
}

/// How many events of what is written on the new primary are in Kafka.
async fn committed_after(pair: &Pair, kafka: &Kafka) -> Result<usize> {
    const MARK: &str = "written after the failover";
    let sql = pair.standby.sql(DATABASE).await?;
    sql.run(&format!("INSERT INTO keyless_4 (id, note) VALUES (1, '{MARK}')")).await?;
    let records = kafka.topics().read("shop.public.keyless_4").await?;
    Ok(records.iter().filter(|record| record.value.as_deref().is_some_and(|value| value.contains(MARK))).count())
}
