//! The progress topic of a real Kafka.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use waltap_error::{Code, Kind};
use waltap_kafka::{ProgressTopic, Topics};

use crate::{PATIENCE, broker, options_with, specification, unique};

async fn open(name: &str) -> ProgressTopic {
    ProgressTopic::open(&options_with(&broker::brokers(), &[]), name, 1, PATIENCE).await.unwrap()
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    entries.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

#[tokio::test]
async fn what_was_written_is_loaded_by_another() {
    let name = unique("progress");
    let progress = open(&name).await;
    assert_eq!(progress.load(b"").await.unwrap(), map(&[]), "an empty topic has an end too");
    progress.write(&[(b"shop/orders/a", Some(b"1")), (b"shop/orders/b", Some(b"1")), (b"other/x", Some(b"1"))]).await.unwrap();
    progress.write(&[(b"shop/orders/a", Some(b"2"))]).await.unwrap();
    progress.write(&[(b"shop/orders/b", None), (b"shop/orders/c", Some(b""))]).await.unwrap();
    progress.write(&[]).await.unwrap();
    progress.write(&[(b"late/a", Some(b"2")), (b"late/b", Some(b"1"))]).await.unwrap();
    progress.write(&[(b"late/a", Some(b"1")), (b"late/b", Some(b"2"))]).await.unwrap();
    let in_time = progress.load_in_time(b"late/", |_, before, after| after < before).await.unwrap();
    assert_eq!(in_time, map(&[("late/a", "2"), ("late/b", "2")]));
    assert_eq!(progress.load(b"late/").await.unwrap(), map(&[("late/a", "1"), ("late/b", "2")]));
    for progress in [progress, open(&name).await] {
        assert_eq!(progress.load(b"shop/").await.unwrap(), map(&[("shop/orders/a", "2"), ("shop/orders/c", "")]));
        assert_eq!(progress.load(b"other/").await.unwrap(), map(&[("other/x", "1")]));
        assert_eq!(progress.load(b"none/").await.unwrap(), map(&[]));
    }
}

#[tokio::test]
async fn who_follows_sees_what_is_there_and_what_comes_also_beside_an_open_transaction() {
    let name = unique("followed");
    let progress = open(&name).await;
    progress
        .write(&[(b"a/ask/1", Some(b"x")), (b"a/ask/2", Some(b"x")), (b"a/slot", Some(b"x")), (b"a/ask/1", None)])
        .await
        .unwrap();
    let (entries, mut follower) = progress.follow(|key| key.starts_with(b"a/ask/")).await.unwrap();
    assert_eq!(entries, map(&[("a/ask/2", "x")]));
    let topic = name.clone();
    let producer = tokio::task::spawn_blocking(move || {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", broker::brokers()).set("transactional.id", &topic).create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::to(&topic).key("a/slot").payload("open")).unwrap();
        producer.flush(PATIENCE).unwrap();
        producer
    });
    let producer = producer.await.unwrap();
    progress.write(&[(b"a/ask/3", Some(b"y")), (b"b/ask/4", Some(b"y")), (b"a/ask/2", None)]).await.unwrap();
    let mut came = Vec::new();
    while came.len() < 2 {
        came.extend(tokio::time::timeout(PATIENCE, follower.next()).await.unwrap().unwrap());
    }
    assert_eq!(came, [(b"a/ask/3".to_vec(), Some(b"y".to_vec())), (b"a/ask/2".to_vec(), None)]);
    drop(producer);
}

#[tokio::test]
async fn the_topic_is_made_compacted_with_one_partition() {
    let name = unique("progress");
    open(&name).await;
    let description = Topics::new(&options_with(&broker::brokers(), &[])).describe(&name, PATIENCE).await.unwrap().unwrap();
    assert_eq!((description.partitions, description.configuration["cleanup.policy"].as_str()), (1, "compact"));
    ProgressTopic::check(&description).unwrap();
}

#[tokio::test]
async fn looking_for_a_topic_makes_none() {
    let (name, options) = (unique("looked_for"), options_with(&broker::brokers(), &[]));
    assert!(ProgressTopic::open_if_there(&options, &name, PATIENCE).await.unwrap().is_none());
    assert!(Topics::new(&options).describe(&name, PATIENCE).await.unwrap().is_none());
    open(&name).await;
    assert!(ProgressTopic::open_if_there(&options, &name, PATIENCE).await.unwrap().is_some());
}

#[tokio::test]
async fn a_topic_that_would_lose_progress_is_refused() {
    let options = options_with(&broker::brokers(), &[]);
    let topics = Topics::new(&options);
    for (partitions, policy) in [(1, "delete"), (1, "compact,delete"), (2, "compact")] {
        let name = unique("unfit");
        topics.ensure(&[specification(&name, partitions, &[("cleanup.policy", policy)])], PATIENCE).await.unwrap();
        let error = ProgressTopic::open(&options, &name, 1, PATIENCE).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::PROGRESS), "{partitions} {policy}");
        assert!(error.message().contains(&name), "{error}");
        assert!(error.remedy_text().is_some());
    }
}

