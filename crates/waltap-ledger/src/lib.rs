//! The ledger: what was handed to Kafka, what Kafka has confirmed, and so how far the slot may advance.
//!
//! The stream of a tap is a row of *groups*, in commit order: a transaction is one group, a logical message outside of one another. Where
//! Kafka commits many as one they are one group ([`Ledger::join`]).
//! Events are handed over within a group, and confirmed later, in any order. The slot may advance to the end of the longest run of groups,
//! from the oldest on, of which every event is confirmed. Snapshot rows stand for no place in the log and are not in here.
//!
//! A crate of its own so that one rule holds by construction: only [`Ledger`] can make a [`Durable`], and the standby status writer
//! accepts nothing else. It does no I/O and knows no clock.

use std::collections::VecDeque;
use std::fmt;

use waltap_pgoutput::Lsn;

/// A place in the log up to which every event is confirmed: what PostgreSQL may be told to forget.
///
/// Made by [`Ledger::durable`] and by nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Durable(Lsn);

impl Durable {
    /// The place itself.
    pub fn lsn(self) -> Lsn {
        self.0
    }
}

/// Names a group of events. An id is not given again while anything may still be confirmed under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u64);

impl GroupId {
    /// The id as a number, to be carried through Kafka's client and back.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// The id that [`GroupId::to_u64`] gave. A number that was never given out is found when it is used.
    pub fn from_u64(id: u64) -> Self {
        GroupId(id)
    }
}

/// Names a place that the slot may not pass: see [`Ledger::keep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep(u64);

/// A report that does not fit the account: an event confirmed that was never handed over, or a group used after its end.
///
/// It means that waltap is wrong about what Kafka holds, so the tap must stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance {
    group: GroupId,
    what: &'static str,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ledger does not balance: group {}: {}", self.group.0, self.what)
    }
}

impl std::error::Error for Imbalance {}

#[derive(Debug)]
struct Group {
    unconfirmed: u64,
    /// More events may be handed over.
    is_open: bool,
    /// The end of its last whole transaction; zero when it has none. Once all of its events, and those before it, are confirmed, the log up to here
    /// may be forgotten.
    end: Lsn,
}

#[derive(Debug)]
struct Kept {
    id: Keep,
    place: Lsn,
    /// Once this group is the oldest, the place may be passed.
    until: Option<u64>,
}

impl Kept {
    /// Whether the place may be passed when that group is the oldest.
    fn is_over(&self, oldest: u64) -> bool {
        self.until.is_some_and(|until| oldest >= until)
    }
}

/// The account of one tap. See the crate's documentation.
#[derive(Debug)]
pub struct Ledger {
    /// Groups that are open, unconfirmed, or stand behind one that is; oldest first.
    groups: VecDeque<Group>,
    /// The id of `groups[0]`, or of the next group when there is none.
    oldest: u64,
    in_flight: u64,
    /// The end of the longest run of confirmed groups.
    confirmed: Lsn,
    /// Places that the slot may not pass although everything up to behind them is confirmed.
    kept: Vec<Kept>,
    keeps: u64,
}

impl Ledger {
    /// A ledger for a stream that starts at `start`: the slot's own confirmed position, or its consistent point when it is new.
    pub fn new(start: Lsn) -> Self {
        Ledger { groups: VecDeque::new(), oldest: 0, in_flight: 0, confirmed: start, kept: Vec::new(), keeps: 0 }
    }

    /// Opens a group behind all others.
    pub fn open(&mut self) -> GroupId {
        let id = GroupId(self.oldest + self.groups.len() as u64);
        self.groups.push_back(Group { unconfirmed: 0, is_open: true, end: Lsn::ZERO });
        id
    }

    /// Goes on with the last group, if that has ended and is not confirmed yet, and else opens one. For transactions of which Kafka commits many as one:
    /// they take no more memory than one does.
    pub fn join(&mut self) -> GroupId {
        let next = self.oldest + self.groups.len() as u64;
        let is_waited_for = self.kept.iter().any(|kept| kept.until == Some(next));
        match self.groups.back_mut() {
            Some(group) if !group.is_open && !is_waited_for => {
                group.is_open = true;
                GroupId(next - 1)
            }
            _ => self.open(),
        }
    }

    /// Notes that `events` events of an open group are handed to Kafka. Called before they are, so that no confirmation can come first.
    pub fn hand_over(&mut self, id: GroupId, events: u64) -> Result<(), Imbalance> {
        let group = self.group(id)?;
        if !group.is_open {
            return Err(Imbalance { group: id, what: "an event was handed over after its end" });
        }
        group.unconfirmed += events;
        self.in_flight += events;
        Ok(())
    }

