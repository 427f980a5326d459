//! The stream: messages in, events out, and the account of both. No waiting here; who drives it is `tap::session`.

mod announcements;
mod behind;
mod beside;
mod chunks;
mod lateness;
mod open_transaction;
mod streamed;
mod taken;
mod unconfirmed;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use waltap_error::{Code, Error, Result};
use waltap_event::{Encoder, Stamp};
use waltap_ledger::{Durable, GroupId, Imbalance, Keep, Ledger};
use waltap_pgoutput::{Begin, Commit, Lsn, Message, PgTime, ReplicationMessage, StreamingMessage, Tuple};

use super::Route;
use super::chunks::Watch;
use super::side_topics::SideTopics;
use super::tables::{CapturedTable, Found, Op, Tables};
use crate::event_error::failure;
use crate::position::Position;
use crate::sabotage::{Sabotage, is_on};
use crate::sink::{Account, Outgoing, Sink, Staged, Topic};

pub(crate) use behind::Reached;
pub(crate) use streamed::Streamed;
pub(crate) use taken::{Ahead, Taken};

use behind::Behind;
use lateness::Lateness;
use open_transaction::OpenTransaction;
use unconfirmed::Unconfirmed;

/// That keys are to be read again of which progress does not know yet.
#[derive(Clone, Copy, Debug)]
struct KeptForKeys {
    keep: Keep,
    /// The commit of the first change that told of one.
    commit: Lsn,
}

/// The stream of one session.
pub(crate) struct Stream {
    pub(crate) sink: Arc<Sink>,
    pub(crate) tables: Tables,
    pub(crate) staged: Staged,
    pub(crate) streamed: Streamed,
    /// What is noted for tables that are read in chunks.
    pub(crate) watch: Watch,
    /// Keeps the slot before changes whose keys are to be read again, until progress knows these.
    kept_for_keys: Option<KeptForKeys>,
    encoder: Encoder,
    ledger: Ledger,
    open: Option<OpenTransaction>,
    message_topic: Option<Arc<Topic>>,
    side_topics: SideTopics,
    /// Topics that rows of outboxes named, by the names that they gave.
    outbox_topics: HashMap<String, Topic>,
    /// The last name that one of them gave.
    wanted_topic: String,
    unconfirmed: Unconfirmed,
    received: Lsn,
    server: Lsn,
    /// Asked once a batch.
    now: PgTime,
    pub(crate) lateness: Lateness,
    events: u64,
    /// Of all records of the stream.
    bytes: u64,
    /// Of those that were asked for by [`Stream::take_bytes`].
    bytes_taken: u64,
    /// What the slot sends again up to here is in Kafka, but for tables that are behind.
    known: Option<Position>,
    /// Behind the last transaction or message that was sent, or else where that was known to be.
    position: Option<Position>,
    /// Behind the last transaction that was taken, in Kafka before or not.
    passed: Position,
    behind: Behind,
}

impl Stream {
    /// A stream that the slot sends from `start`. What comes again up to `known` is not sent again; the last event stands before `position`, where
    /// that is known.
    pub(crate) fn new(
        sink: Arc<Sink>,
        encoder: Encoder,
        start: Lsn,
        side_topics: SideTopics,
        streamed: Streamed,
        known: Option<Position>,
        position: Option<Position>,
    ) -> Self {
        Stream {
            sink,
            tables: Tables::default(),
            staged: Staged::default(),
            streamed,
            watch: Watch::default(),
            kept_for_keys: None,
            encoder,
            ledger: Ledger::new(start),
            open: None,
            message_topic: None,
            side_topics,
            outbox_topics: HashMap::new(),
            wanted_topic: String::new(),
            unconfirmed: Unconfirmed::default(),
            received: start,
            server: start,
            now: PgTime::from(SystemTime::now()),
            lateness: Lateness::default(),
            events: 0,
            bytes: 0,
            bytes_taken: 0,
            known,
            position,
            passed: Position::after_message(start),
            behind: Behind::default(),
        }
    }

    /// Begins a batch of frames.
    pub(crate) fn begin_batch(&mut self) {
        self.now = PgTime::from(SystemTime::now());
    }

    /// Whether the next frame stands between transactions, and where.
    pub(crate) fn look_ahead(&self, frame: &[u8]) -> Result<Ahead> {
        if self.open.is_some() {
            return Ok(Ahead::Within);
        }
        Ok(match ReplicationMessage::decode(frame).map_err(malformed)? {
            ReplicationMessage::Keepalive { end, .. } => Ahead::Reaches(end),
            ReplicationMessage::XLogData { data, .. } => self.streaming_ahead(data)?,
        })
    }