#[tokio::test]
async fn compaction_takes_nothing_that_counts() {
    let name = unique("compacted");
    // Settings under which the cleaner has something to do within a second.
    let eager = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "100"),
    ];
    let options = options_with(&broker::brokers(), &[]);
    Topics::new(&options).ensure(&[specification(&name, 1, &eager)], PATIENCE).await.unwrap();
    let progress = open(&name).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut round = 0;
    loop {
        round += 1;
        for key in ["a", "b", "c"] {
            progress.write(&[(key.as_bytes(), Some(round.to_string().as_bytes()))]).await.unwrap();
        }
        progress.write(&[(b"gone", Some(b"x")), (b"gone", None)]).await.unwrap();
        let latest = round.to_string();
        assert_eq!(progress.load(b"").await.unwrap(), map(&[("a", &latest), ("b", &latest), ("c", &latest)]));
        // Gaps show that the cleaner has been there: fewer records can be read than the offsets promise.
        if round > 3 && gaps(&name).await > 0 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the cleaner never came");
    }
}

/// How many offsets of the topic's only partition hold no record.
async fn gaps(name: &str) -> i64 {
    let options = options_with(&broker::brokers(), &[]);
    let mut tail = waltap_kafka::Tail::start(&options, name, waltap_kafka::TailStart::Beginning, false, PATIENCE).await.unwrap();
    let (mut records, mut end) = (0, 0);
    while let Some(record) = tail.next().await.unwrap() {
        records += 1;
        end = record.offset + 1;
    }
    end - records
}

#[tokio::test]
async fn the_ends_of_transactions_are_no_records_and_aborted_ones_never_were() {
    let name = unique("transactions");
    let progress = open(&name).await;
    progress.write(&[(b"a", Some(b"1"))]).await.unwrap();
    let topic = name.clone();
    tokio::task::spawn_blocking(move || {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", broker::brokers()).set("transactional.id", &topic).create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        for (value, commit) in [("2", true), ("3", false)] {
            producer.begin_transaction().unwrap();
            producer.send(BaseRecord::to(&topic).key("a").payload(value)).unwrap();
            producer.flush(PATIENCE).unwrap();
            if commit { producer.commit_transaction(PATIENCE).unwrap() } else { producer.abort_transaction(PATIENCE).unwrap() }
        }
    })
    .await
    .unwrap();
    assert_eq!(progress.load(b"").await.unwrap(), map(&[("a", "2")]));
}

#[tokio::test]
async fn a_dead_broker_is_transient() {
    let options = options_with("127.0.0.1:1", &[]);
    let error = ProgressTopic::open(&options, "p", 1, Duration::from_secs(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::BROKERS));
}
