//! The order of one partition: what is new comes in rising positions, and a return repeats all that came, in its order.

use std::collections::{HashMap, HashSet};

use super::{Delivery, Entry, Fault, Finding, Report};
use crate::oracle::{Operation, Position};

/// What an event is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    Repeat,
}

/// Streamed events are told apart by key and position: a change of a key has two events at one position.
type Identity = (u64, Position);

/// One partition of a topic.
#[derive(Debug, Default)]
pub(super) struct Partition {
    /// Streamed events by identity: their number in the order of their first arrival, and their content.
    streamed: HashMap<Identity, (usize, u64)>,
    /// Rows of snapshots.
    read: HashSet<Identity>,
    /// Keys that any snapshot brought.
    read_keys: HashSet<u64>,
    /// The latest position of all that came.
    front: Option<Position>,
    /// The number of the last event, while a return has not come to the front again.
    returning: Option<usize>,
}

impl Partition {
    pub(super) fn take(&mut self, delivery: Delivery, entry: &Entry, report: &mut Report) -> Arrival {
        let identity = (entry.key_hash(), entry.event.position);
        if entry.is_read() {
            return self.take_read(delivery, identity, entry, report);
        }
        match self.streamed.get(&identity) {
            Some(&(number, content)) => {
                if content != entry.content_hash() {
                    let detail = format!("the position came before with other content; now {}", entry.event.content());
                    report.add(Finding::at(Fault::Content, entry, detail));
                }
                if delivery == Delivery::ExactlyOnce {
                    report.add(Finding::at(Fault::Repeat, entry, "the position came before".to_owned()));
                }
                if self.returning.is_some_and(|last| number > last + 1) {
                    report.add(Finding::at(Fault::BrokenReturn, entry, "some that came before it were left out".to_owned()));
                }
                let is_front = number + 1 == self.streamed.len();
                self.returning = (!is_front).then_some(number);
                Arrival::Repeat
            }
            None => {
                self.take_new(identity, entry, report);
                Arrival::New
            }
        }
    }

    fn take_new(&mut self, identity: Identity, entry: &Entry, report: &mut Report) {
        let position = entry.event.position;
        // The second half of a change of the key.
        let is_beside = self.front == Some(position) && entry.event.operation == Operation::Create;
        if let Some(front) = self.front
            && position <= front
            && !is_beside
        {
            report.add(Finding::at(Fault::OutOfOrder, entry, format!("it is new, and behind {front}")));
        } else if self.returning.take().is_some() {
            report.add(Finding::at(Fault::BrokenReturn, entry, "it is new, before all was repeated that came before".to_owned()));
        }
        self.front = self.front.max(Some(position));
        self.streamed.insert(identity, (self.streamed.len(), entry.content_hash()));
    }

    fn take_read(&mut self, delivery: Delivery, identity: Identity, entry: &Entry, report: &mut Report) -> Arrival {
        if !self.read.insert(identity) {
            report.add(Finding::at(Fault::Repeat, entry, "the snapshot has the row twice".to_owned()));
            return Arrival::Repeat;
        }
        if !self.read_keys.insert(identity.0) && delivery == Delivery::ExactlyOnce {
            report.add(Finding::at(Fault::Repeat, entry, "an earlier snapshot brought the row already".to_owned()));
        }
        if let Some(front) = self.front
            && identity.1 < front
        {
            report.add(Finding::at(Fault::OutOfOrder, entry, format!("a row of a snapshot, behind {front}")));
        }
        self.front = self.front.max(Some(identity.1));
        Arrival::New
    }
}
