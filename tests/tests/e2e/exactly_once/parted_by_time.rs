//! A transaction that takes longer than a Kafka transaction may last.

use waltap_tests::{Proxy, Result, ensure, run, wait_until};

use super::{DEADLINE, positions};

const ROWS: u64 = 12_000;

/// After so long Kafka rolls a transaction back; half of it is waited for the rest of a PostgreSQL transaction.
const TIMEOUT: &str = "transaction.timeout.ms=8000";

/// What the wire passes in a second: the rows take several times the timeout, so that none of them would be there, were it not parted.
const NARROW: u64 = 150_000;

#[test]
fn a_transaction_that_is_parted_by_time_comes_once() -> Result {
    run("exactly_once_parted_by_time", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, body text)").await?;
        let wire = Proxy::start(postgres.port()).await?;
        let (source, brokers) = (postgres.url_through("postgres", wire.port()), kafka.brokers());
        let flags = ["capture", "--source", &source, "--brokers", &brokers, "--database", "shop"];
        // Not streamed: it comes over the narrow wire while it is being sent on, and not before.
        let more = ["--delivery", "exactly-once", "--kafka-property", TIMEOUT, "--streaming", "off"];
        let mut waltap = kit.waltap(&[&flags[..], &more].concat(), &[])?;
        waltap.wait_streaming().await?;
        wire.throttle(Some(NARROW));
        shop.run(&format!("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, {ROWS}) g")).await?;
        let mut parts = vec![0];
        let mut killed = false;
        wait_until("all of it is committed", DEADLINE, async || {
            let now = kafka.topics().read("shop.public.t").await?.len() as u64;
            if Some(&now) != parts.last() {
                parts.push(now);
            }
            // Amid the transaction, of which parts are committed: what comes again up to there is passed over.
            if parts.len() == 3 && !killed {
                waltap.kill().await?;
                waltap.start_again()?;
                killed = true;
            }
            Ok(now == ROWS)
        })
        .await
        .map_err(|failure| failure.while_doing(format!("{parts:?}")))?;
        println!("seen so far, one commit after the other: {parts:?}");
        ensure!(killed && parts.len() >= 4, "it was not parted by time: {parts:?}");
        wire.heal();
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        let positions = positions(&kafka, "shop.public.t").await?;
        ensure!(positions.windows(2).all(|pair| pair[0].0 == pair[1].0), "more than one transaction");
        let ordinals: Vec<u64> = positions.iter().filter_map(|(_, seq)| *seq).collect();
        ensure!(
            ordinals == (0..ROWS).collect::<Vec<_>>(),
            "{} changes: {:?}…",
            ordinals.len(),
            &ordinals[..ordinals.len().min(10)]
        );
        Ok(())
    })
}
