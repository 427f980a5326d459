//! A transaction of ten million rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use waltap_tests::{PostgresOptions, Result, Waltap, ensure, open_file_bytes, run_within, wait_until};

use super::{SpillFolder, tap, wait_open};

const ROWS: u64 = 10_000_000;

/// What waltap may use of memory, however large a transaction is.
const MEMORY_MAX: u64 = 150 << 20;

/// What it may use of the disk: its changes are some 80 bytes each as the server sends them, and what is kept beside them is little.
const DISK_MAX: u64 = 3 << 29;

/// How often the disk is looked at. It takes seconds to fill what is to be noticed.
const LOOK: Duration = Duration::from_millis(50);

const DEADLINE: Duration = Duration::from_secs(3_000);

/// Looks at what waltap's files take of the disk, for as long as it runs, and keeps the most of it.
fn watch_disk(spill: &SpillFolder, waltap: &mut Waltap) -> Arc<AtomicU64> {
    let peak = Arc::new(AtomicU64::new(0));
    let (kept, folder, process) = (peak.clone(), spill.0.clone(), waltap.process().id());
    tokio::spawn(async move {
        while let Ok(bytes) = open_file_bytes(process, &folder) {
            kept.fetch_max(bytes, Ordering::Relaxed);
            tokio::time::sleep(LOOK).await;
        }
    });
    peak
}

/// Fails unless something of the disk was used, not too much of it, and nothing any more. The next one begins at nothing.
fn ensure_given_back(spill: &SpillFolder, waltap: &mut Waltap, peak: &AtomicU64) -> Result {
    let (peak, now) = (peak.swap(0, Ordering::Relaxed), spill.bytes(waltap)?);
    println!("the disk at most: {} MiB", peak >> 20);
    ensure!(peak > 0 && peak < DISK_MAX, "{} MiB of the disk", peak >> 20);
    ensure!(now == 0, "{} MiB of the disk are not given back", now >> 20);
    Ok(())
}

#[test]
#[ignore = "make test-large"]
fn a_transaction_of_ten_million_rows() -> Result {
    run_within("streaming_ten_million", 2 * DEADLINE, async |kit| {
        // As a server is set up that nobody has touched.
        let postgres = kit.postgres_with(PostgresOptions::default().set("max_wal_size", "4GB")).await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE small (id int PRIMARY KEY)").await?;
        let spill = SpillFolder::new(kit)?;
        let flags = ["--database", "shop", "--streaming", "on", "--core-dumps", "--spill-directory", &spill.shown()];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        let disk_peak = watch_disk(&spill, &mut waltap);
        let rows =
            |from: u64| format!("INSERT INTO t SELECT g, repeat('x', 40) FROM generate_series({from}, {}) g", from + ROWS - 1);

        // One that comes to nothing, and one that is kept but for a savepoint.
        let start = Instant::now();
        let aborted = postgres.sql("shop").await?;
        aborted.run(&format!("BEGIN; {}", rows(1))).await?;
        wait_open(&waltap, 1, true).await?;
        aborted.run("ROLLBACK").await?;
        println!("{ROWS} rows written and rolled back in {:?}", start.elapsed());
        wait_until("the rollback has arrived", DEADLINE, async || {
            Ok(tap(&waltap).await?["open_transactions"].as_u64() == Some(0))
        })
        .await?;
        println!("all of it is forgotten after {:?}", start.elapsed());
        ensure_given_back(&spill, &mut waltap, &disk_peak)?;

        let start = Instant::now();
        let kept = postgres.sql("shop").await?;
        kept.run(&format!(
            "BEGIN; {}; SAVEPOINT a; INSERT INTO t SELECT -g, 'undone' FROM generate_series(1, 100000) g; ROLLBACK TO a",
            rows(1)
        ))
        .await?;
        println!("{ROWS} rows written in {:?}", start.elapsed());
        wait_open(&waltap, 1, true).await?;
        shop.run("INSERT INTO small VALUES (1)").await?;
        let small = Instant::now();
        wait_until("another transaction has arrived", DEADLINE, async || {
            Ok(kafka.topics().read("shop.public.small").await.is_ok_and(|records| records.len() == 1))
        })
        .await?;
        println!("another transaction arrived after {:?}, with the large one open", small.elapsed());
        ensure!(
            kafka.topics().read("shop.public.t").await?.is_empty(),
            "something of an open or an aborted transaction was sent"
        );
        let commit = Instant::now();
        kept.run("COMMIT").await?;
        wait_until("all of it is confirmed", DEADLINE, async || {
            let tap = tap(&waltap).await?;
            Ok(tap["events"].as_u64() >= Some(ROWS + 1) && tap["in_flight_bytes"].as_u64() == Some(0))
        })
        .await?;
        println!("sent and confirmed {:?} after its commit", commit.elapsed());
        wait_open(&waltap, 0, false).await?;
        let peak = waltap.process().peak_resident_bytes()?;
        println!("memory at most: {} MiB", peak >> 20);
        ensure_given_back(&spill, &mut waltap, &disk_peak)?;
        waltap.stop_cleanly().await?;
        let mut next = 0;
        kafka.topics().visit(&["shop.public.t"], &mut |record| {
            next += 1;
            let key = record.key.unwrap_or_default();
            ensure!(key == format!("{{\"id\":{next}}}"), "record {next} has the key {key}");
            Ok(())
        })?;
        println!("{next} records, in order");
        ensure!(next == ROWS, "{next} records");
        ensure!(peak < MEMORY_MAX, "{} MiB of memory", peak >> 20);
        Ok(())
    })
}
