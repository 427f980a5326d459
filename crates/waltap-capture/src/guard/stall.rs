//! Whether a tap stands still: the log goes on, and nothing that the tap does moves.

use std::time::Duration;

use tokio::time::Instant;
use waltap_pgoutput::Lsn;
use waltap_postgres::slot::SlotState;

use crate::board::Facts;
use crate::human_size::human_size;
use crate::status::TapState;

/// The furthest that a tap has come since its slot last moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    /// Where the slot is: what PostgreSQL was told, since that alone frees its log.
    confirmed: Lsn,
    received: Lsn,
    /// What the session has done: events, rows of snapshots, and bytes that wait for their commit. A large transaction moves nothing else.
    done: Done,
    /// What was done when the session began. A session that sends the same again is no progress.
    began: Done,
    reconnects: u64,
    /// Where the last look found it, and the number of the session that came so far.
    seen: Lsn,
    first: u64,
    /// Since when nothing of it has moved.
    since: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Done {
    events: u64,
    rows: u64,
    waiting: u64,
}

impl Done {
    fn of(facts: &Facts) -> Self {
        let waiting = facts.waiting.memory_bytes + facts.waiting.disk_bytes;
        Done { events: facts.events, rows: facts.snapshot_rows, waiting }
    }

    fn since(self, began: Done) -> Self {
        Done {
            events: self.events.saturating_sub(began.events),
            rows: self.rows.saturating_sub(began.rows),
            waiting: self.waiting,
        }
    }

    fn is_beyond(self, other: Done) -> bool {
        self.events > other.events || self.rows > other.rows || self.waiting > other.waiting
    }

    fn max(self, other: Done) -> Self {
        Done { events: self.events.max(other.events), rows: self.rows.max(other.rows), waiting: self.waiting.max(other.waiting) }
    }
}

/// Whether there is something that the tap should be doing. A transaction that waits for its commit may do so for ever.
pub(super) fn is_behind(facts: &Facts, slot: &SlotState) -> bool {
    // With a table paused the slot stays where its changes begin.
    let end = facts.withheld_from.map_or(slot.server_lsn, |withheld| withheld.min(slot.server_lsn));
    let is_told = slot.confirmed_flush_lsn.is_some_and(|confirmed| end <= confirmed);
    facts.received < slot.server_lsn || facts.in_flight_bytes > 0 || (!is_told && facts.waiting.transactions == 0)
}

/// Notes where a tap stands that is behind the server. Says what it waits for once it has stood there for longer than `patience`.
pub(super) fn note(stall: &mut Option<Stall>, facts: &Facts, confirmed: Lsn, now: Instant, patience: Duration) -> Option<String> {
    let total = Done::of(facts);
    let fresh = Stall {
        confirmed,
        received: facts.received,
        done: Done::default(),
        began: total,
        reconnects: facts.reconnects,
        seen: facts.received,
        first: facts.reconnects,
        since: now,
    };
    let stall = stall.get_or_insert(fresh);
    if stall.reconnects != facts.reconnects {
        (stall.reconnects, stall.began) = (facts.reconnects, total);
    }
    let done = total.since(stall.began);
    // Where a table is paused, or goes on, the log is decoded again from that place, which takes its time and brings nothing new. Sessions that
    // do so again and again stand still.
    let is_decoding_again = facts.received != stall.seen && facts.reconnects <= stall.first + 1;
    stall.seen = facts.received;
    if confirmed != stall.confirmed || facts.received > stall.received {
        *stall = fresh;
    } else if done.is_beyond(stall.done) || is_decoding_again {
        (stall.done, stall.since) = (done.max(stall.done), now);
    }
    let stood = now.saturating_duration_since(stall.since);
    (stood >= patience).then(|| format!("nothing has moved for {stood:.0?}: {}", waits_for(facts, confirmed)))
}

