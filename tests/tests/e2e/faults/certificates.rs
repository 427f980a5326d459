//! Certificates that expire while waltap streams: what is open goes on, and whoever connects anew is told.

use waltap_tests::{Certificates, Clock, KafkaOptions, PostgresOptions, Result, ensure, oracle, run};

use super::{DEADLINE, fill};

/// Past the end of the certificates.
const LATER: i64 = 4 * 24 * 3600;

#[test]
fn certificates_that_expire_while_streaming() -> Result {
    run("certificates_expire", async |kit| {
        let certificates = Certificates::make(kit.folder())?;
        let mut postgres = kit.postgres_with(PostgresOptions::default().with_certificate(&certificates)).await?;
        fill(&postgres).await?;
        let encrypted = KafkaOptions { certificate: Some(certificates.both()), ..KafkaOptions::default() };
        // The broker's clock stays where it is, and is not to mind.
        let encrypted = encrypted.set("log.message.timestamp.after.max.ms", &i64::MAX.to_string());
        let kafka = kit.kafka_with(encrypted).await?;
        let clock = Clock::new(kit.folder())?;
        let authority = certificates.authority().display().to_string();
        let source = format!("{}/?sslmode=verify-full&sslrootcert={authority}", postgres.url("postgres"));
        let (brokers, trusted) = (kafka.encrypted_brokers(), format!("ssl.ca.location={authority}"));
        let arguments = ["capture", "--database", "shop", "--source", &source, "--brokers", &brokers];
        let properties = ["--kafka-property", "security.protocol=ssl", "--kafka-property", &trusted];
        let environment = clock.environment();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut waltap = kit.waltap(&[&arguments[..], &properties].concat(), &environment)?;
        waltap.wait_streaming().await?;
        let shop = postgres.sql("shop").await?;
        // The stream's producer connects to a partition's leader with its first record.
        shop.run("INSERT INTO t VALUES (0)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;

        clock.set(LATER)?;
        shop.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.process().ensure_running()?;
        // The source: a wrong certificate is nothing that waiting mends.
        shop.run("INSERT INTO t VALUES (12)").await?;
        postgres.stop_immediate().await?;
        postgres.start_again().await?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "it goes on:\n{}", waltap.log());
        let log = waltap.log();
        ensure!(log.contains("WT0003") && log.contains("expired"), "another error:\n{log}");

        // Renewed, that is to say: valid again.
        clock.set(0)?;
        waltap.start_again()?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
