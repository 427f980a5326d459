//! A load balancer that leads the connections of one tap to two servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream};
use waltap_tests::{PostgresOptions, Result, free_port, oracle, run};

use super::{DEADLINE, fill};

/// What the first message of a session for replication says of itself; it is no longer than that.
const REPLICATION: &[u8] = b"replication\0";
const STARTUP_BYTES: usize = 2048;

#[test]
fn connections_that_lead_to_two_servers_are_told() -> Result {
    run("balancer", async |kit| {
        // Copies of one server, with one system identifier.
        let pair = kit.pair(PostgresOptions::default()).await?;
        let postgres = &pair.primary;
        fill(postgres).await?;
        let kafka = kit.kafka().await?;
        let balancing = Arc::new(AtomicBool::new(true));
        let port = free_port()?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let (to, is_balancing) = ([postgres.port(), pair.standby.port()], balancing.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut first = [0; STARTUP_BYTES];
                let read = client.peek(&mut first).await.unwrap_or_default();
                let replicates = first[..read].windows(REPLICATION.len()).any(|bytes| bytes == REPLICATION);
                let target = to[usize::from(replicates && is_balancing.load(Ordering::Relaxed))];
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(("127.0.0.1", target)).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        let (source, brokers) = (postgres.url_through("postgres", port) + "/?sslmode=disable", kafka.brokers());
        let mut waltap = kit.waltap(&["capture", "--database", "shop", "--source", &source, "--brokers", &brokers], &[])?;
        waltap.wait_log("lead to two servers", DEADLINE).await?;
        waltap.process().ensure_running()?;
        balancing.store(false, Ordering::Relaxed);
        waltap.wait_streaming().await?;
        postgres.sql("shop").await?.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
