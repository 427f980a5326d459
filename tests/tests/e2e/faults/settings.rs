//! Faults of what the user asked for.

use std::fs;

use waltap_tests::{PostgresOptions, Result, ensure, run};

use super::{DEADLINE, everything_arrives, failing_capture, shop};

#[test]
fn a_pattern_that_matches_nothing() -> Result {
    run("no_match", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        let source = postgres.url("postgres");
        let table = failing_capture(kit, &source, &kafka, &["--database", "shop", "--table", "public.ordres"], &[]).await?;
        table.expect(1, &["WT0015", "public.ordres"])?;
        let database = failing_capture(kit, &source, &kafka, &["--database", "shpo"], &[]).await?;
        database.expect(1, &["WT0016", "shpo"])?;
        let slots = postgres.sql("postgres").await?.number("SELECT count(*) FROM pg_replication_slots").await?;
        ensure!(slots == 0, "{slots} slots were made for nothing");
        everything_arrives(kit, &postgres, &kafka).await
    })
}

#[test]
fn an_unknown_configuration_key() -> Result {
    run("unknown_key", async |kit| {
        let file = kit.folder().join("capture.yaml");
        fs::write(&file, "source: postgres://postgres@127.0.0.1:1\nbrokrs: 127.0.0.1:2\n")?;
        let file = file.display().to_string();
        let output = kit.output(&["capture", "--config", &file], &[], DEADLINE).await?;
        output.expect(2, &["WT0031", "brokrs", "brokers"])
    })
}
