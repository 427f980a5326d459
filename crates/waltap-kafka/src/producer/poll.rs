//! The poll thread of a producer.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer as _};
use waltap_error::{Code, Error, Result};

use super::collector::Collector;

/// How long reports are gathered while there is always something in flight: the most that batching adds to a confirmation.
const ROUND: Duration = Duration::from_millis(5);

/// How long the thread sleeps when nothing is in flight; the first record wakes it. Its errors and log lines wait that long.
const IDLE: Duration = Duration::from_millis(100);

pub(super) fn start(native: Arc<BaseProducer<Collector>>) -> Result<Thread> {
    let handle = thread::Builder::new()
        .name("waltap-kafka".to_owned())
        .spawn(move || run(&native))
        .map_err(|error| Error::transient(Code::INTERNAL, "starting the poll thread of the Kafka producer").source(error))?;
    Ok(handle.thread().clone())
}

fn run(native: &Arc<BaseProducer<Collector>>) {
    let collector = native.context();
    // Alone with it, the producer was dropped. Then librdkafka's client is destroyed here, where nobody waits for it.
    while Arc::strong_count(native) > 1 {
        if collector.is_idle() {
            thread::park_timeout(IDLE);
            native.poll(Duration::ZERO);
        } else {
            native.poll(ROUND);
        }
        collector.finish_round();
    }
}
