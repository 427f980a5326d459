//! What moves a slot.

use std::time::Duration;

use waltap_pgoutput::Lsn;

use super::{Read, confirmed_flush, durable, insert, server, start};
use crate::fixture::{Cluster, PATIENCE, eventually};

/// What the server knows of our places: written, flushed, applied.
fn reported(cluster: &Cluster) -> [Lsn; 3] {
    let shown = cluster.psql("postgres", "SELECT concat_ws(' ', coalesce(write_lsn, '0/0'), coalesce(flush_lsn, '0/0'), coalesce(replay_lsn, '0/0')) FROM pg_stat_replication");
    let places: Vec<Lsn> = shown.split(' ').filter_map(|place| place.parse().ok()).collect();
    places.try_into().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_place_moves_the_slot_and_nothing_else_does() {
    let cluster = Cluster::start();
    let point = server(&cluster).await;
    let before = confirmed_flush(&cluster);
    let (mut stream, status) = start(&cluster.source(""), point).await;
    insert(&cluster, 1, 100);
    let mut read = Read::default();
    read.until(&mut stream, |read| read.rows.len() == 100 && read.commit_end > point).await;
    let end = read.commit_end;

    // Received, and far beyond what there is; asked for again and again.
    let far = Lsn(end.0 + (1 << 40));
    status.received(far);
    for _ in 0..3 {
        let reports = status.reports();
        status.reply_now();
        eventually("a status", async || (status.reports() > reports).then_some(())).await;
    }
    eventually("what was received is reported as written", async || (reported(&cluster)[0] == far).then_some(())).await;
    assert_eq!(confirmed_flush(&cluster), before);

    status.confirm(durable(end));
    eventually("the slot moves", async || (confirmed_flush(&cluster) == end).then_some(())).await;
    assert_eq!(reported(&cluster)[1..], [end, end]);
    // An older place is no news.
    status.confirm(durable(before));
    status.reply_now();
    stream.stop(PATIENCE).await.unwrap();
    assert_eq!(confirmed_flush(&cluster), end);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_confirmations_make_few_reports() {
    let cluster = Cluster::start();
    let point = server(&cluster).await;
    let (mut stream, status) = start(&cluster.source(""), point).await;
    insert(&cluster, 1, 1000);
    let mut read = Read::default();
    read.until(&mut stream, |read| read.rows.len() == 1000 && read.commit_end > point).await;
    let begun = std::time::Instant::now();
    let (from, to) = (read.commit_end.0 - 1000, read.commit_end.0);
    for place in from..=to {
        status.confirm(durable(Lsn(place)));
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    eventually("the last place", async || (confirmed_flush(&cluster) == Lsn(to)).then_some(())).await;
    let reports = status.reports();
    // One each 100 ms, and the last.
    let most = u64::try_from(begun.elapsed().as_millis() / 100).unwrap() + 2;
    assert!((2..=most).contains(&reports), "{reports} reports in {:?}", begun.elapsed());
}
