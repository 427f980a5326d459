//! Which asks a tap has answered: their deletion is on its way, and may be seen later than something that is asked after them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// How many are remembered: the watcher is not behind for longer than a few.
const REMEMBERED_MAX: usize = 1_000;

/// The ids of asks that were answered lately. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answered(Arc<Mutex<BTreeSet<String>>>);

impl Answered {
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    pub(crate) fn note(&self, ids: Vec<String>) {
        let mut answered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answered.extend(ids);
        while answered.len() > REMEMBERED_MAX {
            // In the order of their time.
            answered.pop_first();
        }
    }
}
