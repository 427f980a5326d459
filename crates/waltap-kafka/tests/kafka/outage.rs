//! Brokers that are away: nothing fails, nothing is lost, and somebody is told.

use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use waltap_error::{Code, Kind};
use waltap_kafka::{Producer, SendError, Tail, TailStart};

use crate::recorder::Recorder;
use crate::{PATIENCE, broker, options_with};

/// Nothing listens there: port 1 is nobody's.
const NOBODY: &str = "127.0.0.1:1";

#[tokio::test]
async fn a_dead_broker_is_waited_for_and_told_about() {
    let recorder = Recorder::default();
    let producer = Producer::start(&options_with(NOBODY, &[]), recorder.clone()).unwrap();
    let mut brokers = producer.brokers();
    producer.send("t", None, None, Some(b"x"), 1).unwrap();
    let wait = brokers.wait_for(|state| state.unreachable_since.is_some() && state.last_error.is_some());
    let state = tokio::time::timeout(PATIENCE, wait).await.unwrap().unwrap().clone();
    let error = state.last_error.unwrap();
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::BROKERS));
    assert!(error.report().contains("refused"), "{}", error.report());

    let error = producer.drain(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::BROKERS));
    assert_eq!(producer.in_flight().records, 1, "it still waits");
    let start = Instant::now();
    drop(producer);
    assert!(start.elapsed() < Duration::from_millis(500), "the caller does not wait for librdkafka's end");
    recorder.look(|recorded| assert!(recorded.failed.is_empty() && recorded.confirmed.is_empty()));
}

#[tokio::test]
async fn what_a_dropped_producer_had_is_not_sent_while_it_is_looked_for_brokers() {
    // After such times a connection is about to be there, and a look waits for it.
    for (number, pause) in [200, 400, 600, 800].into_iter().enumerate() {
        drop_amid_a_look(&format!("t{number}"), Duration::from_millis(pause)).await;
    }
}

async fn drop_amid_a_look(topic: &str, pause: Duration) {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(topic, 1, 1).unwrap();
    let options = options_with(&mock.bootstrap_servers(), &[("statistics.interval.ms", "100")]);
    let recorder = Recorder::default();
    let producer = Producer::start(&options, recorder.clone()).unwrap();
    producer.send(topic, None, None, Some(b"first"), 0).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    mock.broker_down(1).unwrap();
    for number in 1..=500 {
        producer.send(topic, None, None, Some(b"dropped"), number).unwrap();
    }
    let mut brokers = producer.brokers();
    tokio::time::timeout(PATIENCE, brokers.wait_for(|state| state.unreachable_since.is_some())).await.unwrap().unwrap();
    mock.broker_round_trip_time(1, Duration::from_millis(700)).unwrap();
    mock.broker_up(1).unwrap();
    tokio::time::sleep(pause).await;
    assert!(recorder.look(|recorded| recorded.confirmed.len() == 1), "it is too late to drop anything");
    drop(producer);

    tokio::time::timeout(PATIENCE, async {
        while !recorder.is_alone() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the producer stays");
    mock.broker_round_trip_time(1, Duration::ZERO).unwrap();
    let next = Producer::start(&options, Recorder::default()).unwrap();
    next.send(topic, None, None, Some(b"last"), 0).unwrap();
    next.close(PATIENCE).await.unwrap();
    let mut tail = Tail::start(&options, topic, TailStart::Beginning, false, PATIENCE).await.unwrap();
    for expected in [b"first".as_slice(), b"last"] {
        assert_eq!(tail.next().await.unwrap().unwrap().value.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_broker_that_comes_back_gets_every_record_once() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("t", 1, 1).unwrap();
    let recorder = Recorder::default();
    let producer =
        Producer::start(&options_with(&mock.bootstrap_servers(), &[("statistics.interval.ms", "100")]), recorder.clone())
            .unwrap();
    producer.send("t", None, None, Some(b"x"), 0).unwrap();
    producer.drain(PATIENCE).await.unwrap();

    mock.broker_down(1).unwrap();
    for number in 1..=500 {
        producer.send("t", None, Some(b"k"), Some(b"x"), number).unwrap();
    }
    let mut brokers = producer.brokers();
    let away = tokio::time::timeout(PATIENCE, brokers.wait_for(|state| state.unreachable_since.is_some())).await;
    away.unwrap().unwrap();
    mock.broker_up(1).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    let back = tokio::time::timeout(PATIENCE, brokers.wait_for(|state| state.waiting_since().is_none())).await;
    back.unwrap().unwrap();
    recorder.look(|recorded| {
        assert!(recorded.failed.is_empty(), "{:?}", recorded.failed);
        assert_eq!(recorded.confirmed.len(), 501);
        assert!(recorded.confirmed.values().all(|count| *count == 1));
    });
}

#[tokio::test]
async fn an_idle_producer_hears_that_the_broker_is_back() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("t", 1, 1).unwrap();
    let options = options_with(&mock.bootstrap_servers(), &[("statistics.interval.ms", "100")]);
    let producer = Producer::start(&options, Recorder::default()).unwrap();
    producer.send("t", None, None, Some(b"x"), 0).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    let mut brokers = producer.brokers();
    mock.broker_down(1).unwrap();
    tokio::time::timeout(PATIENCE, brokers.wait_for(|state| state.unreachable_since.is_some())).await.unwrap().unwrap();
    mock.broker_up(1).unwrap();
    tokio::time::timeout(PATIENCE, brokers.wait_for(|state| state.waiting_since().is_none())).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_broker_that_holds_its_breath_is_called_silent() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("t", 1, 1).unwrap();
    let recorder = Recorder::default();
    let producer = Producer::start(&options_with(&mock.bootstrap_servers(), &[]), recorder.clone()).unwrap();
    producer.send("t", None, None, Some(b"x"), 0).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    mock.broker_round_trip_time(1, Duration::from_secs(8)).unwrap();
    producer.send("t", None, None, Some(b"x"), 1).unwrap();
    let mut brokers = producer.brokers();
    let state =
        tokio::time::timeout(PATIENCE, brokers.wait_for(|state| state.silent_since.is_some())).await.unwrap().unwrap().clone();
    assert!(state.unreachable_since.is_none() && state.waiting_since().is_some());
    tokio::time::timeout(PATIENCE, brokers.wait_for(|state| state.waiting_since().is_none())).await.unwrap().unwrap();
    producer.drain(PATIENCE).await.unwrap();
    assert_eq!(recorder.total(), 2);
}

#[tokio::test]
async fn retriable_refusals_are_retried_without_a_word() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("t", 1, 1).unwrap();
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    mock.request_errors(RDKafkaApiKey::Produce, &[refusal, refusal, refusal]);
    let recorder = Recorder::default();
    let producer = Producer::start(&options_with(&mock.bootstrap_servers(), &[]), recorder.clone()).unwrap();
    for number in 0..100 {
        producer.send("t", None, Some(b"k"), Some(b"x"), number).unwrap();
    }
    producer.drain(PATIENCE).await.unwrap();
    recorder.look(|recorded| assert!(recorded.failed.is_empty(), "{:?}", recorded.failed));
    assert_eq!(recorder.total(), 100);
}

#[tokio::test]
async fn a_refusal_for_good_ends_the_producer_and_nothing_behind_it_is_confirmed() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("t", 1, 1).unwrap();
    mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let recorder = Recorder::default();
    let producer = Producer::start(&options_with(&mock.bootstrap_servers(), &[]), recorder.clone()).unwrap();
    for number in 0..10 {
        producer.send("t", None, Some(b"k"), Some(b"x"), number).unwrap();
    }
    producer.drain(PATIENCE).await.unwrap();
    recorder.look(|recorded| {
        let (_, error) = &recorded.failed[0];
        assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::DELIVERY_REFUSED));
        assert_eq!(recorded.failed.len(), 10);
        assert!(recorded.confirmed.is_empty());
    });
    assert!(matches!(producer.send("t", None, None, Some(b"x"), 11), Err(SendError::Refused(_))));
}

