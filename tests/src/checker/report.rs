//! What a check came to.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Fault, Finding};
use crate::{Failure, Result};

/// How many findings of a kind are kept; the others are counted.
const KEPT_MAX: usize = 20;

/// The findings, and what was looked at.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Events read.
    pub events: u64,
    /// Of these, repeats of what came before.
    pub repeats: u64,
    /// Transactions of which something was streamed.
    pub transactions: u64,
    findings: BTreeMap<Fault, (u64, Vec<Finding>)>,
}

impl Report {
    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        let (count, kept) = self.findings.entry(finding.fault).or_default();
        *count += 1;
        if kept.len() < KEPT_MAX {
            kept.push(finding);
        }
    }

    /// Whether there is a finding of this kind.
    pub fn has(&self, fault: Fault) -> bool {
        self.findings.contains_key(&fault)
    }

    /// The kinds of findings, and how many there are of each.
    pub fn faults(&self) -> Vec<(Fault, u64)> {
        self.findings.iter().map(|(fault, (count, _))| (*fault, *count)).collect()
    }

    /// Fails, and tells the findings, when there are any.
    pub fn ensure_clean(&self) -> Result {
        if self.findings.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("the checker found {:?}\n{}", self.faults(), self.told())))
    }

    /// The findings that were kept, a line each.
    pub fn told(&self) -> String {
        let mut told = String::new();
        for finding in self.findings.values().flat_map(|(_, kept)| kept) {
            // A String takes whatever is written.
            let _ = writeln!(told, "  {finding}");
        }
        told
    }
}
