//! An observer that remembers what it was told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use waltap_error::Error;
use waltap_kafka::DeliveryObserver;

#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Default)]
pub(crate) struct Recorded {
    /// How many records were confirmed, by opaque.
    pub(crate) confirmed: HashMap<u64, u64>,
    pub(crate) failed: Vec<(u64, Error)>,
    /// How often a batch was handed over.
    pub(crate) batches: usize,
    /// The threads that called.
    pub(crate) threads: Vec<std::thread::ThreadId>,
}

impl Recorder {
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Recorded) -> T) -> T {
        look(&self.0.lock().unwrap())
    }

    /// Whether the producer that it was given to is gone.
    pub(crate) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    pub(crate) fn total(&self) -> u64 {
        self.look(|recorded| recorded.confirmed.values().sum())
    }
}

impl DeliveryObserver for Recorder {
    fn confirmed(&mut self, runs: &[(u64, u64)]) {
        let mut recorded = self.0.lock().unwrap();
        recorded.batches += 1;
        recorded.threads.push(std::thread::current().id());
        for (opaque, count) in runs {
            *recorded.confirmed.entry(*opaque).or_default() += count;
        }
    }

    fn failed(&mut self, opaque: u64, error: Error) {
        self.0.lock().unwrap().failed.push((opaque, error));
    }
}
