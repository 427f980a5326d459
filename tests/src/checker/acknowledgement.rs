//! Nothing is acknowledged before Kafka has it: the slot's place and the topics' ends, asked again and again during the run.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Entry, Fault, Finding, Report};

/// The ends of topics: the next offset of each partition. What is not named was not there yet.
pub type Ends = HashMap<(Arc<str>, i32), i64>;

/// What was seen during a run, in order.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// How far the slot was confirmed, at most so far, and the ends that were asked for after that.
    taken: Vec<(u64, Ends)>,
}

impl Samples {
    /// Adds a sample: how far the slot was confirmed, asked of the server first, and the ends of the topics, asked of Kafka after that.
    /// A slot goes back when its server crashes, which takes back nothing of what was forgotten.
    pub fn add(&mut self, confirmed: u64, ends: Ends) {
        // Ends never go back, so that of two equal places the first says all.
        if self.taken.last().is_none_or(|(last, _)| confirmed > *last) {
            self.taken.push((confirmed, ends));
        }
    }

    /// How many say something.
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Checks a streamed event that is not a repeat: the first sample in which the slot had passed its transaction must have it.
    pub(super) fn check(&self, entry: &Entry, report: &mut Report) {
        // The rows of a snapshot are in no slot: progress keeps account of them.
        if entry.is_read() {
            return;
        }
        let commit_lsn = entry.event.position.commit_lsn;
        let first = self.taken.partition_point(|(confirmed, _)| *confirmed <= commit_lsn);
        let Some((confirmed, ends)) = self.taken.get(first) else { return };
        let end = ends.get(&(entry.place.topic.clone(), entry.place.partition)).copied().unwrap_or(0);
        if entry.place.offset >= end {
            let detail = format!(
                "the slot was confirmed up to {:X}/{:X} when the partition ended at {end}",
                confirmed >> 32,
                confirmed & 0xffff_ffff
            );
            report.add(Finding::at(Fault::AcknowledgedEarly, entry, detail));
        }
    }
}
