//! What comes out of a stream is what went into the table.

use std::time::Duration;

use waltap_postgres::{Filled, SlotOptions};

use super::{Read, SLOT, connect, durable, insert, options, server, start};
use crate::fixture::{Cluster, PATIENCE};

#[tokio::test]
async fn rows_arrive_in_order_and_a_stopped_stream_goes_on_where_it_was_confirmed() {
    let cluster = Cluster::start();
    let point = server(&cluster).await;
    let (mut stream, status) = start(&cluster.source(""), point).await;
    insert(&cluster, 1, 1000);
    let mut read = Read::default();
    read.until(&mut stream, |read| read.rows.len() == 1000 && read.commit_end > point).await;
    assert!(read.rows.iter().enumerate().all(|(index, (id, length))| *id == (index + 1).to_string() && *length == 50));
    status.confirm(durable(read.commit_end));
    stream.stop(PATIENCE).await.unwrap();
    assert_eq!(super::confirmed_flush(&cluster), read.commit_end, "the last status went out before the end");
    assert_eq!(cluster.psql("postgres", "SELECT active FROM pg_replication_slots"), "f");

    insert(&cluster, 1001, 1010);
    let (mut stream, _status) = start(&cluster.source(""), point).await;
    let mut read = Read::default();
    read.until(&mut stream, |read| read.rows.len() >= 10).await;
    assert_eq!(read.rows.first().map(|(id, _)| id.as_str()), Some("1001"), "what was confirmed does not come again");
}

#[tokio::test]
async fn a_cancelled_fill_loses_nothing() {
    let cluster = Cluster::with().tls().start();
    let point = server(&cluster).await;
    insert(&cluster, 1, 100_000);
    for rest in ["?sslmode=disable", "?sslmode=require"] {
        let (mut stream, _status) = start(&cluster.source(rest), point).await;
        let mut read = Read::default();
        let mut cancelled = 0;
        let reading = async {
            while read.rows.len() < 100_000 {
                tokio::select! {
                    filled = stream.fill() => assert_eq!(filled.unwrap(), Filled::Data),
                    () = tokio::time::sleep(Duration::from_micros(100)) => cancelled += 1,
                }
                read.drain(&mut stream).unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("all rows");
        assert!(cancelled > 0, "nothing was cancelled: the test shows nothing");
        assert!(read.rows.iter().enumerate().all(|(index, (id, _))| *id == (index + 1).to_string()), "{rest}");
        stream.stop(PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_value_larger_than_the_buffer_comes_whole_over_every_transport() {
    let cluster = Cluster::with().tls().start();
    let point = server(&cluster).await;
    insert(&cluster, 1, 10);
    cluster.psql("postgres", "INSERT INTO t VALUES (11, repeat('y', 30000000))");
    insert(&cluster, 12, 20);
    let folder = cluster.folder().display().to_string().replace('/', "%2F");
    let unix = crate::fixture::parse(&format!("postgres://postgres@{folder}:{}", cluster.port()));
    for source in [cluster.source("?sslmode=disable"), cluster.source("?sslmode=require"), unix] {
        let (mut stream, _status) = start(&source, point).await;
        let mut read = Read::default();
        read.until(&mut stream, |read| read.rows.len() == 20).await;
        assert_eq!(read.rows[10], ("11".to_owned(), 30_000_000));
        stream.stop(PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn messages_come_when_they_are_asked_for_and_names_may_be_strange() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE TABLE t (id int PRIMARY KEY, note text)");
    cluster.psql("postgres", "CREATE PUBLICATION \"it's, \"\"odd\"\"\" FOR TABLE t");
    let slot = connect(&cluster.source("")).await.create_slot(SLOT, SlotOptions::default()).await.unwrap();
    cluster.psql("postgres", "SELECT pg_logical_emit_message(true, 'waltap', 'tick')");
    insert(&cluster, 1, 1);
    for messages in [true, false] {
        let mut options = options(slot.consistent_point);
        options.publications = vec!["it's, \"odd\"".to_owned()];
        options.messages = messages;
        let (mut stream, _status) = connect(&cluster.source("")).await.start(options).await.unwrap();
        let mut read = Read::default();
        read.until(&mut stream, |read| read.rows.len() == 1).await;
        let expected: &[&[u8]] = if messages { &[b"tick"] } else { &[] };
        assert_eq!(read.messages, expected);
        stream.stop(PATIENCE).await.unwrap();
    }
}
