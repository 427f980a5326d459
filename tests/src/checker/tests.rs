//! The checker finds each fault in a log made up for it, and nothing in the logs of good runs.

use super::*;
use crate::oracle::samples::event_with_key;

const FACTS: &str = "d.public.facts";
const HOT: &str = "d.public.hot";

/// A log that is made up, and what the source would say of it.
struct Log {
    delivery: Delivery,
    entries: Vec<Entry>,
    truth: Vec<(String, String)>,
    samples: Samples,
}

fn fact_key(transaction: u64, step: u64) -> String {
    format!(r#"{{"writer":1,"transaction":{transaction},"step":{step}}}"#)
}

impl Log {
    fn new(delivery: Delivery) -> Self {
        Log { delivery, entries: Vec::new(), truth: Vec::new(), samples: Samples::default() }
    }

    fn push(mut self, topic: &str, op: &str, key: &str, lsn: u64, seq: Option<u64>, after: &str) -> Self {
        let offset = self.entries.iter().filter(|entry| &*entry.place.topic == topic).count() as i64;
        let event = event_with_key(op, Some(key), lsn, seq, after);
        self.entries.push(Entry { place: Place { topic: topic.into(), partition: 0, offset }, event });
        self
    }

    /// A fact that the source committed.
    fn committed(mut self, transaction: u64, step: u64) -> Self {
        self.truth.push((fact_key(transaction, step), format!("0/{:X}", transaction * 16)));
        self
    }

    /// An event of a fact. Transaction n commits at n * 16.
    fn fact_at(self, transaction: u64, step: u64, lsn: u64, seq: u64) -> Self {
        let after = format!(r#"{{"writer":1,"transaction":{transaction},"step":{step},"steps":9,"note":"fact"}}"#);
        self.push(FACTS, "c", &fact_key(transaction, step), lsn, Some(seq), &after)
    }

    fn fact(self, transaction: u64, step: u64) -> Self {
        self.fact_at(transaction, step, transaction * 16, step)
    }

    fn read_fact(self, transaction: u64, step: u64, lsn: u64) -> Self {
        let after = format!(r#"{{"writer":1,"transaction":{transaction},"step":{step},"steps":9,"note":"fact"}}"#);
        self.push(FACTS, "r", &fact_key(transaction, step), lsn, None, &after)
    }

    fn hot(self, version: u64, lsn: u64) -> Self {
        self.push(HOT, "u", r#"{"id":7}"#, lsn, Some(0), &format!(r#"{{"id":7,"version":{version}}}"#))
    }

    fn sample(mut self, confirmed: u64, end: i64) -> Self {
        self.samples.add(confirmed, Ends::from([((FACTS.into(), 0), end), ((HOT.into(), 0), end)]));
        self
    }

    fn check(self) -> Report {
        let mut truth = Truth::default();
        truth.add_facts(FACTS, self.truth).unwrap();
        truth.add_changing(HOT);
        let mut checker = Checker::new(self.delivery, self.samples, truth);
        self.entries.iter().for_each(|entry| checker.take(entry));
        checker.finish()
    }

    /// The kinds of faults found, each once.
    fn faults(self) -> Vec<Fault> {
        self.check().faults().into_iter().map(|(fault, _)| fault).collect()
    }
}

fn once() -> Log {
    Log::new(Delivery::ExactlyOnce)
}

/// Three transactions of the source.
fn at_least() -> Log {
    three(Log::new(Delivery::AtLeastOnce))
}

fn three(log: Log) -> Log {
    log.committed(1, 0).committed(1, 1).committed(2, 0).committed(3, 0)
}

#[test]
fn good_runs_are_clean() {
    let none: [Fault; 0] = [];
    assert_eq!(three(once()).fact(1, 0).fact(1, 1).fact(2, 0).fact(3, 0).faults(), none);
    // A restart in the middle, and one in the middle of the repeat.
    let again = at_least().fact(1, 0).fact(1, 1).fact(2, 0).fact(1, 0).fact(1, 1).fact(1, 0).fact(1, 1).fact(2, 0).fact(3, 0);
    let report = again.check();
    report.ensure_clean().unwrap();
    assert_eq!((report.events, report.repeats, report.transactions), (9, 5, 3));
    // A snapshot that was cut off, the changes up to the next one, and that one whole.
    let cut_off =
        at_least().read_fact(1, 0, 20).fact(2, 0).read_fact(1, 0, 40).read_fact(1, 1, 40).read_fact(2, 0, 40).fact(3, 0);
    assert_eq!(cut_off.faults(), none);
    assert_eq!(once().hot(1, 16).hot(2, 32).hot(3, 48).faults(), none);
    // The slot passes transaction 1 once both of its events are there.
    let acknowledged = at_least().fact(1, 0).fact(1, 1).fact(2, 0).fact(3, 0).sample(16, 0).sample(17, 2).sample(49, 4);
    assert_eq!(acknowledged.faults(), none);
}

#[test]
fn a_gap_is_found() {
    assert_eq!(three(once()).fact(1, 0).fact(1, 1).fact(3, 0).faults(), [Fault::Gap]);
    assert_eq!(at_least().fact(1, 0).fact(1, 1).fact(2, 0).faults(), [Fault::Gap], "at the end");
    assert_eq!(at_least().faults(), [Fault::Gap], "all of it");
    assert_eq!(at_least().fact(1, 1).fact(2, 0).fact(3, 0).faults(), [Fault::Gap], "within a transaction");
    // An event of another table that is left out shows by the numbers of the transaction.
    assert_eq!(once().committed(1, 0).committed(1, 1).fact_at(1, 0, 16, 0).fact_at(1, 1, 16, 2).faults(), [Fault::Gap]);
    assert_eq!(once().hot(1, 16).hot(3, 48).faults(), [Fault::Gap], "a version");
    let told = at_least().fact(1, 0).fact(1, 1).fact(3, 0).check().told();
    assert!(told.contains("0/20") && told.contains(&format!("{FACTS} [0] @ 1")) && told.contains(&fact_key(2, 0)), "{told}");
}

#[test]
fn a_repeat_is_found_where_none_may_be() {
    assert_eq!(three(once()).fact(1, 0).fact(1, 1).fact(1, 0).fact(2, 0).fact(3, 0).faults()[0], Fault::Repeat);
    assert_eq!(three(once()).fact(1, 0).fact(1, 1).fact(2, 0).fact(3, 0).fact(3, 0).faults(), [Fault::Repeat]);
    let read = || once().committed(1, 0).read_fact(1, 0, 20);
    assert_eq!(read().fact_at(1, 0, 24, 0).faults(), [Fault::Repeat], "read and streamed");
    assert_eq!(read().read_fact(1, 0, 40).faults(), [Fault::Repeat], "read by two snapshots");
    let twice = Log::new(Delivery::AtLeastOnce).committed(1, 0).read_fact(1, 0, 20).read_fact(1, 0, 20);
    assert_eq!(twice.faults(), [Fault::Repeat], "twice in one snapshot");
}

#[test]
fn a_return_that_leaves_something_out_is_found() {
    let whole = || at_least().fact(1, 0).fact(1, 1).fact(2, 0).fact(3, 0);
    assert_eq!(whole().fact(1, 0).fact(2, 0).fact(3, 0).faults(), [Fault::BrokenReturn]);
    let left = at_least().fact(1, 0).fact(1, 1).fact(2, 0).fact(1, 0).fact(3, 0);
    assert_eq!(left.faults(), [Fault::BrokenReturn], "it goes on with what is new");
}

#[test]
fn what_is_out_of_order_is_found() {
    assert_eq!(at_least().fact(2, 0).fact(1, 0).fact(1, 1).fact(3, 0).faults(), [Fault::OutOfOrder]);
    assert_eq!(three(once()).fact(1, 1).fact(1, 0).fact(2, 0).fact(3, 0).faults(), [Fault::OutOfOrder], "in a transaction");
    assert_eq!(once().committed(1, 0).committed(3, 0).fact(3, 0).read_fact(1, 0, 20).faults(), [Fault::OutOfOrder]);
    assert_eq!(once().hot(2, 16).hot(1, 32).faults(), [Fault::KeyOrder]);
    assert_eq!(once().hot(2, 16).hot(2, 32).faults(), [Fault::KeyOrder]);
}

#[test]
fn a_repeat_with_other_content_is_found() {
    let log = Log::new(Delivery::AtLeastOnce).hot(1, 16).hot(2, 16);
    assert_eq!(log.faults(), [Fault::Content]);
}

#[test]
fn what_was_rolled_back_is_found() {
    let marked = once().push(HOT, "u", r#"{"id":7}"#, 16, Some(0), r#"{"id":7,"note":"aborted"}"#);
    assert_eq!(marked.faults(), [Fault::Phantom]);
    assert_eq!(once().fact(1, 0).faults(), [Fault::Phantom], "the source knows of no such row");
}

#[test]
fn a_transaction_that_does_not_hold_together_is_found() {
    let two = || once().committed(1, 0).committed(1, 1);
    assert_eq!(two().fact_at(1, 0, 16, 0).fact_at(1, 1, 32, 0).faults(), [Fault::Torn], "two commits");
    let same = once().committed(1, 0).fact_at(1, 0, 16, 0).hot(1, 16);
    assert_eq!(same.faults(), [Fault::Torn], "one position for two events");
    let swapped = two().push(HOT, "u", "{}", 16, Some(0), "{}").fact_at(1, 1, 16, 1).fact_at(1, 0, 16, 2);
    assert_eq!(swapped.faults(), [Fault::Torn], "steps in another order");
}

#[test]
fn an_acknowledgement_that_comes_too_early_is_found() {
    let whole = || at_least().fact(1, 0).fact(1, 1).fact(2, 0).fact(3, 0);
    assert_eq!(whole().sample(17, 1).faults(), [Fault::AcknowledgedEarly], "one of two");
    assert_eq!(whole().sample(17, 2).sample(40, 2).faults(), [Fault::AcknowledgedEarly]);
    // The slot goes back with a crash of the server, and what it passed before still counts.
    assert_eq!(whole().sample(40, 2).sample(17, 3).sample(49, 4).faults(), [Fault::AcknowledgedEarly]);
    let repeated =
        at_least().fact(1, 0).fact(1, 1).fact(2, 0).fact(1, 0).fact(1, 1).fact(2, 0).fact(3, 0).sample(33, 3).sample(49, 7);
    assert_eq!(repeated.faults(), [], "the first arrival counts, not the repeat");
}