#[tokio::test]
async fn an_observer_that_panics_ends_the_producer_and_not_in_silence() {
    struct Panics;
    impl waltap_kafka::DeliveryObserver for Panics {
        fn confirmed(&mut self, _: &[(u64, u64)]) {
            panic!("this panic is part of the test");
        }
        fn failed(&mut self, _: u64, _: waltap_error::Error) {}
    }
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("t", 1, 1).unwrap();
    let producer = Producer::start(&options_with(&mock.bootstrap_servers(), &[]), Panics).unwrap();
    producer.send("t", None, None, Some(b"x"), 0).unwrap();
    assert_eq!(producer.drain(PATIENCE).await.unwrap_err().code(), Code::PRODUCER_LOST);
    let Err(SendError::Refused(error)) = producer.send("t", None, None, Some(b"x"), 1) else { panic!("it was taken") };
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::PRODUCER_LOST));
}

#[tokio::test]
async fn credentials_refused_while_running_are_told_as_configuration() {
    let properties = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", broker::USER),
        ("sasl.password", "wrong-password"),
    ];
    let producer = Producer::start(&options_with(&broker::sasl_brokers(), &properties), Recorder::default()).unwrap();
    producer.send("t", None, None, Some(b"x"), 0).unwrap();
    let mut brokers = producer.brokers();
    let refused = brokers.wait_for(|state| state.last_error.as_ref().is_some_and(|error| error.kind() == Kind::Configuration));
    let state = tokio::time::timeout(PATIENCE, refused).await.unwrap().unwrap().clone();
    assert_eq!(state.last_error.unwrap().code(), Code::KAFKA_AUTHENTICATION);
    assert_eq!(producer.in_flight().records, 1, "it still waits");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_told_and_waited_for() {
    let (_, authority) = broker::tls_brokers();
    let properties = [("security.protocol", "ssl"), ("ssl.ca.location", authority.to_str().unwrap())];
    let producer = Producer::start(&options_with(&broker::expired_brokers(), &properties), Recorder::default()).unwrap();
    producer.send("t", None, None, Some(b"x"), 0).unwrap();
    let mut brokers = producer.brokers();
    let refused = brokers.wait_for(|state| state.last_error.as_ref().is_some_and(|error| error.kind() == Kind::Configuration));
    let state = tokio::time::timeout(PATIENCE, refused).await.unwrap().unwrap().clone();
    let error = state.last_error.unwrap();
    assert_eq!(error.code(), Code::BROKERS);
    assert!(error.report().contains("certificate verify failed"), "{}", error.report());
    assert_eq!(producer.in_flight().records, 1, "it still waits");
}
