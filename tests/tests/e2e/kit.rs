//! The kit holds what it promises.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use waltap_tests::{Direction, KafkaOptions, PostgresOptions, Proxy, Result, Side, ensure, free_port, run, wait_until};

#[test]
fn postgres_keeps_what_it_committed_through_every_kind_of_end() -> Result {
    run("kit_postgres", async |kit| {
        let options = PostgresOptions::default().set("wal_sender_timeout", "10s").ask_password("app");
        let mut postgres = kit.postgres_with(options).await?;
        let sql = postgres.create_database("shop").await?;
        ensure!(sql.value("SHOW wal_level").await? == "logical", "wal_level");
        ensure!(sql.value("SHOW wal_sender_timeout").await? == "10s", "wal_sender_timeout");
        sql.run("CREATE TABLE a (id int PRIMARY KEY); CREATE ROLE app LOGIN PASSWORD 'right'; INSERT INTO a VALUES (1)").await?;
        postgres.stop_fast().await?;
        ensure!(postgres.sql("shop").await.is_err(), "a stopped server answers");
        postgres.start_again().await?;
        postgres.sql("shop").await?.run("INSERT INTO a VALUES (2)").await?;
        postgres.stop_immediate().await?;
        postgres.start_again().await?;
        postgres.sql("shop").await?.run("INSERT INTO a VALUES (3)").await?;
        postgres.kill().await?;
        postgres.start_again().await?;
        let sql = postgres.sql("shop").await?;
        ensure!(sql.column("SELECT id FROM a ORDER BY id").await? == ["1", "2", "3"], "a row was lost");
        ensure!(postgres.sql_as("shop", "app", "wrong").await.is_err(), "the wrong password was taken");
        postgres.sql_as("shop", "app", "right").await?;

        postgres.pause()?;
        let paused = tokio::time::timeout(Duration::from_millis(300), sql.value("SELECT 1")).await;
        ensure!(paused.is_err(), "a paused server answers");
        postgres.resume()?;
        ensure!(postgres.sql("shop").await?.value("SELECT 1").await? == "1", "it goes on");
        Ok(())
    })
}

#[test]
fn kafka_keeps_what_it_confirmed_through_a_kill() -> Result {
    run("kit_kafka", async |kit| {
        let start = Instant::now();
        let mut kafka = kit.kafka().await?;
        println!("kafka started in {:?}", start.elapsed());
        let topics = kafka.topics();
        topics.create("kept", 3).await?;
        topics.produce("kept", &[("a", "1"), ("b", "2"), ("a", "3")]).await?;
        let before = topics.read("kept").await?;
        ensure!(before.len() == 3, "{before:?}");
        let start = Instant::now();
        kafka.kill().await?;
        kafka.start_again().await?;
        println!("kafka was back after a kill in {:?}", start.elapsed());
        topics.produce("kept", &[("b", "4")]).await?;
        let after = topics.read("kept").await?;
        println!("and took a record after {:?}", start.elapsed());
        let of = |key: &str| -> Vec<String> {
            after.iter().filter(|record| record.key.as_deref() == Some(key)).filter_map(|record| record.value.clone()).collect()
        };
        ensure!(of("a") == ["1", "3"] && of("b") == ["2", "4"], "{after:?}");

        kafka.pause()?;
        let reading = tokio::time::timeout(Duration::from_millis(500), topics.names()).await;
        ensure!(reading.is_err(), "a paused broker answers");
        kafka.resume()?;
        ensure!(topics.names().await? == ["kept"], "it goes on");
        ensure!(topics.read("never made").await.is_err(), "a topic was made by looking for it");
        kafka.stop().await?;
        kafka.start_again().await?;
        ensure!(topics.read("kept").await?.len() == 4, "a record was lost by an orderly stop");
        Ok(())
    })
}

#[test]
fn kafka_can_stand_behind_a_proxy() -> Result {
    run("kit_kafka_proxy", async |kit| {
        let through_port = free_port()?;
        let kafka = kit.kafka_with(KafkaOptions { through_port: Some(through_port), ..KafkaOptions::default() }).await?;
        let proxy = Proxy::start_on(through_port, kafka.inner_port()).await?;
        kafka.topics().create("t", 1).await?;
        let through = waltap_tests::Topics::new(kafka.brokers());
        through.produce("t", &[("k", "1")]).await?;
        proxy.freeze(true);
        let stalled = tokio::time::timeout(Duration::from_millis(500), through.read("t")).await;
        ensure!(stalled.is_err(), "a record came through a frozen proxy");
        ensure!(kafka.topics().read("t").await?.len() == 1, "the straight way is frozen too");
        proxy.freeze(false);
        ensure!(through.read("t").await?.len() == 1, "it goes on");
        Ok(())
    })
}

#[test]
fn proxy_does_to_a_connection_whatever_networks_do() -> Result {
    run("kit_proxy", async |_| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let target = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let proxy = Proxy::start(target).await?;
        let mut answer = [0; 4];

        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).await?;
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut answer).await?;
        ensure!(&answer == b"ping", "{answer:?}");

        proxy.delay(Duration::from_millis(100), Duration::ZERO);
        let start = Instant::now();
        stream.write_all(b"slow").await?;
        stream.read_exact(&mut answer).await?;
        ensure!(start.elapsed() >= Duration::from_millis(200), "both ways are delayed, but it took {:?}", start.elapsed());

        proxy.cut();
        wait_until("the connection is cut", Duration::from_secs(5), async || {
            Ok(matches!(stream.read(&mut [0; 4]).await, Ok(0) | Err(_)))
        })
        .await?;

        proxy.delay(Duration::ZERO, Duration::ZERO);
        proxy.refuse(true);
        let mut refused = TcpStream::connect(("127.0.0.1", proxy.port())).await?;
        ensure!(matches!(refused.read(&mut [0; 4]).await, Ok(0) | Err(_)), "a refused connection stays open");
        proxy.heal();

        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).await?;
        proxy.throttle(Some(40));
        let start = Instant::now();
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut answer).await?;
        ensure!(start.elapsed() >= Duration::from_millis(150), "both ways are throttled, but it took {:?}", start.elapsed());
        proxy.heal();

        proxy.freeze_one(Direction::Down, true);
        stream.write_all(b"half").await?;
        let frozen = tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut answer)).await;
        ensure!(frozen.is_err(), "an answer came through the frozen half");
        proxy.freeze_one(Direction::Down, false);
        stream.read_exact(&mut answer).await?;
        ensure!(&answer == b"half", "{answer:?}");

        proxy.abandon(Side::Server);
        stream.write_all(b"lost").await?;
        let silent = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut answer)).await;
        ensure!(silent.is_err(), "the client was told, or answered: {silent:?}");
        proxy.heal();
        ensure!(matches!(stream.read(&mut answer).await, Ok(0) | Err(_)), "an abandoned connection stays open");
        Ok(())
    })
}
