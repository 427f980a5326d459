//! Both sides stay alive, and notice when the other one does not.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use waltap_error::{Code, Kind};

use super::{Read, insert, server, start};
use crate::fixture::{Cluster, PATIENCE, eventually, parse};

/// A server that gives us up after two seconds, which a busy machine does not keep us waiting for. Chosen for the role: what is set for the whole
/// server is not taken over when it is so short.
fn impatient() -> Cluster {
    let cluster = Cluster::start();
    cluster.psql("postgres", "ALTER ROLE postgres SET wal_sender_timeout = '2s'");
    cluster
}

/// Waits until the server has heard from the WAL receiver of process `pid` more than `for_seconds` after now.
async fn server_hears_of_us(cluster: &Cluster, for_seconds: u32) {
    let begun = cluster.psql("postgres", "SELECT clock_timestamp()");
    let query = format!(
        "SELECT bool_or(reply_time > '{begun}'::timestamptz + interval '{for_seconds} s'), count(*) FROM pg_stat_replication"
    );
    eventually("a status long after", async || match cluster.psql("postgres", &query).as_str() {
        "t|1" => Some(()),
        "f|1" | "|1" => None,
        other => panic!("the server gave us up: {other}"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_reader_outlives_the_servers_patience_many_times() {
    let cluster = impatient();
    let point = server(&cluster).await;
    let process = |cluster: &Cluster| cluster.psql("postgres", "SELECT pid FROM pg_stat_replication");
    let (mut stream, status) = start(&cluster.source(""), point).await;
    assert!(status.interval() <= Duration::from_millis(667), "{:?}", status.interval());
    let before = process(&cluster);
    // Much more than the sockets hold: the server stands in the middle of sending.
    insert(&cluster, 1, 400_000);
    server_hears_of_us(&cluster, 8).await;
    assert_eq!(process(&cluster), before, "it is still the same session");
    let mut read = Read::default();
    read.until(&mut stream, |read| read.rows.len() == 400_000).await;
    stream.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_is_not_taken_for_a_dead_one() {
    let cluster = impatient();
    let point = server(&cluster).await;
    let (mut stream, _status) = start(&cluster.source(""), point).await;
    let mut read = Read::default();
    // Far beyond the silence that is borne, of which there is none: timed statuses ask for an answer.
    let (quiet, ()) = tokio::join!(
        async { tokio::time::timeout(Duration::from_secs(9), read.read_until_it_ends(&mut stream)).await },
        server_hears_of_us(&cluster, 8)
    );
    assert!(quiet.is_err(), "the stream ended: {quiet:?}");
    assert!(read.keepalives >= 5, "{}", read.keepalives);
    insert(&cluster, 1, 1);
    read.until(&mut stream, |read| read.rows.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_patience_that_is_meant_for_others_is_not_taken_over() {
    let cluster = Cluster::with().setting("wal_sender_timeout", "1s").start();
    let point = server(&cluster).await;
    let (port, freeze) = proxy(cluster.port()).await;
    let (_stream, status) = start(&parse(&format!("postgres://postgres@127.0.0.1:{port}?sslmode=disable")), point).await;
    assert_eq!(status.interval(), Duration::from_secs(10));
    // What the server asks does not come through, so it hears nothing for several times what the whole server has.
    freeze.send(true).unwrap();
    let given_up = eventually_within(Duration::from_secs(4), async || {
        (cluster.psql("postgres", "SELECT count(*) FROM pg_stat_replication") == "0").then_some(())
    });
    assert!(given_up.await.is_none(), "the server gave us up after its own second");
}

/// `None` when it has not come by then.
async fn eventually_within<T>(patience: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if let Some(value) = condition().await {
            return Some(value);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_connection_is_noticed() {
    let cluster = impatient();
    let point = server(&cluster).await;
    let (port, freeze) = proxy(cluster.port()).await;
    let (mut stream, _status) = start(&parse(&format!("postgres://postgres@127.0.0.1:{port}?sslmode=disable")), point).await;
    insert(&cluster, 1, 10);
    let mut read = Read::default();
    read.until(&mut stream, |read| read.rows.len() == 10).await;
    freeze.send(true).unwrap();
    // Time in which nobody reads does not count.
    let begun = Instant::now();
    let error = read.read_until_it_ends(&mut stream).await.expect("an error");
    assert_eq!((error.code(), error.kind()), (Code::CONNECTION_LOST, Kind::Transient), "{}", error.report());
    assert!(error.message().contains("said nothing"), "{}", error.report());
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    // Whoever tries to end it in order is not kept for longer than he allows.
    stream.stop(Duration::from_millis(200)).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_walsender_and_a_crashed_server_are_transient() {
    let mut cluster = Cluster::start();
    let point = server(&cluster).await;
    let (mut stream, _status) = start(&cluster.source(""), point).await;
    insert(&cluster, 1, 10);
    cluster.psql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
    let error = Read::default().read_until_it_ends(&mut stream).await.expect("an error");
    assert_eq!((error.code(), error.kind()), (Code::CONNECTION_LOST, Kind::Transient), "{}", error.report());

    let (mut stream, _status) = start(&cluster.source(""), point).await;
    let mut read = Read::default();
    read.until(&mut stream, |read| read.rows.len() == 10).await;
    cluster.crash();
    let error = read.read_until_it_ends(&mut stream).await.expect("an error");
    assert_eq!((error.code(), error.kind()), (Code::CONNECTION_LOST, Kind::Transient), "{}", error.report());
    let error = cluster.source("").replication("postgres").await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::CONNECT, Kind::Transient), "{}", error.report());
}

/// A proxy that, once frozen, keeps its connections and passes nothing on to the client.
async fn proxy(to: u16) -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (freeze, frozen) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(("127.0.0.1", to)).await.expect("the server");
            let (mut near_read, mut near_write) = near.into_split();
            let (mut far_read, mut far_write) = far.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut near_read, &mut far_write).await });
            let mut frozen = frozen.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = far_read.read(&mut bytes).await {
                    if *frozen.borrow() {
                        // For good: nothing ever thaws it.
                        let _ = frozen.wait_for(|frozen| !frozen).await;
                    }
                    if near_write.write_all(&bytes[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, freeze)
}
