//! Whether a tap stands still: the log goes on, and nothing that the tap does moves.

use std::time::Duration;

use tokio::time::Instant;

use super::retention::sized;
use crate::board::Facts;
use crate::status::TapState;

/// What of a tap moves when it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    confirmed: u64,
    received: u64,
    events: u64,
    snapshot_rows: u64,
    /// Of transactions that wait for their commit: a large one that comes moves nothing else.
    spilled: u64,
}

/// Since when nothing of it has moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    marks: Marks,
    since: Instant,
}

/// Notes where a tap stands that is behind the server. Says what it waits for once it has stood there for longer than `patience`.
pub(super) fn note(stall: &mut Option<Stall>, facts: &Facts, now: Instant, patience: Duration) -> Option<String> {
    let marks = Marks {
        confirmed: facts.confirmed.0,
        received: facts.received.0,
        events: facts.events,
        snapshot_rows: facts.snapshot_rows,
        spilled: facts.waiting.memory_bytes + facts.waiting.disk_bytes,
    };
    let since = match stall {
        Some(stall) if stall.marks == marks => stall.since,
        stall => stall.insert(Stall { marks, since: now }).since,
    };
    let stood = now.saturating_duration_since(since);
    (stood >= patience).then(|| format!("nothing has moved for {stood:.0?}: {}", waits_for(facts)))
}

/// What a tap that stands still waits for, as far as it is known.
fn waits_for(facts: &Facts) -> String {
    if let Some(waits) = facts.waits() {
        return waits.clone();
    }
    match facts.state {
        TapState::Starting => "the tap is starting: it waits for the server, or for Kafka".to_owned(),
        TapState::Waiting => facts.error_text().unwrap_or_else(|| "the tap is about to begin again".to_owned()),
        _ if facts.in_flight_bytes > 0 => format!("Kafka has not confirmed {} that were handed to it", sized(facts.in_flight_bytes)),
        TapState::Snapshot => "rows are being read, and none come: a lock may be in the way".to_owned(),
        _ => "the server sends nothing: it may be decoding a large transaction (pg_stat_replication_slots), or be held up by a lock".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use waltap_pgoutput::Lsn;

    use super::*;

    #[test]
    fn a_tap_that_stands_still_is_told_with_what_it_waits_for() {
        let (start, minute) = (Instant::now(), Duration::from_secs(60));
        let mut facts = Facts::default();
        (facts.state, facts.confirmed) = (TapState::Streaming, Lsn(10));
        let mut stall = None;
        assert_eq!(note(&mut stall, &facts, start, minute * 5), None);
        assert_eq!(note(&mut stall, &facts, start + minute * 4, minute * 5), None);
        facts.events += 1;
        assert_eq!(note(&mut stall, &facts, start + minute * 5, minute * 5), None, "it works");
        facts.in_flight_bytes = 2048;
        let text = note(&mut stall, &facts, start + minute * 10, minute * 5).unwrap();
        assert!(text.contains("300s") && text.contains("Kafka has not confirmed 2.0 KiB"), "{text}");
        facts.waiting_for = Some("Kafka does not answer".to_owned());
        assert!(note(&mut stall, &facts, start + minute * 11, minute * 5).unwrap().contains("Kafka does not answer"));
        facts.confirmed = Lsn(11);
        assert_eq!(note(&mut stall, &facts, start + minute * 12, minute * 5), None);
    }
}