    /// Takes a frame. When it asks for something it has changed nothing, and is to be offered again.
    pub(crate) fn take(&mut self, frame: &[u8]) -> Result<Taken> {
        match ReplicationMessage::decode(frame).map_err(malformed)? {
            ReplicationMessage::Keepalive { end, .. } => {
                // Within a transaction it says nothing: the ledger knows.
                self.ledger.keepalive(end);
                self.received = self.received.max(end);
                self.server = self.server.max(end);
                self.lateness.note_keepalive();
                Ok(Taken::Done)
            }
            ReplicationMessage::XLogData { start, sent_at, data, .. } => {
                self.lateness.note_message(sent_at);
                let message = StreamingMessage::decode(data, self.streamed.spill.in_block()).map_err(malformed)?;
                let taken = self.take_streaming(start, data, message)?;
                self.received = self.received.max(start);
                Ok(taken)
            }
        }
    }

    fn take_message(&mut self, lsn: Lsn, data: &[u8], message: Message<'_>) -> Result<Taken> {
        match message {
            Message::Insert(insert) => {
                let taken =
                    self.change(lsn, insert.relation_id, Op::Insert, Some(insert.new), |encoder, table, stamp, out| {
                        encoder.insert(table, stamp, insert.new, out)
                    })?;
                self.noted(taken, insert.relation_id, None, Some(insert.new))
            }
            Message::Update(update) => {
                let taken = self.change(lsn, update.relation_id, Op::Update, None, |encoder, table, stamp, out| {
                    encoder.update(table, stamp, update.old, update.new, out)
                })?;
                self.noted(taken, update.relation_id, update.old, Some(update.new))
            }
            Message::Delete(delete) => {
                let taken = self.change(lsn, delete.relation_id, Op::Delete, None, |encoder, table, stamp, out| {
                    encoder.delete(table, stamp, delete.old, out)
                })?;
                self.noted(taken, delete.relation_id, Some(delete.old), None)
            }
            Message::Truncate(truncate) => {
                let open = *self.transaction()?;
                let is_quiet = |oid: u32| self.behind.is_quiet(oid, &open);
                if truncate.relation_ids.into_iter().all(is_quiet) {
                    return self.skip();
                }
                let commit = open.begin.final_lsn;
                // All tables first, so that nothing is sent twice when one of them is not resolved.
                for oid in truncate.relation_ids.into_iter().filter(|oid| !self.behind.is_quiet(*oid, &open)) {
                    match self.tables.find(oid)? {
                        Found::Unresolved => return Ok(Taken::Unresolved(oid)),
                        Found::NeedsSnapshot => return Ok(Taken::Emptied { oid, commit }),
                        Found::Captured(table) if table.is_unread() => return Ok(Taken::Emptied { oid, commit }),
                        Found::Captured(_) | Found::LeftOut => {}
                    }
                }
                let ordinal = open.ordinal;
                for oid in truncate.relation_ids {
                    self.transaction()?.ordinal = ordinal;
                    self.change(lsn, oid, Op::Truncate, None, |encoder, table, stamp, out| encoder.truncate(table, stamp, out))?;
                    // One that is in Kafka already says nothing of rows that were asked for since.
                    if !self.behind.is_quiet(oid, &open) {
                        self.watch.empty(oid);
                    }
                }
                self.transaction()?.ordinal = ordinal + 1;
                Ok(Taken::Done)
            }
            Message::Begin(begin) => self.begin(lsn, begin),
            Message::Commit(commit) => self.commit(lsn, commit),
            Message::Relation(relation) => {
                self.tables.announce(&relation, data);
                Ok(Taken::Done)
            }
            Message::LogicalMessage(message) => self.logical_message(lsn, message),
            // Types are asked for in the catalog, which knows more of them. An origin changes nothing of an event so far.
            Message::Type(_) | Message::Origin(_) => Ok(Taken::Done),
        }
    }

