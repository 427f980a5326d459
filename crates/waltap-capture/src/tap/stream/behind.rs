//! Tables that are behind the others: those that are paused, and those that were, and have not caught up.
//!
//! What is withheld of a paused table comes again from the slot, which is kept from passing it. When the table goes on, the stream begins anew at
//! the slot's place: up to where the others are already, changes of such tables alone are sent.

use std::collections::BTreeMap;

use waltap_pgoutput::Lsn;

use super::Stream;
use super::open_transaction::OpenTransaction;
use crate::position::Position;
use crate::sabotage::{Sabotage, is_on};

/// A table that is behind.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// How far it is in Kafka, as far as the others are.
    from: Position,
    /// Whether what stands behind is withheld, and not sent.
    is_withheld: bool,
}

/// The tables that are behind, by OID. Mostly there are none.
#[derive(Debug, Default)]
pub(super) struct Behind(BTreeMap<u32, Place>);

impl Behind {
    /// Whether the next change of a transaction, which is one of this table, is not to be sent: it is in Kafka, or withheld.
    pub(super) fn is_quiet(&self, oid: u32, open: &OpenTransaction) -> bool {
        let Some(place) = self.0.get(&oid) else { return open.is_repeat() };
        match place.from.has_change(open.begin.final_lsn, open.ordinal) {
            true => open.is_repeat(),
            false => place.is_withheld,
        }
    }

    /// Whether nothing needs to be written of a change that is not to be sent. `is_counted`: what is written of a transaction is counted.
    pub(super) fn passes_over(&self, oid: u32, open: &OpenTransaction, is_counted: bool) -> bool {
        match open.is_known() {
            // Others of the same transaction may be sent now, with their numbers in it.
            true => !is_counted || !self.is_any_late(),
            false => !is_counted && self.0.contains_key(&oid),
        }
    }

    /// Whether there is a table of which what was withheld is sent.
    fn is_any_late(&self) -> bool {
        self.0.values().any(|place| !place.is_withheld)
    }
}

/// How far the tables of a stream are, where some are behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The tables that are behind.
    pub(crate) behind: BTreeMap<u32, Position>,
    /// All others are there, and so is what comes at its time without a table.
    pub(crate) others: Position,
}

impl Stream {
    /// Begins with a table that is behind. Where its changes are withheld, the slot does not pass the first of them.
    pub(crate) fn put_behind(&mut self, oid: u32, from: Position, is_withheld: bool) {
        if is_withheld && !is_on(Sabotage::PassPaused) {
            // Until the session ends: a table that goes on does so in another one.
            self.ledger.keep(from.commit_lsn);
        }
        self.behind.0.insert(oid, Place { from, is_withheld });
    }

    /// The next place between two transactions at which a table can be paused: everything of it that was sent stands before.
    pub(crate) fn boundary(&self) -> Position {
        let taken = Some(self.passed()).max(self.known).max(self.position());
        match taken {
            Some(Position { commit_lsn, ordinal: Some(1..) }) => Position::after_transaction(commit_lsn),
            Some(position) => position,
            None => Position::after_message(Lsn::ZERO),
        }
    }

    /// Up to where everything was taken in this session, be it in Kafka before or not.
    pub(crate) fn passed(&self) -> Position {
        match &self.open {
            Some(open) if open.ordinal > 0 => Position { commit_lsn: open.begin.final_lsn, ordinal: Some(open.ordinal) },
            Some(_) => self.passed,
            None => self.passed.max(Position::after_message(self.received)),
        }
    }

    /// Up to where everything that was taken in this session is confirmed, and what is to be known of it is in progress: what stands before is
    /// not looked at again after a crash.
    pub(crate) fn confirmed(&self) -> Position {
        let confirmed = self.ledger.confirmed();
        Position::after_message(self.kept_for_keys.map_or(confirmed, |kept| confirmed.min(kept.commit)))
    }

    /// How far the tables are once what was taken up to a place is in Kafka; `None` when none is behind.
    pub(crate) fn reached(&self, place: Position) -> Option<Reached> {
        if self.behind.0.is_empty() {
            return None;
        }
        let is_fixed = |behind: &Place| behind.is_withheld || is_on(Sabotage::ForgetCaughtUp);
        let reached = |behind: &Place| if is_fixed(behind) { behind.from } else { behind.from.max(place) };
        let behind = self.behind.0.iter().map(|(oid, behind)| (*oid, reached(behind))).collect();
        Some(Reached { behind, others: self.known.map_or(place, |known| known.max(place)) })
    }

    /// The tables that have caught up with the others, once what was taken up to a place is in Kafka.
    pub(crate) fn caught_up(&self, place: Position) -> Vec<u32> {
        let is_there = self.known.is_none_or(|known| place >= known) || is_on(Sabotage::ForgetWithheld);
        let late = self.behind.0.iter().filter(|(_, behind)| is_there && !behind.is_withheld && place >= behind.from);
        late.map(|(oid, _)| *oid).collect()
    }

    /// From now on these tables are as all others.
    pub(crate) fn put_level(&mut self, oids: &[u32]) {
        self.behind.0.retain(|oid, _| !oids.contains(oid));
    }

    /// The first place at which something is withheld, if anything is.
    pub(crate) fn withheld_from(&self) -> Option<Lsn> {
        self.behind.0.values().filter(|behind| behind.is_withheld).map(|behind| behind.from.commit_lsn).min()
    }
}

#[cfg(test)]
mod tests {
    use waltap_ledger::GroupId;
    use waltap_pgoutput::{Begin, PgTime};

    use super::*;

    #[test]
    fn what_is_in_kafka_or_withheld_is_not_sent() {
        let mut behind = Behind::default();
        let from = Position { commit_lsn: Lsn(20), ordinal: Some(1) };
        behind.0.insert(1, Place { from, is_withheld: true });
        behind.0.insert(2, Place { from, is_withheld: false });
        let quiet = |commit: u64, ordinal: u64, repeats: u64| {
            let begin = Begin { final_lsn: Lsn(commit), commit_time: PgTime::from(std::time::UNIX_EPOCH), xid: 7 };
            let open =
                OpenTransaction { group: GroupId::from_u64(0), begin, ordinal, repeats, has_events: false, bytes_before: 0 };
            [1, 2, 3].map(|oid| behind.is_quiet(oid, &open))
        };
        // The others are not there yet: what stands before the tables' place is sent of all.
        assert_eq!(quiet(20, 0, 0), [false, false, false]);
        assert_eq!(quiet(20, 1, 0), [true, false, false], "the first is paused");
        // They have it.
        assert_eq!(quiet(10, 0, u64::MAX), [true, true, true]);
        assert_eq!(quiet(20, 0, 1), [true, true, true]);
        assert_eq!(quiet(20, 1, 1), [true, false, false]);
        assert_eq!(quiet(30, 0, u64::MAX), [true, false, true], "the second catches up");
    }
}
