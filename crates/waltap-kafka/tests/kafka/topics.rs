//! Topics of a real Kafka.

use waltap_error::{Code, Kind};
use waltap_kafka::{EnsuredTopic, Producer, Topics};

use crate::recorder::Recorder;
use crate::{PATIENCE, broker, options_with, specification, unique};

#[tokio::test]
async fn topics_are_made_once_and_can_be_written_to_at_once() {
    let options = options_with(&broker::brokers(), &[]);
    let topics = Topics::new(&options);
    let wanted: Vec<_> = (0..120).map(|number| specification(&unique("many"), 1 + number % 3, &[])).collect();
    let made = topics.ensure(&wanted, PATIENCE).await.unwrap();
    let expected = |created| {
        wanted
            .iter()
            .map(move |topic| EnsuredTopic { name: topic.name.clone(), partitions: topic.partitions, created })
            .collect::<Vec<_>>()
    };
    assert_eq!(made, expected(true));
    let producer = Producer::start(&options, Recorder::default()).unwrap();
    for topic in &wanted {
        producer.send(&topic.name, Some(topic.partitions - 1), None, Some(b"x"), 0).unwrap();
    }
    producer.drain(PATIENCE).await.unwrap();
    assert_eq!(topics.ensure(&wanted, PATIENCE).await.unwrap(), expected(false));

    let mut other = wanted[0].clone();
    other.partitions = 9;
    assert_eq!(topics.ensure(&[other], PATIENCE).await.unwrap()[0].partitions, 1, "what is there is left as it is");
    assert_eq!(topics.ensure(&[], PATIENCE).await.unwrap(), []);
}

#[tokio::test]
async fn brokers_choose_the_replication_when_asked_to() {
    let name = unique("default");
    let topics = Topics::new(&options_with(&broker::brokers(), &[]));
    let mut wanted = specification(&name, 2, &[("retention.ms", "123456")]);
    wanted.replication_factor = -1;
    topics.ensure(&[wanted], PATIENCE).await.unwrap();
    let description = topics.describe(&name, PATIENCE).await.unwrap().unwrap();
    assert_eq!((description.partitions, description.replication_factor), (2, 1));
    assert_eq!(description.configuration["retention.ms"], "123456");
    assert_eq!(description.configuration["cleanup.policy"], "delete");
    assert_eq!(topics.describe("nobody-made-this", PATIENCE).await.unwrap(), None);
}

#[tokio::test]
async fn a_list_counts_records() {
    let options = options_with(&broker::brokers(), &[]);
    let topics = Topics::new(&options);
    let (full, empty) = (unique("full"), unique("empty"));
    topics.ensure(&[specification(&full, 3, &[]), specification(&empty, 1, &[])], PATIENCE).await.unwrap();
    let producer = Producer::start(&options, Recorder::default()).unwrap();
    for number in 0..10 {
        producer.send(&full, Some(number % 3), None, Some(b"x"), 0).unwrap();
    }
    producer.drain(PATIENCE).await.unwrap();
    let list = topics.list(PATIENCE).await.unwrap();
    let count = |name: &str| list.iter().find(|topic| topic.name == name).map(|topic| (topic.partitions, topic.records));
    assert_eq!(count(&full), Some((3, 10)));
    assert_eq!(count(&empty), Some((1, 0)));
    assert!(list.is_sorted_by(|a, b| a.name < b.name));
    assert!(list.iter().all(|topic| topic.name != "__consumer_offsets"));
}

#[tokio::test]
async fn a_topic_that_may_not_be_made_is_a_configuration_error_with_the_command() {
    let properties = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", broker::USER),
        ("sasl.password", broker::PASSWORD),
    ];
    let name = unique("forbidden");
    let topics = Topics::new(&options_with(&broker::sasl_brokers(), &properties));
    let error = topics.ensure(&[specification(&name, 1, &[])], PATIENCE).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::TOPIC), "{error:?}");
    let remedy = error.remedy_text().unwrap();
    assert!(remedy.contains(&format!("--create --topic {name} --partitions 1")), "{remedy}");
    assert!(remedy.contains("User:nobody"), "{remedy}");
}

#[tokio::test]
async fn more_replicas_than_brokers_may_pass() {
    let mut wanted = specification(&unique("replicated"), 1, &[]);
    wanted.replication_factor = 3;
    let error = Topics::new(&options_with(&broker::brokers(), &[])).ensure(&[wanted], PATIENCE).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::TOPIC));
    assert!(error.remedy_text().unwrap().contains("--replication-factor"));
}

#[tokio::test]
async fn an_unknown_setting_is_a_configuration_error() {
    let wanted = specification(&unique("odd"), 1, &[("cleanup.polizei", "compact")]);
    let error = Topics::new(&options_with(&broker::brokers(), &[])).ensure(&[wanted], PATIENCE).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::TOPIC));
}
