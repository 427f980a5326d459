//! The checker of a run under faults: reads the topics in the order of their offsets, knows what the source committed, and says what
//! the delivery that was promised does not allow.
//!
//! It judges tables of one workload, by what their columns mean:
//!
//! * `writer`, `transaction`, `step`, `steps`: a fact, one of the rows that a transaction wrote. Facts are only ever inserted, so the
//!   source says at the end which there must be.
//! * `version`: one more with every change of the row, be it by way of a delete and an insert.
//! * `note`: `aborted` in a row that no commit may ever have made visible.
//!
//! | fault | exactly once | at least once |
//! | --- | --- | --- |
//! | a committed row without an event | a gap | a gap |
//! | a position that comes twice | a repeat | allowed as a return to what came before: all of it again, in its order, with the same content |
//! | a new event behind one of a later position | out of order | out of order |
//! | a row read by two snapshots, or read and streamed | a repeat | allowed: a snapshot that was cut off is read anew |
//! | anything of what was rolled back | phantom | phantom |
//! | a transaction of two commit positions, or with a number left out | torn | torn |
//! | an event that came after the slot had passed it | acknowledged early | acknowledged early |
//! | a slot that does not come to the end though nobody writes | stands still | stands still |

mod acknowledgement;
mod entry;
mod finding;
mod keys;
mod partition;
mod report;
#[cfg(test)]
mod tests;
mod transactions;
mod truth;

pub use acknowledgement::{Ends, Samples};
pub use entry::{Entry, Place};
pub use finding::{Fault, Finding};
pub use report::Report;
pub use truth::Truth;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use self::keys::Keys;
use self::partition::{Arrival, Partition};
use self::transactions::Transactions;
use self::truth::Account;
use crate::oracle::Event;
use crate::topics::blocking;
use crate::{Result, Topics};

/// What a capture promises of repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A crash may repeat what came before.
    AtLeastOnce,
    /// Readers of committed records see every position once.
    ExactlyOnce,
}

impl fmt::Display for Delivery {
    /// As `--delivery` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Delivery::AtLeastOnce => "at-least-once",
            Delivery::ExactlyOnce => "exactly-once",
        })
    }
}

/// Takes the events of a run, each partition in the order of its offsets, and judges them.
#[derive(Debug)]
pub struct Checker {
    delivery: Delivery,
    samples: Samples,
    partitions: HashMap<(Arc<str>, i32), Partition>,
    keys: Keys,
    transactions: Transactions,
    account: Account,
    report: Report,
}

impl Checker {
    /// A checker that has seen nothing yet. `samples` were taken during the run, `truth` at its end.
    pub fn new(delivery: Delivery, samples: Samples, truth: Truth) -> Self {
        Checker {
            delivery,
            samples,
            partitions: HashMap::new(),
            keys: Keys::default(),
            transactions: Transactions::default(),
            account: Account::new(truth),
            report: Report::default(),
        }
    }

    /// Takes the next event of its partition.
    pub fn take(&mut self, entry: &Entry) {
        self.report.events += 1;
        let partition = self.partitions.entry((entry.place.topic.clone(), entry.place.partition)).or_default();
        match partition.take(self.delivery, entry, &mut self.report) {
            Arrival::Repeat => self.report.repeats += 1,
            Arrival::New => {
                self.samples.check(entry, &mut self.report);
                self.keys.take(entry, &mut self.report);
                self.transactions.take(entry, &mut self.report);
                self.account.take(self.delivery, entry, &mut self.report);
            }
        }
    }

    /// Says what is missing, now that all is read.
    pub fn finish(mut self) -> Report {
        self.transactions.finish(&mut self.report);
        self.account.finish(&mut self.report);
        self.report
    }
}

/// Reads the topics that the truth names, to their ends, as a reader of committed records.
pub async fn check(topics: &Topics, delivery: Delivery, samples: Samples, truth: Truth) -> Result<Report> {
    let existing = topics.names().await?;
    let names: Vec<String> =
        truth.topics().filter(|name| existing.iter().any(|topic| topic == name)).map(str::to_owned).collect();
    let topics = topics.clone();
    blocking(move || {
        let mut checker = Checker::new(delivery, samples, truth);
        let mut shared: HashMap<String, Arc<str>> = HashMap::new();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if !names.is_empty() {
            topics.visit(&names, &mut |record| {
                let Some(event) = Event::read(&record)? else { return Ok(()) };
                let topic = shared.entry(record.topic.clone()).or_insert_with(|| record.topic.into()).clone();
                let place = Place { topic, partition: record.partition, offset: record.offset };
                checker.take(&Entry { place, event });
                Ok(())
            })?;
        }
        Ok(checker.finish())
    })
    .await
}
