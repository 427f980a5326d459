//! What librdkafka has to say: the queue in which it waits, and the thread that is woken for it. rdkafka does the like for consumers alone.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::thread::{self, Thread};
use std::time::Duration;

use rdkafka::bindings;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::{RDKafka, RDKafkaQueue};

use super::collector::Collector;

/// The events of a producer. Until this is dropped, the thread that made it is unparked whenever one comes where none was waiting.
pub(super) struct Events<'n> {
    native: &'n BaseProducer<Collector>,
    queue: *mut RDKafkaQueue,
    /// Ours, where librdkafka finds it.
    thread: *mut Thread,
}

impl<'n> Events<'n> {
    /// Those of a producer, for this thread.
    pub(super) fn of(native: &'n BaseProducer<Collector>) -> Self {
        let thread = Box::into_raw(Box::new(thread::current()));
        // SAFETY: the client lives for as long as it is borrowed, and its queue for as long as this reference to it is not given back.
        // `thread` is what `wake` wants, and lives until the callback is taken back.
        #[allow(unsafe_code)]
        let queue = unsafe {
            let queue = bindings::rd_kafka_queue_get_main(native.client().native_ptr());
            bindings::rd_kafka_queue_cb_event_enable(queue, Some(wake), thread.cast());
            queue
        };
        Events { native, queue, thread }
    }

    /// Has the producer's context take all that is there. What comes afterwards wakes the thread.
    pub(super) fn take(&self) {
        // rdkafka takes one at a time when it is not to wait.
        while !self.is_empty() {
            self.native.poll(Duration::ZERO);
        }
    }

    fn is_empty(&self) -> bool {
        // SAFETY: the queue is ours.
        #[allow(unsafe_code)]
        let length = unsafe { bindings::rd_kafka_queue_length(self.queue) };
        length == 0
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        // SAFETY: the queue is ours until it is given back, once, here. It is locked while the callback is called, and while that is taken back: none
        // comes after, and the thread's handle is ours alone.
        #[allow(unsafe_code)]
        unsafe {
            bindings::rd_kafka_queue_cb_event_enable(self.queue, None, null_mut());
            bindings::rd_kafka_queue_destroy(self.queue);
            drop(Box::from_raw(self.thread));
        }
    }
}

/// Called by a thread of librdkafka, with the queue locked: does nothing else.
///
/// # Safety
///
/// `thread` points to a [`Thread`].
#[allow(unsafe_code)]
unsafe extern "C" fn wake(_: *mut RDKafka, thread: *mut c_void) {
    // SAFETY: as the caller promises.
    unsafe { &*thread.cast::<Thread>() }.unpark();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use rdkafka::ClientConfig;
    use rdkafka::config::FromClientConfigAndContext;
    use rdkafka::producer::PurgeConfig;
    use waltap_error::Error;

    use super::super::shared::Shared;
    use super::super::topic_handles::{Record, TopicHandles};
    use super::*;
    use crate::delivery::DeliveryObserver;

    struct Failures(Arc<AtomicBool>);

    impl DeliveryObserver for Failures {
        fn confirmed(&mut self, _: &[(u64, u64)]) {}
        fn failed(&mut self, _: u64, _: Error) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_report_wakes_the_thread() {
        const PATIENCE: Duration = Duration::from_secs(30);
        let has_failed = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared::new(1 << 20));
        assert!(shared.reserve(300));
        let mut config = ClientConfig::new();
        // A broker is not needed: the record waits for one until it is thrown away.
        config.set("bootstrap.servers", "127.0.0.1:9");
        let collector = Collector::new(Box::new(Failures(Arc::clone(&has_failed))), shared);
        let native = Arc::new(BaseProducer::from_config_and_context(&config, collector).unwrap());
        let topics = TopicHandles::new(Arc::clone(&native));
        topics.send("orders", Record { partition: None, key: None, value: None, headers: None, opaque: 7 }).unwrap();
        let events = Events::of(&native);
        events.take();
        native.purge(PurgeConfig::default().queue().inflight());
        while !has_failed.load(Ordering::Relaxed) {
            let began = Instant::now();
            thread::park_timeout(PATIENCE);
            assert!(began.elapsed() < PATIENCE, "nobody has woken it");
            events.take();
        }
    }
}
