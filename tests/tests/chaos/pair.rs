//! A pair: two waltaps of one capture with `--standby`, while writers write. One works, the other takes over.

use std::time::{Duration, Instant};

use waltap_tests::checker::Delivery;
use waltap_tests::{Failure, PostgresOptions, Result, Waltap, ensure, run_within, wait_until};

use crate::sampler::Sampler;
use crate::stage::{Stage, TO_THE_END};
use crate::workload::{self, Mix, Writers};

/// The workload's database.
const DATABASE: &str = "pair";

/// How long the other may take until it streams: some seconds, of a busy machine several times that, and far less than Kafka would keep a
/// transaction of the first one open.
const TAKEOVER_MAX: Duration = Duration::from_secs(30);

/// How long what is no takeover may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much is written between two takeovers.
const WORK: Duration = Duration::from_secs(2);

/// How long a test may take, beside its kills.
const LIMIT: Duration = Duration::from_secs(300);

const WRITERS: u64 = 2;
const ROWS_BEFORE: u64 = 2_000;
const SEED: u64 = 20;

/// Whoever holds the claim on the slot.
const CLAIM: &str = "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                     WHERE l.locktype = 'advisory' AND l.granted AND d.datname = 'pair'";

/// Two waltaps, of which `first` works and `second` stands by.
struct Pair {
    first: Waltap,
    second: Waltap,
    writers: Writers,
    sampler: Sampler,
}

impl Pair {
    async fn start(stage: &mut Stage<'_>) -> Result<Pair> {
        stage.with_arguments(&["--standby"]);
        workload::create(&stage.postgres, DATABASE, ROWS_BEFORE).await?;
        let mut first = stage.capture(DATABASE)?;
        first.wait_streaming().await?;
        let writers = Writers::start(stage.postgres.port(), DATABASE, WRITERS, Mix::USUAL, SEED);
        let sampler = stage.watch(DATABASE)?;
        let second = stage.capture(DATABASE)?;
        wait_standby(&second).await?;
        Ok(Pair { first, second, writers, sampler })
    }

    /// Waits until the second streams, which is the first from now on.
    async fn taken_over(&mut self, since: Instant) -> Result {
        self.second.wait_streaming_within(TAKEOVER_MAX.saturating_sub(since.elapsed())).await?;
        println!("  taken over after {:.1} s", since.elapsed().as_secs_f64());
        std::mem::swap(&mut self.first, &mut self.second);
        Ok(())
    }

    async fn kill(&mut self) -> Result {
        tokio::time::sleep(WORK).await;
        let since = Instant::now();
        self.first.kill().await?;
        self.taken_over(since).await?;
        self.second.start_again()?;
        wait_standby(&self.second).await
    }

    async fn judge(mut self, stage: &Stage<'_>) -> Result {
        ensure!(self.second.terminate().await? == 0, "the standby did not stop as asked");
        let verdict = stage.judge(DATABASE, self.first, self.writers, self.sampler, TO_THE_END).await?;
        println!("  {} events, {} of them repeats", verdict.report.events, verdict.report.repeats);
        verdict.report.ensure_clean()
    }
}

/// A standby is well, waits, and says so.
async fn wait_standby(waltap: &Waltap) -> Result {
    wait_until("the other one stands by", PATIENCE, async || {
        let answer = waltap.get("/readyz").await?;
        ensure!(answer.status == 200 && answer.body == "standby\n", "{}: {}", answer.status, answer.body);
        let status: serde_json::Value = serde_json::from_str(&waltap.get("/status").await?.body)?;
        ensure!(status["taps"][0]["state"] == "standby" && status["taps"][0]["reconnects"] == 0, "{}", status["taps"]);
        Ok(true)
    })
    .await
}

fn with_pair(
    name: &str,
    delivery: Delivery,
    limit: Duration,
    course: impl AsyncFnOnce(&mut Stage<'_>, &mut Pair) -> Result,
) -> Result {
    run_within(name, limit, async |kit| {
        let mut stage = Stage::set(kit, delivery, PostgresOptions::default()).await?;
        let mut pair = Pair::start(&mut stage).await?;
        course(&mut stage, &mut pair).await?;
        pair.judge(&stage).await
    })
}

fn killed(name: &str, delivery: Delivery, times: u32) -> Result {
    with_pair(name, delivery, LIMIT + 2 * PATIENCE * times, async |_, pair| {
        for kill in 1..=times {
            pair.kill().await.map_err(|failure| failure.while_doing(format!("kill {kill}")))?;
        }
        Ok(())
    })
}

#[test]
fn the_first_is_killed_three_times() -> Result {
    killed("pair_killed", Delivery::AtLeastOnce, 3)
}

#[test]
#[ignore = "minutes: make pair"]
fn the_first_is_killed_twenty_times() -> Result {
    killed("pair_killed_twenty_times", Delivery::AtLeastOnce, 20)
}

#[test]
#[ignore = "minutes: make pair"]
fn the_first_is_killed_twenty_times_exactly_once() -> Result {
    killed("pair_killed_twenty_times_exactly_once", Delivery::ExactlyOnce, 20)
}

/// Ends the server's process that holds the claim.
async fn take_claim_away(stage: &Stage<'_>) -> Result {
    let sql = stage.postgres.sql("postgres").await?;
    let ended = sql.number(&format!("SELECT count(pg_terminate_backend(pid)) FROM ({CLAIM}) holders")).await?;
    ensure!(ended == 1, "{ended} sessions held the claim");
    Ok(())
}

#[test]
fn the_first_loses_its_claim_and_gives_way() -> Result {
    with_pair("pair_claim", Delivery::AtLeastOnce, LIMIT, async |stage, pair| {
        tokio::time::sleep(WORK).await;
        let since = Instant::now();
        take_claim_away(stage).await?;
        pair.taken_over(since).await?;
        pair.second.wait_log("the claim on the slot", PATIENCE).await?;
        wait_until("the first stands by", PATIENCE, async || Ok(pair.second.get("/readyz").await?.body == "standby\n")).await?;
        tokio::time::sleep(WORK).await;
        Ok(())
    })
}

/// What was in its hands when it was frozen it sends when it goes on: only Kafka's fencing keeps that from readers.
#[test]
fn the_first_is_frozen_and_ends_itself_when_it_goes_on() -> Result {
    with_pair("pair_frozen", Delivery::ExactlyOnce, LIMIT, async |stage, pair| {
        tokio::time::sleep(WORK).await;
        let since = Instant::now();
        pair.first.process().pause()?;
        take_claim_away(stage).await?;
        pair.taken_over(since).await?;
        tokio::time::sleep(WORK).await;
        let names = stage.postgres.sql("postgres").await?;
        let readers =
            names.column("SELECT application_name FROM pg_stat_activity JOIN pg_replication_slots ON pid = active_pid").await?;
        let expected = format!("/{}", pair.first.process().id());
        let [reader] = &readers[..] else { return Err(Failure::new(format!("{} read the slot", readers.len()))) };
        ensure!(reader.starts_with("waltap/waltap/") && reader.ends_with(&expected), "{reader} reads the slot, not {expected}");
        pair.second.process().resume()?;
        wait_until("the first stands by", PATIENCE, async || Ok(pair.second.get("/readyz").await?.body == "standby\n")).await?;
        tokio::time::sleep(WORK).await;
        // It is of use again.
        let since = Instant::now();
        pair.first.kill().await?;
        pair.taken_over(since).await?;
        pair.second.start_again()?;
        wait_standby(&pair.second).await
    })
}
