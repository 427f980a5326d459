//! What happened in a run, line by line, and a digest of it.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How many of the last lines a finding is told with.
const LINES_MAX: usize = 400;

/// Kept only when somebody wants to see it: writing it takes longer than the run itself.
#[derive(Debug, Default)]
pub(super) struct Trace {
    kept: Option<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    digest: DefaultHasher,
}

impl Trace {
    pub(super) fn kept() -> Self {
        Trace { kept: Some(Kept::default()) }
    }

    pub(super) fn note(&mut self, now: Duration, what: impl FnOnce() -> String) {
        let Some(kept) = &mut self.kept else { return };
        let line = without_times(format!("{:>8.3} {}", now.as_secs_f64(), what()));
        line.hash(&mut kept.digest);
        if kept.lines.len() == LINES_MAX {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
    }

    /// A digest of all lines.
    pub(super) fn digest(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.digest.finish())
    }

    pub(super) fn lines(&self) -> String {
        self.kept.as_ref().map_or_else(String::new, |kept| kept.lines.iter().map(|line| format!("{line}\n")).collect())
    }
}

/// Records of progress have times of the clock in them, which decide nothing.
fn without_times(line: String) -> String {
    let mut parts = line.split("_at\":");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("_at\":");
        text.push_str(part.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    }
    text
}
