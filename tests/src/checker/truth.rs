//! What the source says at the end: every row that was ever committed in a table of facts has its event, and no other has one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{Delivery, Entry, Fault, Finding, Place, Report};
use crate::oracle::{Position, parse_lsn};

/// The committed rows of the tables that are only ever inserted into, and the names of the others.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    topics: HashMap<String, Option<HashMap<String, u64>>>,
}

impl Truth {
    /// Adds a table that is only ever inserted into: the keys of its rows as records have them, and the end of the log when each was written.
    pub fn add_facts(&mut self, topic: impl Into<String>, rows: impl IntoIterator<Item = (String, String)>) -> crate::Result {
        let rows = rows.into_iter().map(|(key, lsn)| Ok((key, parse_lsn(&lsn)?)));
        self.topics.insert(topic.into(), Some(rows.collect::<crate::Result<_>>()?));
        Ok(())
    }

    /// Adds a table of which rows change: its order is judged, and its rows are not.
    pub fn add_changing(&mut self, topic: impl Into<String>) {
        self.topics.insert(topic.into(), None);
    }

    /// The topics that are judged.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }
}

/// What came, held against the truth.
#[derive(Debug)]
pub(super) struct Account {
    truth: Truth,
    arrived: HashMap<Arc<str>, HashSet<String>>,
    /// The places of streamed events by position, so that what is missing can be told from its neighbour.
    places: BTreeMap<Position, Place>,
}

impl Account {
    pub(super) fn new(truth: Truth) -> Self {
        Account { truth, arrived: HashMap::new(), places: BTreeMap::new() }
    }

    /// Takes an event that is not a repeat.
    pub(super) fn take(&mut self, delivery: Delivery, entry: &Entry, report: &mut Report) {
        if entry.is_marked_aborted() {
            report.add(Finding::at(Fault::Phantom, entry, "the row was rolled back".to_owned()));
        }
        if !entry.is_read() {
            self.places.entry(entry.event.position).or_insert_with(|| entry.place.clone());
        }
        let Some(Some(committed)) = self.truth.topics.get(&*entry.place.topic) else { return };
        if !committed.contains_key(entry.key()) {
            report.add(Finding::at(Fault::Phantom, entry, "no such row was ever committed".to_owned()));
        }
        let is_first = self.arrived.entry(entry.place.topic.clone()).or_default().insert(entry.key().to_owned());
        if !is_first && delivery == Delivery::ExactlyOnce && !entry.is_read() {
            report.add(Finding::at(Fault::Repeat, entry, "the row came before, at another position".to_owned()));
        }
    }

    pub(super) fn finish(self, report: &mut Report) {
        for (topic, committed) in &self.truth.topics {
            let Some(committed) = committed else { continue };
            let arrived = self.arrived.get(topic.as_str());
            let missing = committed.iter().filter(|(key, _)| arrived.is_none_or(|arrived| !arrived.contains(*key)));
            let mut missing: Vec<(&u64, &String)> = missing.map(|(key, lsn)| (lsn, key)).collect();
            missing.sort_unstable();
            for (lsn, key) in missing {
                let written = Position { commit_lsn: *lsn, seq: None };
                let before = self.places.range(..written).next_back().map(|(_, place)| place.clone());
                let detail =
                    format!("row {key} of {topic} was committed, written when the log ended there, and no event of it came");
                report.add(Finding { fault: Fault::Gap, place: before, position: Some(written), detail });
            }
        }
    }
}
