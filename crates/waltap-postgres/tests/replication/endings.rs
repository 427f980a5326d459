//! How streams end.

use std::time::Duration;

use waltap_error::{Code, Kind};
use waltap_postgres::Filled;

use super::{Read, confirmed_flush, durable, insert, server, start};
use crate::fixture::{Cluster, PATIENCE};

#[tokio::test]
async fn a_stop_in_the_middle_of_a_large_transaction() {
    let cluster = Cluster::start();
    let point = server(&cluster).await;
    insert(&cluster, 1, 10);
    let (mut stream, status) = start(&cluster.source(""), point).await;
    let mut read = Read::default();
    read.until(&mut stream, |read| read.rows.len() == 10 && read.commit_end > point).await;
    let end = read.commit_end;
    insert(&cluster, 11, 300_000);
    read.until(&mut stream, |read| read.rows.len() > 10).await;
    assert!(read.rows.len() < 200_000, "the sockets held it all: the test shows nothing");
    status.confirm(durable(end));
    stream.stop(PATIENCE).await.unwrap();
    assert_eq!(confirmed_flush(&cluster), end);
    assert_eq!(cluster.psql("postgres", "SELECT active FROM pg_replication_slots"), "f");
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_it_may() {
    let cluster = Cluster::start();
    let point = server(&cluster).await;
    insert(&cluster, 1, 500_000);
    let (mut stream, _status) = start(&cluster.source(""), point).await;
    let mut read = Read::default();
    read.until(&mut stream, |read| !read.rows.is_empty()).await;
    let error = stream.stop(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::CONNECTION_LOST, Kind::Transient));
    assert_eq!(confirmed_flush(&cluster), point);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_shuts_down_waits_for_the_last_confirmation() {
    let mut cluster = Cluster::start();
    let point = server(&cluster).await;
    let (mut stream, status) = start(&cluster.source(""), point).await;
    insert(&cluster, 1, 10);
    let mut read = Read::default();
    read.until(&mut stream, |read| read.rows.len() == 10 && read.commit_end > point).await;
    let reading = tokio::spawn(async move {
        loop {
            match stream.fill().await {
                Ok(Filled::Data) => read.drain(&mut stream).unwrap(),
                ended => return (ended, read.commit_end),
            }
            // Nothing is in flight, so the end of the log in a keepalive is durable.
            status.confirm(durable(read.wal_end.max(read.commit_end)));
        }
    });
    tokio::task::block_in_place(|| cluster.shut_down());
    let (ended, commit_end) = tokio::time::timeout(PATIENCE, reading).await.expect("the stream ends").unwrap();
    assert_eq!(ended.unwrap(), Filled::Ended);
    cluster.start_again();
    // Before PostgreSQL 17 the server forgets what was confirmed last when nothing else about the slot changed. We do not.
    insert(&cluster, 11, 11);
    let (mut stream, _status) = start(&cluster.source(""), commit_end).await;
    let mut read = Read::default();
    read.until(&mut stream, |read| !read.rows.is_empty()).await;
    assert_eq!(read.rows.first().map(|(id, _)| id.as_str()), Some("11"));
}

#[tokio::test]
async fn a_publication_that_is_gone_is_named() {
    let cluster = Cluster::start();
    let point = server(&cluster).await;
    cluster.psql("postgres", "DROP PUBLICATION p");
    insert(&cluster, 1, 1);
    let (mut stream, _status) = start(&cluster.source(""), point).await;
    let error = Read::default().read_until_it_ends(&mut stream).await.expect("an error");
    assert_eq!((error.code(), error.kind()), (Code::PUBLICATION, Kind::Configuration), "{}", error.report());
}
