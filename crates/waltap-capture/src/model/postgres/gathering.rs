//! What the server gathers of transactions that are open, and sends before their commit when there is too much of it.

use std::collections::{BTreeMap, BTreeSet};

use super::wal::Change;

/// Transactions whose commit has not been read yet.
pub(super) struct Gathering {
    /// With so many changes waiting the largest transaction is sent.
    changes_max: usize,
    open: BTreeMap<u32, Gathered>,
}

#[derive(Default)]
pub(super) struct Gathered {
    /// What was not sent yet.
    pub(super) waiting: Vec<Change>,
    /// Transaction and subtransactions of which something was sent.
    pub(super) sent: BTreeSet<u32>,
    /// Relations that were announced within it.
    pub(super) announced: BTreeSet<u32>,
}

impl Gathered {
    pub(super) fn is_streamed(&self) -> bool {
        !self.sent.is_empty()
    }
}

impl Gathering {
    pub(super) fn new(changes_max: usize) -> Self {
        Gathering { changes_max, open: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, xid: u32, change: &Change) {
        self.open.entry(xid).or_default().waiting.push(change.clone());
    }

    /// The transaction that has to be sent now, if there is too much.
    pub(super) fn overflowing(&self) -> Option<u32> {
        let waiting: usize = self.open.values().map(|gathered| gathered.waiting.len()).sum();
        let largest = self.open.iter().max_by_key(|(_, gathered)| gathered.waiting.len());
        largest.filter(|_| waiting > self.changes_max).map(|(xid, _)| *xid)
    }

    pub(super) fn get(&mut self, xid: u32) -> &mut Gathered {
        self.open.entry(xid).or_default()
    }

    pub(super) fn take(&mut self, xid: u32) -> Gathered {
        self.open.remove(&xid).unwrap_or_default()
    }
}
