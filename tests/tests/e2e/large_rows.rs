//! The stream of large changes is read as suits them from the beginning, by what the server has counted.

use std::time::Duration;

use waltap_tests::{Result, ensure, oracle, run, wait_until};

/// Logged for a stream that is read through a small window.
const SMALL_WINDOW: &str = "is read through a small window";

#[test]
fn a_database_of_large_rows_is_not_read_through_a_small_window() -> Result {
    run("large_rows", async |kit| {
        let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
        for (database, length, is_small) in [("narrow", 100, true), ("wide", 7_900, false)] {
            let sql = postgres.create_database(database).await?;
            sql.run("CREATE TABLE t (id int PRIMARY KEY, body text); ALTER TABLE t ALTER body SET STORAGE PLAIN").await?;
            let rows =
                |from: u32| format!("INSERT INTO t SELECT g, repeat('x', {length}) FROM generate_series({from}, {from} + 999) g");
            sql.run(&rows(1)).await?;
            // The server counts them some time after their commit.
            let counted = "SELECT count(*) FROM pg_stat_user_tables WHERE n_tup_ins = 1000 AND n_live_tup = 1000";
            wait_until("the rows are counted", Duration::from_secs(60), async || Ok(sql.number(counted).await? == 1)).await?;

            let mut waltap = kit.capture(&postgres, &kafka, &["--database", database, "--log-level", "debug"])?;
            waltap.wait_streaming().await?;
            sql.run(&rows(1001)).await?;
            postgres.wait_confirmed(&[database], Duration::from_secs(60)).await?;
            waltap.stop_cleanly().await?;
            ensure!(waltap.log().contains(SMALL_WINDOW) == is_small, "{database}:\n{}", waltap.log());
        }
        let reports = oracle::ensure_equal(&postgres, &kafka.topics(), &["narrow", "wide"]).await?;
        ensure!(reports.len() == 2, "{reports:?}");
        Ok(())
    })
}
