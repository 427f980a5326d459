//! Memory is bounded, whatever the size of a table or a transaction.

use std::time::{Duration, Instant};

use waltap_tests::{Result, ensure, oracle, run_within};

const RESIDENT_BYTES_MAX: u64 = 100_000_000;

/// Rows of the snapshot, and again of one transaction.
const ROWS: u64 = 1_000_000;

#[test]
fn a_million_rows_pass_in_less_than_100_megabytes() -> Result {
    run_within("memory", Duration::from_secs(900), async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id bigint PRIMARY KEY, body text)").await?;
        let insert = |first: u64| {
            format!("INSERT INTO t SELECT g, 'row ' || g || md5(g::text) FROM generate_series({first}, {}) g", first + ROWS - 1)
        };
        shop.run(&insert(1)).await?;
        let start = Instant::now();
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming_within(Duration::from_secs(300)).await?;
        let snapshot_peak = waltap.process().peak_resident_bytes()?;
        println!("snapshot: {:?}, {snapshot_peak} bytes at most", start.elapsed());
        let start = Instant::now();
        shop.run(&insert(ROWS + 1)).await?;
        postgres.wait_confirmed(&["shop"], Duration::from_secs(400)).await?;
        let peak = waltap.process().peak_resident_bytes()?;
        println!("transaction: {:?}, {peak} bytes at most", start.elapsed());
        ensure!(peak < RESIDENT_BYTES_MAX, "{snapshot_peak} bytes at most in the snapshot, {peak} in all");
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
