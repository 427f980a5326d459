//! Reading a topic of a real Kafka.

use std::time::Duration;

use waltap_error::{Code, Kind};
use waltap_kafka::{Producer, Tail, TailStart};

use crate::recorder::Recorder;
use crate::{PATIENCE, broker, options_with, topic};

async fn produce(topic: &str, partition: i32, values: std::ops::Range<u32>) {
    let producer = Producer::start(&options_with(&broker::brokers(), &[]), Recorder::default()).unwrap();
    for value in values {
        producer.send(topic, Some(partition), Some(b"k"), Some(value.to_string().as_bytes()), 0).unwrap();
    }
    producer.close(PATIENCE).await.unwrap();
}

async fn start(topic: &str, from: TailStart, follow: bool) -> Tail {
    Tail::start(&options_with(&broker::brokers(), &[]), topic, from, follow, PATIENCE).await.unwrap()
}

async fn next(tail: &mut Tail) -> Option<(i32, i64, String)> {
    let record = tokio::time::timeout(PATIENCE, tail.next()).await.unwrap().unwrap()?;
    assert!(record.timestamp_ms.is_some_and(|milliseconds| milliseconds > 1_600_000_000_000));
    assert_eq!(record.key.as_deref(), Some(b"k".as_slice()));
    assert!(record.headers.is_empty());
    Some((record.partition, record.offset, String::from_utf8(record.value.unwrap()).unwrap()))
}

#[tokio::test]
async fn without_following_it_ends_where_the_topic_ended() {
    let topic = topic("tail", 3, &[]).await;
    assert_eq!(next(&mut start(&topic, TailStart::Beginning, false).await).await, None, "an empty topic");
    produce(&topic, 0, 0..3000).await;
    produce(&topic, 2, 0..1).await;
    let mut tail = start(&topic, TailStart::Beginning, false).await;
    produce(&topic, 0, 3000..3010).await;
    let mut counts = [0; 3];
    while let Some((partition, offset, value)) = next(&mut tail).await {
        assert_eq!((offset, value), (counts[partition as usize], counts[partition as usize].to_string()));
        counts[partition as usize] += 1;
    }
    assert_eq!(counts, [3000, 0, 1]);
    assert_eq!(next(&mut start(&topic, TailStart::End, false).await).await, None);
}

#[tokio::test]
async fn following_it_waits_for_more() {
    let topic = topic("follow", 1, &[]).await;
    produce(&topic, 0, 0..2).await;
    let mut from_start = start(&topic, TailStart::Beginning, true).await;
    let mut from_end = start(&topic, TailStart::End, true).await;
    for value in 0..2 {
        assert_eq!(next(&mut from_start).await, Some((0, value, value.to_string())));
    }
    let waited = tokio::time::timeout(Duration::from_millis(300), from_start.next()).await;
    assert!(waited.is_err(), "nothing more is there yet");
    produce(&topic, 0, 2..3).await;
    assert_eq!(next(&mut from_start).await, Some((0, 2, "2".to_owned())));
    assert_eq!(next(&mut from_end).await, Some((0, 2, "2".to_owned())));
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_named() {
    let options = options_with(&broker::brokers(), &[]);
    let error = Tail::start(&options, "nobody-made-this", TailStart::Beginning, false, PATIENCE).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::TOPIC));
    assert!(error.message().contains("nobody-made-this"));
}
