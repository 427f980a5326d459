//! What a first connection says.

use std::time::{Duration, Instant};

use waltap_error::{Code, Error, Kind};
use waltap_kafka::probe;

use crate::{PATIENCE, broker, options_with};

#[tokio::test]
async fn a_cluster_answers_with_its_id_and_brokers() {
    let info = probe(&options_with(&broker::brokers(), &[]), PATIENCE).await.unwrap();
    assert_eq!(info.brokers, 1);
    assert!(info.cluster_id.is_some_and(|id| !id.is_empty()));
}

#[tokio::test]
async fn a_dead_broker_is_transient_and_says_why() {
    let start = Instant::now();
    let error = probe(&options_with("127.0.0.1:1", &[]), Duration::from_secs(20)).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10), "nobody waits for what refuses");
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::BROKERS));
    assert!(error.message().contains("127.0.0.1:1"), "{error}");
    assert!(error.report().contains("refused"), "{}", error.report());
}

#[tokio::test]
async fn an_unknown_host_is_transient() {
    let error = probe(&options_with("no-such-host.invalid:9092", &[]), Duration::from_secs(2)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::BROKERS));
}

async fn sign_in(password: &str) -> Result<(), Error> {
    let properties = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", broker::USER),
        ("sasl.password", password),
    ];
    // The listener in plain text is up a moment before this one knows its users.
    probe(&options_with(&broker::brokers(), &[]), PATIENCE).await.unwrap();
    probe(&options_with(&broker::sasl_brokers(), &properties), PATIENCE).await.map(drop)
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_never_shown() {
    sign_in(broker::PASSWORD).await.unwrap();
    let start = Instant::now();
    let error = sign_in("wrong-password").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::KAFKA_AUTHENTICATION), "{error:?}");
    assert!(start.elapsed() < PATIENCE / 2, "it does not wait for the end");
    assert!(!format!("{error:?} {}", error.report()).contains("wrong-password"));
}

#[tokio::test]
async fn a_certificate_is_verified() {
    let (brokers, authority) = broker::tls_brokers();
    probe(&options_with(&broker::brokers(), &[]), PATIENCE).await.unwrap();
    let trusting = [("security.protocol", "ssl"), ("ssl.ca.location", authority.to_str().unwrap())];
    probe(&options_with(&brokers, &trusting), PATIENCE).await.unwrap();
    let error = probe(&options_with(&brokers, &[("security.protocol", "ssl")]), PATIENCE).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::BROKERS), "{error:?}");
    assert!(error.remedy_text().unwrap().contains("ssl.ca.location"));
}

#[tokio::test]
async fn a_certificate_whose_time_is_over_is_named() {
    let (_, authority) = broker::tls_brokers();
    probe(&options_with(&broker::brokers(), &[]), PATIENCE).await.unwrap();
    let trusting = [("security.protocol", "ssl"), ("ssl.ca.location", authority.to_str().unwrap())];
    let start = Instant::now();
    let error = probe(&options_with(&broker::expired_brokers(), &trusting), PATIENCE).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::BROKERS), "{error:?}");
    assert!(start.elapsed() < PATIENCE / 2, "it does not wait for the end");
    assert!(error.report().contains("certificate verify failed"), "{}", error.report());
    assert!(error.remedy_text().unwrap().contains("expired"), "the reason is not told, so it must be asked for");
}

#[tokio::test]
async fn a_listener_of_another_protocol_is_hinted_at() {
    let (brokers, _) = broker::tls_brokers();
    probe(&options_with(&broker::brokers(), &[]), PATIENCE).await.unwrap();
    let error = probe(&options_with(&brokers, &[]), Duration::from_secs(10)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::BROKERS));
    assert!(error.report().contains("Disconnected"), "{}", error.report());
    assert!(error.remedy_text().unwrap().contains("security.protocol"));
}
