//! Nothing is lost and nothing is out of order, whoever is killed.

use std::time::{Duration, Instant};

use waltap_tests::{Kafka, Postgres, PostgresOptions, Random, Result, Waltap, ensure, oracle, run_within};

use crate::seconds;
use crate::workload::{Writers, members};

const DATABASES: [&str; 3] = ["shop", "crm", "billing"];
const TABLES: usize = 40;
const WRITERS: u64 = 4;

/// Rows in each table before the capture starts, so that some of the kills hit the snapshot.
const ROWS_BEFORE: u64 = 300;

/// What is done to the three programs while the writers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    KillWaltap,
    KillKafka,
    RestartKafka,
    KillPostgres,
    RestartPostgres,
}

/// Kills of waltap while it reads the rows that are there, so soon after each start.
const KILLS_IN_THE_SNAPSHOT: [Duration; 3] =
    [Duration::from_millis(400), Duration::from_millis(900), Duration::from_millis(1500)];

/// What is done once the changes stream, in a random order. A minute holds seventeen kills more, and two breaks of each server.
fn breaks(duration: Duration, random: &mut Random) -> Vec<Break> {
    let kills = (duration.as_secs() * 17 / 60).max(3);
    let mut breaks = vec![Break::KillKafka, Break::RestartKafka, Break::KillPostgres, Break::RestartPostgres];
    breaks.extend((0..kills).map(|_| Break::KillWaltap));
    for last in (1..breaks.len()).rev() {
        breaks.swap(last, random.below(last as u64 + 1) as usize);
    }
    breaks
}

async fn carry_out(what: Break, waltap: &mut Waltap, kafka: &mut Kafka, postgres: &mut Postgres) -> Result {
    match what {
        Break::KillWaltap => {
            waltap.process().ensure_running()?;
            waltap.kill().await?;
            waltap.start_again()
        }
        Break::KillKafka => {
            kafka.kill().await?;
            kafka.start_again().await
        }
        Break::RestartKafka => {
            kafka.stop().await?;
            kafka.start_again().await
        }
        Break::KillPostgres => {
            postgres.kill().await?;
            postgres.start_again().await
        }
        Break::RestartPostgres => {
            postgres.stop_fast().await?;
            postgres.start_again().await
        }
    }
}

#[test]
fn forty_tables_are_equal_after_every_kind_of_kill() -> Result {
    let duration = seconds("E2E_SECONDS", 20);
    run_within("many_tables", duration * 3 + Duration::from_secs(300), async |kit| {
        let seed = Random::seed();
        println!("E2E_SEED={seed}");
        let mut random = Random::new(seed);
        let options = PostgresOptions::default().set("deadlock_timeout", "100ms").set("max_connections", "60");
        let mut postgres = kit.postgres_with(options).await?;
        let mut kafka = kit.kafka().await?;
        for database in DATABASES {
            postgres.create_database(database).await?;
        }
        let members = members(&DATABASES, TABLES);
        for member in &members {
            member.create(&postgres, ROWS_BEFORE).await?;
        }

        let writers = Writers::start_before_slots(postgres.port(), postgres.port(), &members, WRITERS, seed);
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", &DATABASES.join(","), "--partitions", "3"])?;
        let start = Instant::now();
        for delay in KILLS_IN_THE_SNAPSHOT {
            tokio::time::sleep(delay).await;
            carry_out(Break::KillWaltap, &mut waltap, &mut kafka, &mut postgres).await?;
        }
        waltap.wait_streaming_within(Duration::from_secs(120)).await?;
        println!("{:6.1} s: every tap streams", start.elapsed().as_secs_f64());

        let breaks = breaks(duration, &mut random);
        let longest_gap = duration * 2 / breaks.len() as u32;
        for what in breaks {
            // Each program gets some time to work, and none gets enough to be done.
            tokio::time::sleep(longest_gap.mul_f64(random.below(1000) as f64 / 1000.0)).await;
            println!("{:6.1} s: {what:?}, {} transactions", start.elapsed().as_secs_f64(), writers.committed());
            carry_out(what, &mut waltap, &mut kafka, &mut postgres).await?;
        }
        let report = writers.stop().await?;
        println!("{report:?}, {} deaths of waltap", waltap.deaths());
        ensure!(report.committed > 100, "the writers did next to nothing: {report:?}");

        let start = Instant::now();
        waltap.wait_streaming_within(Duration::from_secs(120)).await?;
        postgres.wait_confirmed(&DATABASES, Duration::from_secs(180)).await?;
        println!("caught up after {:?}", start.elapsed());
        waltap.stop_cleanly().await?;
        let reports = oracle::ensure_equal(&postgres, &kafka.topics(), &DATABASES).await?;
        let (rows, events) =
            reports.iter().fold((0, 0), |(rows, events), report| (rows + report.source_rows as u64, events + report.events));
        ensure!(events > rows * 2, "{events} events for {rows} rows: hardly a change was streamed, so nothing was shown");
        Ok(())
    })
}
