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

/// How long the idle thread reads errors and log lines. rdkafka reads on for that long; in no time at all it would read one thing only,
/// and fall behind a broker that is away and logs faster.
const LISTENING: Duration = Duration::from_millis(1);

pub(super) fn start(native: Arc<BaseProducer<Collector>>) -> Result<Thread> {
    let handle = thread::Builder::new()
        .name("waltap-kafka".to_owned())
        .spawn(move || run(&native))
        .map_err(|error| Error::transient(Code::INTERNAL, "starting the poll thread of the Kafka producer").source(error))?;
    Ok(handle.thread().clone())
}

fn run(native: &Arc<BaseProducer<Collector>>) {
    let collector = native.context();
    let _end = End(collector);
    // Alone with it, the producer was dropped. Then librdkafka's client is destroyed here, where nobody waits for it.
    while Arc::strong_count(native) > 1 {
        if collector.is_idle() {
            thread::park_timeout(IDLE);
            native.poll(LISTENING);
        } else {
            native.poll(ROUND);
        }
        collector.finish_round();
    }
}

/// Says when the thread ends, also by a panic of the observer: without it nothing would ever be confirmed again, and nobody would know.
struct End<'a>(&'a Collector);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.note_end();
    }
}
