//! A cluster that names no broker for a moment, since its controller has fenced the only one.
//!
//! librdkafka mostly never gets over it (confluentinc/librdkafka#5301). The producer must notice, and say so.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use waltap_error::{Code, Error, Kind};
use waltap_kafka::{Options, Producer};

use crate::metadata_proxy::MetadataProxy;
use crate::recorder::Recorder;
use crate::{PATIENCE, options_with};

/// As many as it takes for librdkafka to be still busy with an answer while its broker goes down.
const TOPICS: u64 = 300;

/// How often a client is told that there is no broker, if it asks so often: where it gets over the first answer, the second may do it.
const ANSWERS: u64 = 3;

/// After this time it asks no more.
const ASKED: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_cluster_without_brokers_for_a_moment_at_least_once() {
    async fn start(options: Options, recorder: Recorder) -> Producer {
        Producer::start(&options, recorder).unwrap()
    }
    async fn write(producer: &Producer) -> Result<(), Error> {
        send(producer);
        producer.drain(PATIENCE).await
    }
    goes_on(start, write).await;
}

#[tokio::test]
async fn a_cluster_without_brokers_for_a_moment_exactly_once() {
    async fn start(options: Options, recorder: Recorder) -> Producer {
        Producer::start_transactional(&options, "fenced", recorder, PATIENCE).await.unwrap()
    }
    async fn write(producer: &Producer) -> Result<(), Error> {
        send(producer);
        tokio::time::timeout(PATIENCE, producer.commit()).await.expect("the commit hangs")
    }
    goes_on(start, write).await;
}

/// Writes before and after, with another producer where the first one gives up.
async fn goes_on(start: impl AsyncFn(Options, Recorder) -> Producer, write: impl AsyncFn(&Producer) -> Result<(), Error>) {
    let mock = MockCluster::new(1).unwrap();
    create_topics(&mock);
    let proxy = MetadataProxy::start(mock.bootstrap_servers());
    let often = [("socket.connection.setup.timeout.ms", "1000"), ("topic.metadata.refresh.interval.ms", "500")];
    let (options, recorder) = (options_with(&proxy.address(), &often), Recorder::default());
    let mut producer = start(options.clone(), recorder.clone()).await;
    write(&producer).await.unwrap();

    proxy.fence(true);
    let began = Instant::now();
    while proxy.answers_without_brokers() == 0 || (proxy.answers_without_brokers() < ANSWERS && began.elapsed() < ASKED) {
        assert!(began.elapsed() < PATIENCE, "nobody asks");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.fence(false);

    if let Err(error) = write(&producer).await {
        assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::PRODUCER_LOST), "{}", error.report());
        recorder.look(|recorded| assert_eq!(recorded.failed[0].1.code(), Code::PRODUCER_LOST, "the observer was not told"));
        producer = start(options, recorder).await;
        write(&producer).await.unwrap();
    }
    assert_eq!(producer.in_flight().records, 0);
}

/// The thread of a mock that is asked for a topic may miss it, and looks again after a second, or when somebody connects.
fn create_topics(mock: &MockCluster<'_, DefaultProducerContext>) {
    let (address, created) = (mock.bootstrap_servers(), AtomicBool::new(false));
    thread::scope(|threads| {
        threads.spawn(|| {
            while !created.load(Ordering::Relaxed) {
                drop(TcpStream::connect(&address));
                thread::sleep(Duration::from_millis(5));
            }
        });
        let all = (0..TOPICS).try_for_each(|topic| mock.create_topic(&name(topic), 1, 1));
        created.store(true, Ordering::Relaxed);
        all.unwrap();
    });
}

fn send(producer: &Producer) {
    for topic in 0..TOPICS {
        producer.send(&name(topic), Some(0), None, Some(b"x"), topic).unwrap();
    }
}

fn name(topic: u64) -> String {
    format!("fenced-{topic}")
}
