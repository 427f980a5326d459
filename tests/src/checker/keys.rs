//! The order of each key: its versions come one after the other, and none is left out.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Entry, Fault, Finding, Report};

/// The last version of every key that came.
#[derive(Debug, Default)]
pub(super) struct Keys {
    versions: HashMap<(Arc<str>, u64), u64>,
}

impl Keys {
    pub(super) fn take(&mut self, entry: &Entry, report: &mut Report) {
        let Some(version) = entry.number("version") else { return };
        let last = self.versions.insert((entry.place.topic.clone(), entry.key_hash()), version);
        // The first that comes of a key may be any: a snapshot that was cut off left rows unsent.
        let Some(last) = last else { return };
        let (fault, what) = match version {
            // A row that is read again brings what the changes before it left.
            _ if entry.is_read() && version == last => return,
            _ if version == last + 1 && !entry.is_read() => return,
            _ if version > last => (Fault::Gap, "versions are left out"),
            _ => (Fault::KeyOrder, "the key goes back"),
        };
        report.add(Finding::at(fault, entry, format!("{what}: version {version} follows {last}")));
    }
}
