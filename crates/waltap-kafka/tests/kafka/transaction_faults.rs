//! What goes wrong with a transaction, as librdkafka says it: what it may try again, what ends the transaction, what ends the producer.
//!
//! Against librdkafka's mock, which answers with the error that it is asked for. The errors of librdkafka cannot be made otherwise.

use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use waltap_error::{Code, Error, Kind};
use waltap_kafka::Producer;

use crate::recorder::Recorder;
use crate::{PATIENCE, options_with};

type Mock = MockCluster<'static, DefaultProducerContext>;

const TOPIC: &str = "t";

fn mock() -> Mock {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(TOPIC, 1, 1).unwrap();
    mock
}

async fn start(mock: &Mock, patience: Duration) -> Result<Producer, Error> {
    let options = options_with(&mock.bootstrap_servers(), &[]);
    Producer::start_transactional(&options, "faults", Recorder::default(), patience).await
}

/// Commits a record while requests of a kind are answered with errors, each of them once.
async fn commit(mock: &Mock, request: RDKafkaApiKey, errors: &[RDKafkaRespErr]) -> Result<(), Error> {
    let producer = start(mock, PATIENCE).await.unwrap();
    mock.request_errors(request, errors);
    producer.send(TOPIC, Some(0), None, Some(b"x"), 1).unwrap();
    let committed = tokio::time::timeout(PATIENCE, producer.commit()).await.expect("the commit hangs");
    mock.clear_request_errors(request);
    committed
}

/// Fails unless the error is of this kind, and says what librdkafka makes of it.
fn expect(error: &Error, kind: Kind, code: Code, verdict: &str) {
    assert_eq!((error.kind(), error.code()), (kind, code), "{}", error.report());
    assert!(error.report().contains(verdict), "{verdict:?} is not in {}", error.report());
}

#[tokio::test]
async fn what_may_be_tried_again_is_tried_again() {
    use RDKafkaRespErr as E;
    let mock = mock();
    let passing = [
        E::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        E::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        E::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
        E::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    for error in passing {
        commit(&mock, RDKafkaApiKey::EndTxn, &[error, error])
            .await
            .unwrap_or_else(|found| panic!("{error:?}: {}", found.report()));
    }
    for error in [E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, E::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS] {
        commit(&mock, RDKafkaApiKey::AddPartitionsToTxn, &[error, error])
            .await
            .unwrap_or_else(|found| panic!("{error:?}: {}", found.report()));
    }
}

#[tokio::test]
async fn a_commit_that_takes_longer_than_one_call_goes_on_in_the_next() {
    let mock = mock();
    let producer = start(&mock, PATIENCE).await.unwrap();
    producer.send(TOPIC, Some(0), None, Some(b"x"), 1).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    let slow = Duration::from_millis(1_200);
    mock.broker_round_trip_time(1, slow).unwrap();
    let began = Instant::now();
    producer.commit().await.unwrap();
    assert!(began.elapsed() >= slow, "the broker was not slow: {:?}", began.elapsed());
}

#[tokio::test]
async fn a_producer_that_is_fenced_is_lost_and_says_who_may_have_done_it() {
    use RDKafkaRespErr as E;
    for code in [E::RD_KAFKA_RESP_ERR_PRODUCER_FENCED, E::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH] {
        for request in [RDKafkaApiKey::EndTxn, RDKafkaApiKey::AddPartitionsToTxn] {
            let mock = mock();
            let error = commit(&mock, request, &[code]).await.unwrap_err();
            expect(&error, Kind::Transient, Code::PRODUCER_LOST, "(fatal)");
            assert!(error.remedy_text().unwrap_or_default().contains("--name"), "{:?}", error.remedy_text());
            // Nothing of it stays: the next producer works.
            commit(&mock, request, &[]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_transaction_that_must_be_rolled_back_is_not_committed_with_another_attempt() {
    use RDKafkaRespErr as E;
    let must = "the transaction must be rolled back";
    let mock = mock();
    let forgotten = E::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING;
    let error = commit(&mock, RDKafkaApiKey::AddPartitionsToTxn, &[forgotten]).await.unwrap_err();
    expect(&error, Kind::Transient, Code::PRODUCER_LOST, must);
    let error = commit(&mock, RDKafkaApiKey::EndTxn, &[forgotten]).await.unwrap_err();
    expect(&error, Kind::Transient, Code::PRODUCER_LOST, must);
    let refused = E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    let error = commit(&mock, RDKafkaApiKey::AddPartitionsToTxn, &[refused]).await.unwrap_err();
    expect(&error, Kind::Configuration, Code::DELIVERY_REFUSED, must);
    commit(&mock, RDKafkaApiKey::EndTxn, &[]).await.unwrap();
}

#[tokio::test]
async fn what_ends_a_producer_and_what_somebody_must_mend_are_told_apart() {
    use RDKafkaRespErr as E;
    let mock = mock();
    let error = commit(&mock, RDKafkaApiKey::EndTxn, &[E::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE]).await.unwrap_err();
    expect(&error, Kind::Transient, Code::PRODUCER_LOST, "(fatal)");
    let refused = E::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    let error = commit(&mock, RDKafkaApiKey::EndTxn, &[refused]).await.unwrap_err();
    expect(&error, Kind::Configuration, Code::DELIVERY_REFUSED, "(fatal)");
    for (code, expected) in
        [(refused, Code::DELIVERY_REFUSED), (E::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, Code::KAFKA_PROPERTY)]
    {
        mock.request_errors(RDKafkaApiKey::InitProducerId, &[code]);
        let error = start(&mock, PATIENCE).await.expect_err("it started");
        expect(&error, Kind::Configuration, expected, "(");
        mock.clear_request_errors(RDKafkaApiKey::InitProducerId);
    }
}

#[tokio::test]
async fn who_cannot_join_in_time_may_try_again() {
    let mock = mock();
    mock.broker_down(1).unwrap();
    let error = start(&mock, Duration::from_millis(300)).await.expect_err("it started");
    expect(&error, Kind::Transient, Code::PRODUCER_LOST, "may be tried again");
}