    /// Sends what a change of a table becomes: for an outbox its new row, otherwise what is written.
    fn change(
        &mut self,
        lsn: Lsn,
        oid: u32,
        op: Op,
        row: Option<Tuple<'_>>,
        write: impl FnOnce(&mut Encoder, &waltap_event::Table, &Stamp, &mut Outgoing<'_>) -> Result<(), waltap_event::Failure<Error>>,
    ) -> Result<Taken> {
        let Some(open) = &mut self.open else { return Err(out_of_place("a change outside of a transaction")) };
        let is_quiet = self.behind.is_quiet(oid, open);
        if is_quiet && self.behind.passes_over(oid, open, self.side_topics.transactions.is_some()) {
            return self.skip();
        }
        let table: &mut CapturedTable = match self.tables.find(oid)? {
            Found::Captured(table) => table,
            Found::LeftOut => {
                open.ordinal += 1;
                return Ok(Taken::Done);
            }
            Found::Unresolved => return Ok(Taken::Unresolved(oid)),
            Found::NeedsSnapshot => return Ok(Taken::NeedsSnapshot(oid)),
        };
        if !table.sends(open.begin.final_lsn) || (row.is_none() && matches!(table.route, Route::Outbox(_))) {
            open.ordinal += 1;
            return Ok(Taken::Done);
        }
        let topic = match (&table.route, row) {
            (Route::Topic(topic), _) => topic,
            (Route::Outbox(outbox), row) => {
                outbox.write_topic(row.into_iter().flatten(), &mut self.wanted_topic);
                match self.outbox_topics.get(&self.wanted_topic) {
                    Some(topic) => topic,
                    None => return Ok(Taken::NoOutboxTopic),
                }
            }
        };
        let stamp = open.stamp(lsn, self.now);
        open.ordinal += 1;
        if !is_quiet && let (Some(topic), Some(version)) = (&self.side_topics.schemas, table.version.take()) {
            let mut out = Outgoing::new(&self.sink, topic, Account::Stream(open.group), &mut self.staged).at(&stamp);
            version.send(&stamp, &mut out)?;
            self.bytes += out.bytes;
            hand_over(&mut self.ledger, open.group, out.records)?;
        }
        let mut out = Outgoing::new(&self.sink, topic, Account::Stream(open.group), &mut self.staged).silent(is_quiet).at(&stamp);
        let written = match &table.route {
            Route::Topic(_) => write(&mut self.encoder, &table.prepared, &stamp, &mut out),
            Route::Outbox(outbox) => outbox.send(row.into_iter().flatten(), out.plain()).map_err(waltap_event::Failure::Sink),
        };
        let (records, bytes) = (out.records, out.bytes);
        written.map_err(|error| failure(&table.shape, error))?;
        table.count(op, records, bytes);
        self.tables.touch(oid);
        self.events += records;
        self.bytes += bytes;
        open.has_events |= records > 0;
        // Reports are only taken between frames, so noting it after the fact is in time.
        hand_over(&mut self.ledger, open.group, records)?;
        Ok(Taken::Done)
    }

    /// Passes over a change that is in Kafka already.
    fn skip(&mut self) -> Result<Taken> {
        self.transaction()?.ordinal += 1;
        Ok(Taken::Done)
    }

    fn begin(&mut self, lsn: Lsn, begin: Begin) -> Result<Taken> {
        if self.open.is_some() {
            return Err(out_of_place("a transaction inside of another"));
        }
        self.watch.ring.note(begin.xid);
        let group = self.open_group();
        let repeats = self.known.map_or(0, |known| known.changes_of(begin.final_lsn));
        let mut open = OpenTransaction { group, begin, ordinal: 0, repeats, has_events: false, bytes_before: self.bytes };
        if let Some(topic) = self.side_topics.transactions.clone() {
            let stamp = Stamp { ordinal: None, ..open.stamp(lsn, self.now) };
            self.send_beside(&topic, open.group, repeats > 0, Some(&stamp), |encoder, out| {
                encoder.transaction_begins(&stamp, out)
            })?;
            open.has_events = repeats == 0;
        }
        self.open = Some(open);
        Ok(Taken::Done)
    }

    fn commit(&mut self, lsn: Lsn, commit: Commit) -> Result<Taken> {
        let Some(open) = self.open.take() else { return Err(out_of_place("a commit outside of a transaction")) };
        if open.begin.final_lsn != commit.commit_lsn {
            return Err(out_of_place("a commit of another transaction than the open one"));
        }
        if let Some(topic) = self.side_topics.transactions.clone() {
            let stamp = Stamp { ordinal: None, ..open.stamp(lsn, self.now) };
            self.send_beside(&topic, open.group, open.is_known(), Some(&stamp), |encoder, out| {
                encoder.transaction_commits(&stamp, out)
            })?;
        }
        self.passed = Position::after_transaction(commit.commit_lsn);
        if !open.is_known() {
            self.position = Some(Position::after_transaction(commit.commit_lsn));
        }
        if open.has_events || !is_on(Sabotage::ForgetFiltered) {
            self.ledger.close(open.group, commit.end_lsn).map_err(imbalance)?;
        }
        self.encoder.transaction_ended(commit.end_lsn);
        if open.has_events {
            self.unconfirmed.note(commit.end_lsn, commit.commit_time, self.sink.is_transactional());
        }
        self.received = self.received.max(commit.end_lsn);
        self.lateness.note_commit(commit.commit_time);
        Ok(Taken::Done)
    }

    /// Opens a group of the ledger. What Kafka commits as one is one.
    fn open_group(&mut self) -> GroupId {
        match self.sink.is_transactional() {
            true => self.ledger.join(),
            false => self.ledger.open(),
        }
    }

    /// The name of the topic that the last frame asked for.
    pub(crate) fn wanted_topic(&self) -> &str {
        &self.wanted_topic
    }

    /// Takes the topic that stands for that name.
    pub(crate) fn set_outbox_topic(&mut self, topic: Topic) {
        self.outbox_topics.insert(self.wanted_topic.clone(), topic);
    }

    pub(crate) fn set_message_topic(&mut self, topic: Topic) {
        self.message_topic = Some(Arc::new(topic));
    }

    /// Enters confirmations into the ledger, and says how far the slot may advance now.
    pub(crate) fn settle(&mut self, confirmations: &mut Vec<(GroupId, u64)>) -> Result<Durable> {
        for (group, count) in confirmations.drain(..).filter(|_| !is_on(Sabotage::ConfirmOnProduce)) {
            self.ledger.confirm(group, count).map_err(imbalance)?;
        }
        let durable = match is_on(Sabotage::KeepaliveInFlight) {
            true => Ledger::new(self.server).durable(),
            false => self.ledger.durable(),
        };
        self.unconfirmed.note_confirmed(self.ledger.confirmed());
        Ok(durable)
    }

    /// Behind the last change that was taken; what is in Kafka already counts. `None` before the first one.
    pub(crate) fn position(&self) -> Option<Position> {
        match &self.open {
            Some(open) if open.ordinal > 0 && !open.is_repeat() => {
                let off_by_one = u64::from(is_on(Sabotage::SplitOffByOne));
                Some(Position { commit_lsn: open.begin.final_lsn, ordinal: Some(open.ordinal + off_by_one) })
            }
            _ => self.position,
        }
    }

    /// Whether a Kafka transaction may end here: not when the beginning of a transaction was told and nothing else of it, for which there is no
    /// place.
    pub(crate) fn may_split(&self) -> bool {
        self.open.is_none_or(|open| open.ordinal > 0 || !open.has_events)
    }

    /// Amid a transaction, the bytes of its records so far.
    pub(crate) fn amid_transaction(&self) -> Option<u64> {
        self.open.filter(|_| self.is_amid_transaction()).map(|open| self.bytes - open.bytes_before)
    }

    /// Whether a part of a transaction was taken, and not the rest.
    pub(crate) fn is_amid_transaction(&self) -> bool {
        self.open.is_some_and(|open| open.ordinal > 0 || open.has_events)
    }

    /// How far the slot may advance once everything that was sent is confirmed.
    pub(crate) fn prospect(&self) -> Lsn {
        self.ledger.prospect()
    }

    /// The bytes of records that were sent since this was asked last.
    pub(crate) fn take_bytes(&mut self) -> u64 {
        self.bytes - std::mem::replace(&mut self.bytes_taken, self.bytes)
    }

    /// Whether a transaction has begun, and its commit has not come yet.
    pub(crate) fn is_in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// How many events wait for their confirmation.
    pub(crate) fn in_flight(&self) -> u64 {
        self.ledger.in_flight()
    }

    /// Commit time of the oldest transaction that is not confirmed: of a complete one, or else of the open one.
    pub(crate) fn oldest_unconfirmed(&self) -> Option<PgTime> {
        self.unconfirmed.oldest().or(self.open.map(|open| open.begin.commit_time))
    }

    pub(crate) fn received(&self) -> Lsn {
        self.received
    }

    pub(crate) fn server(&self) -> Lsn {
        self.server
    }

    /// Events sent in this session.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    fn transaction(&mut self) -> Result<&mut OpenTransaction> {
        self.open.as_mut().ok_or_else(|| out_of_place("a truncate outside of a transaction"))
    }
}

/// Notes events that were handed to the sink.
fn hand_over(ledger: &mut Ledger, group: GroupId, events: u64) -> Result<()> {
    ledger.hand_over(group, events).map_err(imbalance)?;
    match is_on(Sabotage::ConfirmOnProduce) {
        true => ledger.confirm(group, events).map_err(imbalance),
        false => Ok(()),
    }
}

fn malformed(error: waltap_pgoutput::Error) -> Error {
    Error::data(Code::MALFORMED_MESSAGE, "reading the replication stream").source(error)
}

fn out_of_place(what: &str) -> Error {
    Error::data(Code::MALFORMED_MESSAGE, format!("the replication stream holds {what}"))
}

fn imbalance(error: Imbalance) -> Error {
    Error::configuration(Code::INTERNAL, "keeping the account of what Kafka has confirmed").source(error)
}
