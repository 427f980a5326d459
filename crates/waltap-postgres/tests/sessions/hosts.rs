//! Which server a session goes to.

use std::time::{Duration, Instant};

use waltap_error::{Code, Kind};

use super::{open, refused, value};
use crate::fixture::{Cluster, parse};

/// A port on which nobody listens.
fn dead_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn the_next_host_takes_over_from_a_dead_one() {
    let cluster = Cluster::start();
    let (dead, alive) = (dead_port(), cluster.port());
    let sql = open(&parse(&format!("postgres://postgres@127.0.0.1:{dead},127.0.0.1:{alive}"))).await.unwrap();
    assert_eq!(value(&sql, "SELECT inet_server_port()::text").await, alive.to_string());

    let error = refused(&parse(&format!("postgres://postgres@127.0.0.1:{dead}"))).await;
    assert_eq!((error.code(), error.kind()), (Code::CONNECT, Kind::Transient));
    assert!(error.report().contains("refused"), "{}", error.report());
    let error = refused(&parse(&format!("postgres://postgres:secret@127.0.0.1:{dead},nowhere.invalid:1"))).await;
    assert_eq!((error.code(), error.kind()), (Code::CONNECT, Kind::Transient));
    assert!(!error.report().contains("secret") && error.report().contains("nowhere.invalid"), "{}", error.report());
}

#[tokio::test]
async fn a_refusal_that_no_other_host_would_mend_ends_the_search() {
    let refusing = Cluster::with().hba("host all postgres all reject").start();
    let willing = Cluster::start();
    let url = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}?sslmode=disable", refusing.port(), willing.port());
    assert_eq!(refused(&parse(&url)).await.code(), Code::AUTHENTICATION);
}

#[tokio::test]
async fn a_host_that_never_answers_is_given_up_in_time() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = mute.local_addr().unwrap().port();
    let begun = Instant::now();
    let error = parse(&format!("postgres://postgres@127.0.0.1:{port}?connect_timeout=1")).sql("postgres").await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::CONNECT, Kind::Transient));
    assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    let cluster = Cluster::start();
    let url = format!("postgres://postgres@127.0.0.1:{port},127.0.0.1:{}?connect_timeout=1", cluster.port());
    parse(&url).sql("postgres").await.unwrap();
}

#[tokio::test]
async fn the_session_goes_to_the_server_that_is_asked_for() {
    let writable = Cluster::start();
    let read_only = Cluster::with().setting("default_transaction_read_only", "on").start();
    let (one, other) = (read_only.port(), writable.port());
    let url =
        |attributes: &str| format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{other}?target_session_attrs={attributes}");
    for (attributes, port) in [("any", one), ("read-write", other), ("read-only", one), ("primary", one), ("prefer-standby", one)]
    {
        let sql = open(&parse(&url(attributes))).await.unwrap_or_else(|error| panic!("{attributes}: {}", error.report()));
        assert_eq!(value(&sql, "SELECT inet_server_port()::text").await, port.to_string(), "{attributes}");
    }
    // A failover may bring one, so it is worth waiting for.
    let error = refused(&parse(&url("standby"))).await;
    assert_eq!((error.code(), error.kind()), (Code::CONNECT, Kind::Transient), "{}", error.report());
    assert!(error.report().contains("target_session_attrs=standby"), "{}", error.report());
}

#[tokio::test]
async fn unix_sockets_and_ipv6() {
    let cluster = Cluster::start();
    let port = cluster.port();
    let folder = cluster.folder().display().to_string();
    for url in [
        format!("postgres://postgres@{}:{port}", folder.replace('/', "%2F")),
        format!("postgres://postgres@/postgres?host={folder}&port={port}"),
        format!("host={folder} port={port} user=postgres"),
    ] {
        let sql = open(&parse(&url)).await.unwrap_or_else(|error| panic!("{url}: {}", error.report()));
        let address: Option<String> = sql.query_one("SELECT inet_server_addr()::text", &[]).await.unwrap().get(0);
        assert_eq!(address, None, "{url}");
    }
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let sql = open(&parse(&format!("postgres://postgres@[::1]:{port}"))).await.unwrap();
    assert_eq!(value(&sql, "SELECT host(inet_server_addr())").await, "::1");
}
