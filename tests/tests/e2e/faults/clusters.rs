//! Another Kafka cluster behind the same brokers, with all that the first one knew.

use waltap_tests::{Failure, KafkaOptions, PROGRESS, PostgresOptions, Proxy, Result, ensure, free_port, run, wait_until};

use super::{DEADLINE, fill};

#[test]
fn another_cluster_behind_the_same_brokers() -> Result {
    run("other_cluster", async |kit| {
        let postgres = kit.postgres_with(PostgresOptions::default()).await?;
        fill(&postgres).await?;
        let port = free_port()?;
        let through = |cluster_id: &str| KafkaOptions {
            through_port: Some(port),
            cluster_id: Some(cluster_id.to_owned()),
            ..KafkaOptions::default()
        };
        let first = kit.kafka_with(through("Zmlyc3QtY2x1c3Rlci1vbg")).await?;
        let second = kit.kafka_with(through("b3RoZXItY2x1c3Rlci10d2")).await?;
        let proxy = Proxy::start_on(port, first.inner_port()).await?;
        let mut waltap = kit.capture(&postgres, &first, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;

        // The mirror: the same topics, with progress as it stands.
        let (source, brokers) = (postgres.url("postgres"), format!("127.0.0.1:{}", second.port()));
        postgres.create_database("crm").await?.run("CREATE TABLE c (id int PRIMARY KEY)").await?;
        let other = ["capture", "--name", "other", "--source", &source, "--brokers", &brokers, "--database", "crm"];
        let mut other = kit.waltap(&other, &[])?;
        other.wait_streaming().await?;
        ensure!(other.terminate().await? == 0, "the other capture did not stop as asked");
        second.topics().create("shop.public.t", 1).await?;
        for topic in [PROGRESS, "shop.public.t"] {
            let records = first.topics().read(topic).await?;
            let records = records.iter().filter_map(|record| Some((record.key.as_deref()?, record.value.as_deref()?)));
            second.topics().produce(topic, &records.collect::<Vec<_>>()).await?;
        }
        let mirrored = second.topics().read("shop.public.t").await?.len();

        // The name leads elsewhere while waltap runs.
        drop(proxy);
        let proxy = lead(port, second.inner_port()).await?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (12)").await?;
        ensure!(waltap.wait_exit(DEADLINE * 2).await? == 1, "it goes on:\n{}", waltap.log());
        ensure!(waltap.log().contains("WT0036"), "another error:\n{}", waltap.log());
        let told = waltap.log().len();
        waltap.start_again()?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "the next start goes on:\n{}", waltap.log());
        ensure!(waltap.log()[told..].contains("WT0036"), "the next start says something else:\n{}", waltap.log());
        println!("{} records came into the mirror", second.topics().read("shop.public.t").await?.len() - mirrored);
        let check = ["check", "--source", &source, "--brokers", &brokers, "--database", "shop"];
        let check = kit.output(&check, &[], DEADLINE).await?;
        ensure!(check.code == 1 && check.stdout.contains("[WT0036]"), "check does not see it:\n{}", check.stdout);

        // Back at the first: what the mirror had confirmed meanwhile is not there, and that is told too.
        drop(proxy);
        let _proxy = lead(port, first.inner_port()).await?;
        let told = waltap.log().len();
        waltap.start_again()?;
        wait_until("it goes on, or says what is lost", DEADLINE, async || {
            Ok(waltap.log()[told..].contains("WT0011") || waltap.log()[told..].contains("going on with the slot"))
        })
        .await?;
        Ok(())
    })
}

/// Leads a port to another, once the proxy of before has let go of it.
async fn lead(port: u16, target: u16) -> Result<Proxy> {
    let mut proxy = None;
    wait_until("the port is free again", DEADLINE, async || {
        proxy = Proxy::start_on(port, target).await.ok();
        Ok(proxy.is_some())
    })
    .await?;
    proxy.ok_or_else(|| Failure::new("no proxy"))
}
