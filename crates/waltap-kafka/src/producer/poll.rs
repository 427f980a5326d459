//! The poll thread of a producer.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, Producer as _, PurgeConfig};
use waltap_error::{Code, Error, Result};

use super::collector::Collector;
use super::events::Events;
use super::lookout::Lookout;

/// How long reports are gathered while there is always something in flight: the most that batching adds to a confirmation.
const ROUND: Duration = Duration::from_millis(5);

/// How long the thread sleeps when librdkafka has nothing to say.
const IDLE: Duration = Duration::from_millis(100);

/// How often it is looked whether the client of a producer that was dropped is left alone.
const LAST_LOOKS: Duration = Duration::from_millis(1);

pub(super) fn start(native: Arc<BaseProducer<Collector>>, mut lookout: Lookout) -> Result<Thread> {
    let handle = thread::Builder::new()
        .name("waltap-kafka".to_owned())
        .spawn(move || run(&native, &mut lookout))
        .map_err(|error| Error::transient(Code::INTERNAL, "starting the poll thread of the Kafka producer").source(error))?;
    Ok(handle.thread().clone())
}

fn run(native: &Arc<BaseProducer<Collector>>, lookout: &mut Lookout) {
    let collector = native.context();
    let _end = End(collector);
    let events = Events::of(native);
    let mut round = Instant::now();
    let mut pause = Duration::ZERO;
    let mut is_purged = false;
    // Alone with it, the producer was dropped. Then librdkafka's client is destroyed here, where nobody waits for it.
    while Arc::strong_count(native) > 1 {
        // rdkafka's own waiting counts whole milliseconds, and turns in a circle for the rest of them.
        thread::park_timeout(pause);
        events.take();
        let rest = ROUND.saturating_sub(round.elapsed());
        if collector.hand_over_the_last() && !rest.is_zero() {
            pause = rest;
        } else {
            collector.finish_round();
            lookout.round(native);
            round = Instant::now();
            // While it commits, librdkafka may take reports by itself.
            pause = if collector.is_committing() { ROUND } else { IDLE };
        }
        // Somebody who calls or looks may be in the way of the end for seconds. Nothing is sent meanwhile: another producer may send the same already.
        if collector.is_dropped() {
            pause = LAST_LOOKS;
            if !is_purged {
                native.purge(PurgeConfig::default().queue().inflight());
                is_purged = true;
            }
        }
    }
}

/// Says when the thread ends, also by a panic of the observer: without it nothing would ever be confirmed again, and nobody would know.
struct End<'a>(&'a Collector);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.note_end();
    }
}