/// What a tap that stands still waits for, as far as it is known.
fn waits_for(facts: &Facts, confirmed: Lsn) -> String {
    if let Some(waits) = facts.waits() {
        return waits.clone();
    }
    match facts.state {
        TapState::Starting => "the tap is starting: it waits for the server, or for Kafka".to_owned(),
        TapState::Waiting => facts.error_text().unwrap_or_else(|| "the tap is about to begin again".to_owned()),
        _ if facts.in_flight_bytes > 0 => format!("Kafka has not confirmed {} that were handed to it", human_size(facts.in_flight_bytes)),
        TapState::Snapshot => "rows are being read, and none come: a lock may be in the way".to_owned(),
        _ if confirmed < facts.confirmed => {
            "events are confirmed, and PostgreSQL cannot be told: progress is not recorded, see the log".to_owned()
        }
        _ => "the server sends nothing: it may be decoding a large transaction (pg_stat_replication_slots), or be held up by a lock".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn streaming() -> Facts {
        let mut facts = Facts::default();
        (facts.state, facts.confirmed, facts.received) = (TapState::Streaming, Lsn(10), Lsn(20));
        facts
    }

    #[test]
    fn a_tap_that_stands_still_is_told_with_what_it_waits_for() {
        let (start, mut facts, mut stall) = (Instant::now(), streaming(), None);
        let mut after =
            |facts: &Facts, confirmed, minutes| note(&mut stall, facts, Lsn(confirmed), start + MINUTE * minutes, MINUTE * 5);
        assert_eq!(after(&facts, 10, 0), None);
        assert_eq!(after(&facts, 10, 4), None);
        facts.events += 1;
        assert_eq!(after(&facts, 10, 5), None, "it works");
        facts.in_flight_bytes = 2048;
        let text = after(&facts, 10, 10).unwrap();
        assert!(text.contains("300s") && text.contains("Kafka has not confirmed 2.0 KiB"), "{text}");
        facts.waiting_for = Some("Kafka does not answer".to_owned());
        assert!(after(&facts, 10, 11).unwrap().contains("Kafka does not answer"));
        assert_eq!(after(&facts, 11, 12), None);
    }

    #[test]
    fn a_slot_that_stands_where_a_table_is_paused_is_not_behind() {
        let slot = SlotState { confirmed_flush_lsn: Some(Lsn(10)), server_lsn: Lsn(20), ..SlotState::default() };
        let mut facts = streaming();
        assert!(is_behind(&facts, &slot));
        facts.withheld_from = Some(Lsn(10));
        assert!(!is_behind(&facts, &slot));
        facts.withheld_from = Some(Lsn(11));
        assert!(is_behind(&facts, &slot), "it is not there yet");
    }

    #[test]
    fn sessions_that_do_the_same_again_stand_still() {
        let (start, mut facts, mut stall) = (Instant::now(), streaming(), None);
        let mut told = Vec::new();
        for session in 0..6 {
            (facts.reconnects, facts.received) = (session, Lsn(5));
            for look in 0..2 {
                let now = start + MINUTE * u32::try_from(session * 2 + look).unwrap();
                told.push(note(&mut stall, &facts, Lsn(10), now, MINUTE * 5).is_some());
                (facts.events, facts.received) = (facts.events + 100, Lsn(20));
            }
        }
        assert_eq!(told.iter().filter(|told| **told).count(), 4, "{told:?}");
    }

    #[test]
    fn a_log_that_is_decoded_again_does_not_stand_still() {
        for reconnects in [0, 1] {
            let (start, mut facts, mut stall) = (Instant::now(), streaming(), None);
            facts.received = Lsn(100);
            assert_eq!(note(&mut stall, &facts, Lsn(10), start, MINUTE * 5), None);
            facts.reconnects = reconnects;
            for minute in 1..20 {
                facts.received = Lsn(10 + u64::from(minute));
                assert_eq!(note(&mut stall, &facts, Lsn(10), start + MINUTE * minute, MINUTE * 5), None);
            }
            assert!(note(&mut stall, &facts, Lsn(10), start + MINUTE * 24, MINUTE * 5).is_some(), "it ended there");
        }
    }

    #[test]
    fn what_is_confirmed_and_cannot_be_recorded_stands_still_too() {
        let (start, mut facts, mut stall) = (Instant::now(), streaming(), None);
        facts.confirmed = Lsn(20);
        assert_eq!(note(&mut stall, &facts, Lsn(10), start, MINUTE * 5), None);
        let text = note(&mut stall, &facts, Lsn(10), start + MINUTE * 5, MINUTE * 5).unwrap();
        assert!(text.contains("progress is not recorded"), "{text}");
    }
}