    /// Notes that Kafka has confirmed `events` events of a group.
    pub fn confirm(&mut self, id: GroupId, events: u64) -> Result<(), Imbalance> {
        let group = self.group(id)?;
        group.unconfirmed = match group.unconfirmed.checked_sub(events) {
            Some(unconfirmed) => unconfirmed,
            None => return Err(Imbalance { group: id, what: "more events were confirmed than handed over" }),
        };
        self.in_flight -= events;
        self.advance();
        Ok(())
    }

    /// Ends a transaction's group. `end` is the commit's end LSN. A group without events, because the filters emptied it or because it
    /// never had any, counts as confirmed.
    pub fn close(&mut self, id: GroupId, end: Lsn) -> Result<(), Imbalance> {
        let group = self.group(id)?;
        if !group.is_open {
            return Err(Imbalance { group: id, what: "it was ended twice" });
        }
        (group.is_open, group.end) = (false, group.end.max(end));
        self.merge_last();
        self.advance();
        Ok(())
    }

    /// Takes a keepalive's WAL end: the server has sent everything before it, so it may be forgotten once nothing is in flight.
    ///
    /// Within an open group it says nothing, because the rest of the group has yet to come.
    pub fn keepalive(&mut self, wal_end: Lsn) {
        match self.groups.back_mut() {
            None => self.confirmed = self.confirmed.max(wal_end),
            Some(group) if !group.is_open => group.end = group.end.max(wal_end),
            Some(_) => {}
        }
    }

    /// Keeps the slot from passing a place, for something that the server would not send again from behind it and that is not sent yet. Other
    /// groups go on meanwhile and take no memory. A place that the slot may have passed already is taken as where it may be now.
    pub fn keep(&mut self, place: Lsn) -> Keep {
        let id = Keep(self.keeps);
        self.keeps += 1;
        self.kept.push(Kept { id, place: place.max(self.durable().0), until: None });
        id
    }

    /// Lets the slot pass a place that was kept, once all groups until now are confirmed. Called while none is open.
    pub fn release(&mut self, keep: Keep) {
        let until = self.oldest + self.groups.len() as u64;
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.id == keep) {
            kept.until = Some(until);
        }
        self.advance();
    }

    /// How far the slot may advance now. Never goes back.
    pub fn durable(&self) -> Durable {
        Durable(self.kept.iter().fold(self.confirmed, |durable, kept| durable.min(kept.place)))
    }

    /// The end of the longest run of confirmed groups, whatever is kept.
    pub fn confirmed(&self) -> Lsn {
        self.confirmed
    }

    /// How far the slot may advance once everything that was handed over is confirmed: a promise, and no [`Durable`].
    pub fn prospect(&self) -> Lsn {
        let ended = self.groups.iter().take_while(|group| !group.is_open).count();
        // An open one counts up to the last end in it.
        let ends = self.groups.iter().take(ended + 1).map(|group| group.end);
        let oldest = self.oldest + ended as u64;
        let kept = self.kept.iter().filter(|kept| !kept.is_over(oldest));
        kept.fold(ends.fold(self.confirmed, Lsn::max), |prospect, kept| prospect.min(kept.place))
    }

    /// How many events are handed over and not confirmed.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Whether nothing is open and nothing is in flight.
    pub fn is_settled(&self) -> bool {
        self.groups.is_empty()
    }

    fn group(&mut self, id: GroupId) -> Result<&mut Group, Imbalance> {
        let unknown = Imbalance { group: id, what: "it is over, or was never opened" };
        let index = id.0.checked_sub(self.oldest).ok_or(unknown.clone())?;
        self.groups.get_mut(index as usize).ok_or(unknown)
    }

    /// Folds the last group into the one before it when all of its own events are confirmed: both end where it ends. So a long row of
    /// transactions that the filters emptied, behind one that waits for Kafka, takes no memory.
    fn merge_last(&mut self) {
        let Some(&Group { unconfirmed: 0, is_open: false, end: last_end }) = self.groups.back() else { return };
        let before = self.groups.len().checked_sub(2).and_then(|index| self.groups.get_mut(index));
        if let Some(before) = before.filter(|group| !group.is_open) {
            before.end = before.end.max(last_end);
            self.groups.pop_back();
        }
    }

    fn advance(&mut self) {
        while let Some(&Group { unconfirmed: 0, is_open, end }) = self.groups.front() {
            self.confirmed = self.confirmed.max(end);
            if is_open {
                break;
            }
            self.groups.pop_front();
            self.oldest += 1;
        }
        let oldest = self.oldest;
        self.kept.retain(|kept| !kept.is_over(oldest));
    }
}

#[cfg(test)]
mod tests;
