//! Transactions hold together: one commit position each, no number left out, the steps in their order.

use std::collections::HashMap;

use super::{Entry, Fault, Finding, Place, Report};
use crate::oracle::Position;

/// What was streamed of one transaction.
#[derive(Debug)]
struct Streamed {
    numbers: Vec<u64>,
    /// Where the first of it that was read is.
    place: Place,
}

/// A fact's transaction, by its writer's own account.
#[derive(Debug)]
struct Facts {
    commit_lsn: u64,
    /// Step and number of each.
    steps: Vec<(u64, u64)>,
    place: Place,
}

#[derive(Debug, Default)]
pub(super) struct Transactions {
    by_commit: HashMap<u64, Streamed>,
    by_writer: HashMap<(u64, u64), Facts>,
    /// The last snapshot: of transactions before it some tables' changes are left out, since it holds them.
    last_snapshot: u64,
}

impl Transactions {
    /// Takes an event that is not a repeat.
    pub(super) fn take(&mut self, entry: &Entry, report: &mut Report) {
        let Position { commit_lsn, seq } = entry.event.position;
        let Some(number) = seq else {
            self.last_snapshot = self.last_snapshot.max(commit_lsn);
            return;
        };
        let streamed = || Streamed { numbers: Vec::new(), place: entry.place.clone() };
        self.by_commit.entry(commit_lsn).or_insert_with(streamed).numbers.push(number);
        let (Some(writer), Some(transaction), Some(step)) =
            (entry.number("writer"), entry.number("transaction"), entry.number("step"))
        else {
            return;
        };
        let facts = || Facts { commit_lsn, steps: Vec::new(), place: entry.place.clone() };
        let facts = self.by_writer.entry((writer, transaction)).or_insert_with(facts);
        if facts.commit_lsn != commit_lsn {
            let detail = format!("transaction {transaction} of writer {writer} has another commit position in {}", facts.place);
            report.add(Finding::at(Fault::Torn, entry, detail));
        }
        facts.steps.push((step, number));
    }

    pub(super) fn finish(self, report: &mut Report) {
        report.transactions = self.by_commit.len() as u64;
        for (commit_lsn, mut streamed) in self.by_commit {
            streamed.numbers.sort_unstable();
            let finding = |fault, number, detail| Finding {
                fault,
                place: Some(streamed.place.clone()),
                position: Some(Position { commit_lsn, seq: Some(number) }),
                detail,
            };
            if let Some(pair) = streamed.numbers.windows(2).find(|pair| pair[0] == pair[1]) {
                report.add(finding(Fault::Torn, pair[0], "two events have one position".to_owned()));
            }
            streamed.numbers.dedup();
            let missing = (0..).zip(&streamed.numbers).find(|(expected, number)| expected != *number);
            if let Some((expected, _)) = missing
                && commit_lsn >= self.last_snapshot
            {
                report.add(finding(Fault::Gap, expected, "the transaction has no event of this number".to_owned()));
            }
        }
        for ((writer, transaction), mut facts) in self.by_writer {
            facts.steps.sort_unstable();
            if facts.steps.windows(2).any(|pair| pair[0].1 >= pair[1].1) {
                let position = Some(Position { commit_lsn: facts.commit_lsn, seq: None });
                let detail =
                    format!("the steps of transaction {transaction} of writer {writer} are out of order: {:?}", facts.steps);
                report.add(Finding { fault: Fault::Torn, place: Some(facts.place), position, detail });
            }
        }
    }
}
