//! Transactions against a real Kafka.

use std::time::Duration;

use waltap_error::{Code, Kind};
use waltap_kafka::{Options, Producer, ProgressTopic, SendError, Tail, TailStart};

use crate::recorder::Recorder;
use crate::{PATIENCE, broker, options_with, topic, unique};

fn options() -> Options {
    options_with(&broker::brokers(), &[])
}

/// The values that a reader of committed records sees.
async fn committed(topic: &str) -> Vec<String> {
    let mut tail = Tail::start(&options(), topic, TailStart::Beginning, false, PATIENCE).await.unwrap();
    let mut values = Vec::new();
    while let Some(record) = tail.next().await.unwrap() {
        values.push(String::from_utf8(record.value.unwrap()).unwrap());
    }
    values
}

async fn start(id: &str, recorder: Recorder) -> Producer {
    Producer::start_transactional(&options(), id, recorder, PATIENCE).await.unwrap()
}

fn send(producer: &Producer, topic: &str, value: &str) {
    producer.send(topic, Some(0), None, Some(value.as_bytes()), 7).unwrap();
}

#[tokio::test]
async fn a_commit_is_seen_as_a_whole_and_every_record_of_it_is_reported() {
    let (topic, recorder) = (topic("commit", 1, &[]).await, Recorder::default());
    let producer = start(&unique("commit"), recorder.clone()).await;
    for round in 1..=3 {
        for number in 0..500 {
            send(&producer, &topic, &format!("{round}-{number}"));
        }
        producer.commit().await.unwrap();
        assert_eq!(recorder.total(), round * 500);
        assert_eq!(committed(&topic).await.len() as u64, round * 500);
    }
    // One without records is no trouble.
    producer.commit().await.unwrap();
}

#[tokio::test]
async fn a_commit_waits_for_no_batch_to_be_full() {
    let (topic, recorder) = (topic("lingering", 1, &[]).await, Recorder::default());
    // Far longer than the commit is waited for, and less than a transaction may last.
    let lingering = options_with(&broker::brokers(), &[("linger.ms", "250000")]);
    let producer = Producer::start_transactional(&lingering, &unique("lingering"), recorder.clone(), PATIENCE).await.unwrap();
    for round in 1..=3 {
        send(&producer, &topic, &round.to_string());
        assert_eq!(producer.in_flight().records, 1, "nothing sends it before the commit");
        tokio::time::timeout(PATIENCE, producer.commit()).await.expect("the commit waits for the batch").unwrap();
        assert_eq!(recorder.total(), round);
    }
    assert_eq!(committed(&topic).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn what_was_rolled_back_is_not_seen() {
    let topic = topic("abort", 1, &[]).await;
    let id = unique("abort");
    let producer = start(&id, Recorder::default()).await;
    send(&producer, &topic, "kept");
    producer.commit().await.unwrap();
    send(&producer, &topic, "rolled back");
    producer.drain(PATIENCE).await.unwrap();
    producer.abort(PATIENCE).await.unwrap();
    let next = start(&id, Recorder::default()).await;
    send(&next, &topic, "kept too");
    next.commit().await.unwrap();
    assert_eq!(committed(&topic).await, ["kept", "kept too"]);
}

#[tokio::test]
async fn the_next_producer_fences_the_one_before_and_rolls_back_what_it_had_open() {
    let topic = topic("fence", 1, &[]).await;
    let id = unique("fence");
    let zombie = start(&id, Recorder::default()).await;
    send(&zombie, &topic, "of the zombie");
    zombie.drain(PATIENCE).await.unwrap();
    let next = start(&id, Recorder::default()).await;
    send(&next, &topic, "of the next");
    next.commit().await.unwrap();
    let _ = zombie.send(&topic, Some(0), None, Some(b"of the zombie, later"), 1);
    let error = zombie.commit().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::PRODUCER_LOST), "{error:?}");
    assert_eq!(committed(&topic).await, ["of the next"]);
}

#[tokio::test]
async fn progress_is_read_to_its_end_behind_a_transaction_that_another_has_open() {
    let name = unique("progress");
    let progress = ProgressTopic::open(&options(), &name, 1, PATIENCE).await.unwrap();
    let other = start(&unique("other"), Recorder::default()).await;
    other.send(&name, Some(0), Some(b"other/slot"), Some(b"1"), 1).unwrap();
    other.drain(PATIENCE).await.unwrap();
    progress.write(&[(b"mine/slot", Some(b"1"))]).await.unwrap();
    // Behind the open transaction, where a reader of committed records does not get to.
    assert_eq!(progress.peek(b"mine/", |_, _, _| false).await.unwrap(), (Default::default(), false));
    let loading = tokio::spawn(async move { progress.load(b"mine/").await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!loading.is_finished(), "it would have to guess");
    other.commit().await.unwrap();
    let loaded = loading.await.unwrap().unwrap();
    assert_eq!(loaded.len(), 1, "{loaded:?}");
}

#[tokio::test]
async fn a_record_that_is_refused_fails_its_transaction_and_not_the_next_producer() {
    let topic = topic("refused", 1, &[("max.message.bytes", "1000")]).await;
    let id = unique("refused");
    // What the topic bounds is the size after compression.
    let plain = options_with(&broker::brokers(), &[("compression.type", "none")]);
    let recorder = Recorder::default();
    let producer = Producer::start_transactional(&plain, &id, recorder.clone(), PATIENCE).await.unwrap();
    send(&producer, &topic, "before");
    match producer.send(&topic, Some(0), None, Some(&[b'x'; 5_000]), 1) {
        Ok(()) => {}
        Err(SendError::Refused(_) | SendError::Full) => panic!("librdkafka does not know the topic's bound"),
    }
    let error = producer.commit().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient, "{error:?}");
    // The cause comes with the report.
    recorder.look(|recorded| assert!(recorded.failed.iter().any(|(_, error)| error.code() == Code::RECORD_TOO_LARGE)));
    let next = start(&id, Recorder::default()).await;
    send(&next, &topic, "after");
    next.commit().await.unwrap();
    assert_eq!(committed(&topic).await, ["after"]);
}

#[tokio::test]
async fn a_timeout_that_the_brokers_do_not_allow_is_a_configuration_error() {
    let options = options_with(&broker::brokers(), &[("transaction.timeout.ms", "2000000000")]);
    let error = Producer::start_transactional(&options, &unique("long"), Recorder::default(), PATIENCE).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::KAFKA_PROPERTY), "{error:?}");
}
