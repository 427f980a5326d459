//! Timelines: which part of a server's log is the same as that of another one.
//!
//! A promotion begins a new timeline, whose history says for each earlier one where it was left (PostgreSQL manual, "Timelines"). Up to
//! there the logs are one; behind it, the same place may hold something else.

use waltap_pgoutput::Lsn;

/// That of a server that was never promoted.
pub(super) const FIRST_TIMELINE: u32 = 1;

/// The history of a timeline: each earlier one that its log came through, and where it was left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelineHistory {
    switches: Vec<(u32, Lsn)>,
}

impl TimelineHistory {
    /// Reads a history file: `TIMELINE<tab>PLACE<tab>REASON` a line, beside comments. `None`: it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let switch = |line: &str| {
            let mut fields = line.split_whitespace();
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        Some(TimelineHistory { switches: lines.map(switch).collect::<Option<_>>()? })
    }

    /// Where an earlier timeline was left. `None`: the log never was on it.
    pub fn left(&self, timeline: u32) -> Option<Lsn> {
        self.switches.iter().find(|(earlier, _)| *earlier == timeline).map(|(_, lsn)| *lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_says_where_each_timeline_was_left() {
        let text = "1\t0/30000A0\tno recovery target specified\n\n# by hand\n 2\t1/0\tbefore 2026-01-01 00:00:00+00\n";
        let history = TimelineHistory::parse(text).unwrap();
        assert_eq!(history.left(1), Some(Lsn(0x300_00A0)));
        assert_eq!(history.left(2), Some(Lsn(1 << 32)));
        assert_eq!(history.left(3), None);
        assert_eq!(TimelineHistory::parse("").unwrap().left(1), None);
        for odd in ["one\t0/1\t", "1", "1\t3000"] {
            assert_eq!(TimelineHistory::parse(odd), None, "{odd}");
        }
    }
}
