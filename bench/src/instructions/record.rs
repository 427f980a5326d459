//! What was counted, commit by commit.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::Command;

use waltap_tests::{Failure, Result, ensure};

/// From the root of the repository, where `make` runs.
pub(crate) const FILE: &str = "bench/instructions.csv";

/// The file's columns: a case has a comma of its own, so it comes last.
const HEAD: &str = "commit,instructions,case";

/// The file, and the commit that is counted.
pub(crate) struct Record {
    commit: String,
    lines: Vec<String>,
}

impl Record {
    pub(crate) fn open() -> Result<Self> {
        let output = Command::new("git").args(["describe", "--always", "--dirty=+", "--abbrev=9", "--exclude=*"]).output()?;
        ensure!(output.status.success(), "git does not say which commit this is: {}", String::from_utf8_lossy(&output.stderr));
        let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let text = std::fs::read_to_string(FILE).map_err(|error| Failure::new(format!("{FILE}: {error}")))?;
        ensure!(text.lines().next() == Some(HEAD), "{FILE} does not begin with {HEAD}");
        Ok(Record { commit, lines: text.lines().skip(1).map(str::to_owned).collect() })
    }

    /// The last count of another commit, and which.
    pub(crate) fn last(&self, case: &str) -> Option<(&str, f64)> {
        self.lines.iter().rev().find_map(|line| {
            let mut fields = line.splitn(3, ',');
            let (commit, count, name) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?);
            (name == case && commit != self.commit).then_some((commit, count))
        })
    }

    /// Keeps a count, in place of an earlier one of the same commit.
    pub(crate) fn add(&mut self, case: &str, count: f64) -> Result {
        let (begin, end) = (format!("{},", self.commit), format!(",{case}"));
        self.lines.retain(|line| !(line.starts_with(&begin) && line.ends_with(&end)));
        self.lines.push(format!("{begin}{count:.0}{end}"));
        let mut file = OpenOptions::new().write(true).truncate(true).open(FILE)?;
        writeln!(file, "{HEAD}")?;
        for line in &self.lines {
            writeln!(file, "{line}")?;
        }
        Ok(())
    }
}
