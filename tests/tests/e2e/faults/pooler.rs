//! A pooler between waltap and PostgreSQL, in either of its modes, as it comes and told to ignore what it does not know.

use waltap_tests::{PostgresOptions, Result, ensure, run};

use super::{DEADLINE, everything_arrives, failing_capture, shop};

const IGNORING: &str = "ignore_startup_parameters = options, extra_float_digits, replication";

#[test]
fn a_pooler_is_named_and_nothing_is_made_through_it() -> Result {
    run("pooler", async |kit| {
        let (postgres, kafka) = shop(kit, PostgresOptions::default()).await?;
        for settings in [
            &["pool_mode = session"][..],
            &["pool_mode = transaction"],
            &["pool_mode = session", IGNORING],
            &["pool_mode = transaction", IGNORING],
        ] {
            let pooler = kit.pooler(&postgres, settings).await?;
            let source = postgres.url_through("postgres", pooler.port());
            let output = failing_capture(kit, &source, &kafka, &["--database", "shop"], &[]).await?;
            output.expect(1, &["WT0061", "pooler", "connect to PostgreSQL directly"])?;
            ensure!(!output.stderr.contains("cannot start yet"), "{settings:?} is waited for:\n{}", output.stderr);
            let brokers = kafka.brokers();
            let check = ["check", "--source", &source, "--brokers", &brokers, "--database", "shop"];
            let check = kit.output(&check, &[], DEADLINE).await?;
            ensure!(check.code == 1 && check.stdout.contains("[WT0061]"), "{settings:?}: check says\n{}", check.stdout);
        }
        let shop = postgres.sql("shop").await?;
        let made = "SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots)";
        ensure!(shop.number(made).await? == 0, "something was made through a pooler");
        everything_arrives(kit, &postgres, &kafka).await
    })
}
