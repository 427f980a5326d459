//! What a walsender sends: the log's entries from some place on, as frames of the replication protocol.

use std::collections::{BTreeSet, VecDeque};

use waltap_pgoutput::{
    Begin, Column, Commit, Delete, Insert, LogicalMessage, Lsn, Message, OldRow, PgTime, Relation, ReplicaIdentity,
    ReplicationMessage, StreamAbort, StreamCommit, StreamStart, StreamingMessage, Truncate, Update, Value, encode,
};

use super::gathering::Gathering;
use super::wal::{Change, Entry, SourceTable, Step, Transaction, Wal, What};

/// `int8` and `text`, as relation messages name them.
const INT8: u32 = 20;
const TEXT: u32 = 25;

/// Where a stream stands.
pub(super) struct Walsender {
    /// The next step of the log.
    next: usize,
    /// What commits before here is not sent.
    from: Lsn,
    /// Everything up to here was sent.
    sent: Lsn,
    /// What is sent becomes what was sent when its last frame is out.
    sending: Lsn,
    /// Relations that were announced.
    announced: BTreeSet<u32>,
    messages: bool,
    tells_empty_transactions: bool,
    /// Open transactions, where they are sent.
    gathering: Option<Gathering>,
    /// The subtransaction whose messages are written now, in a stream block.
    streams: Option<u32>,
    /// What is written and not yet on its way: the rest of a transaction, for one.
    ready: VecDeque<Vec<u8>>,
    /// How many stream blocks were written.
    blocks: usize,
}

impl Walsender {
    pub(super) fn new(from: Lsn, messages: bool, tells_empty_transactions: bool, streams_after: Option<usize>) -> Self {
        Walsender {
            next: 0,
            from,
            sent: from,
            sending: from,
            announced: BTreeSet::new(),
            messages,
            tells_empty_transactions,
            gathering: streams_after.map(Gathering::new),
            streams: None,
            ready: VecDeque::new(),
            blocks: 0,
        }
    }

    /// Whether there is something to send, keepalives aside.
    pub(super) fn has_more(&self, wal: &Wal) -> bool {
        !self.ready.is_empty() || self.next < wal.steps.len()
    }

    /// Whether it stands in the middle of a transaction.
    pub(super) fn is_within(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next frame.
    pub(super) fn frame(&mut self, wal: &Wal) -> Option<Vec<u8>> {
        while self.ready.is_empty() {
            let (end, step) = wal.steps.get(self.next)?;
            self.next += 1;
            self.step(wal, *end, step);
            self.sending = self.sending.max(*end);
            if self.ready.is_empty() {
                self.sent = self.sending;
            }
        }
        let frame = self.ready.pop_front();
        if self.ready.is_empty() {
            self.sent = self.sending;
        }
        frame
    }

    fn step(&mut self, wal: &Wal, end: Lsn, step: &Step) {
        match step {
            Step::Entry(index) => match &wal.entries[*index] {
                Entry::Committed(transaction) => self.commit(wal, transaction),
                Entry::Message { start, end, content } if self.messages && *start >= self.from => {
                    let message = message(*end, false, content);
                    self.send(*end, &message);
                }
                Entry::Message { .. } => {}
            },
            Step::Change { xid, change } => {
                let Some(gathering) = &mut self.gathering else { return };
                gathering.add(*xid, change);
                // What may still be passed over is not sent before its end.
                if end > self.from
                    && let Some(largest) = gathering.overflowing()
                {
                    self.stream_block(wal, largest);
                }
            }
            Step::Abort { xid, undone } => self.abort(*xid, undone),
        }
    }

    fn commit(&mut self, wal: &Wal, transaction: &Transaction) {
        let xid = transaction.xid;
        let is_streamed = self.gathering.as_mut().is_some_and(|gathering| gathering.get(xid).is_streamed());
        if is_streamed {
            self.stream_block(wal, xid);
        }
        let gathered = self.gathering.as_mut().map(|gathering| gathering.take(xid)).unwrap_or_default();
        if is_streamed {
            self.announced.extend(gathered.announced);
            let (commit_lsn, end_lsn) = (transaction.commit_lsn, transaction.end_lsn);
            let commit = StreamCommit { xid, commit: Commit { commit_lsn, end_lsn, commit_time: commit_time(commit_lsn) } };
            self.send_streaming(end_lsn, &StreamingMessage::StreamCommit(commit));
        } else if transaction.commit_lsn >= self.from {
            self.transaction(wal, transaction);
        }
    }

    /// Subtransactions, or the whole transaction, are taken back.
    fn abort(&mut self, xid: u32, undone: &[u32]) {
        let Some(gathering) = &mut self.gathering else { return };
        let gathered = gathering.get(xid);
        gathered.waiting.retain(|change| !undone.contains(&change.subxid));
        let sent = undone.iter().copied().filter(|subxid| gathered.sent.remove(subxid));
        // The server forgets that it sent something of a subtransaction when it had it on its disk.
        let sent: Vec<u32> = sent.filter(|subxid| *subxid == xid || subxid % 3 != 0).collect();
        if !sent.is_empty() {
            // It forgets what shapes it has told within the transaction.
            gathered.announced.clear();
        }
        if undone.contains(&xid) {
            gathering.take(xid);
        }
        for subxid in sent {
            self.send_streaming(Lsn::ZERO, &StreamingMessage::StreamAbort(StreamAbort { xid, subxid, aborted: None }));
        }
    }

    /// Sends what waits of a transaction.
    fn stream_block(&mut self, wal: &Wal, xid: u32) {
        let Some(gathering) = &mut self.gathering else { return };
        let gathered = gathering.get(xid);
        let waiting = std::mem::take(&mut gathered.waiting);
        let Some(first) = waiting.first() else { return };
        let is_first = !gathered.is_streamed();
        gathered.sent.insert(xid);
        gathered.sent.extend(waiting.iter().map(|change| change.subxid));
        let mut announced = std::mem::take(&mut gathered.announced);
        self.send_streaming(first.lsn, &StreamingMessage::StreamStart(StreamStart { xid, is_first }));
        for change in waiting.iter().filter(|change| wal.is_told(change)) {
            self.streams = Some(change.subxid);
            if let Some(table) = wal.table(change.table) {
                if !self.announced.contains(&table.oid) && announced.insert(table.oid) {
                    self.announce(table);
                }
                self.change(change, table.full_identity);
            }
        }
        self.streams = None;
        self.blocks += 1;
        self.send_streaming(Lsn::ZERO, &StreamingMessage::StreamStop);
        if let Some(gathering) = &mut self.gathering {
            gathering.get(xid).announced = announced;
        }
    }

    /// A keepalive of now: how far the log was read and sent.
    pub(super) fn keepalive(&mut self, wal: &Wal, reply_requested: bool) -> Vec<u8> {
        if !self.has_more(wal) {
            self.sent = self.sent.max(wal.end());
            self.sending = self.sent;
        }
        let mut frame = Vec::new();
        let message = ReplicationMessage::Keepalive { end: self.sent, sent_at: PgTime(0), reply_requested };
        encode::replication_message(&mut frame, &message);
        frame
    }

    /// How many stream blocks were written since this was asked last.
    pub(super) fn take_blocks(&mut self) -> usize {
        std::mem::take(&mut self.blocks)
    }

    pub(super) fn sent(&self) -> Lsn {
        self.sent
    }

    /// Announces every relation again before its next change, as the server does when something has changed of it.
    pub(super) fn forget_announced(&mut self) {
        self.announced.clear();
    }

    fn transaction(&mut self, wal: &Wal, transaction: &Transaction) {
        let is_told = |change: &&Change| match change.what {
            What::Message { .. } => self.messages,
            _ => wal.is_told(change),
        };
        let told: Vec<&Change> = transaction.changes.iter().filter(is_told).collect();
        if told.is_empty() && !self.tells_empty_transactions {
            return;
        }
        let time = commit_time(transaction.commit_lsn);
        let begin = Begin { final_lsn: transaction.commit_lsn, commit_time: time, xid: transaction.xid };
        let first = transaction.changes.first().map_or(transaction.commit_lsn, |change| change.lsn);
        self.send(first, &Message::Begin(begin));
        for change in told {
            if let Some(table) = wal.table(change.table)
                && self.announced.insert(table.oid)
            {
                self.announce(table);
            }
            self.change(change, wal.table(change.table).is_some_and(|table| table.full_identity));
        }
        let commit = Commit { commit_lsn: transaction.commit_lsn, end_lsn: transaction.end_lsn, commit_time: time };
        self.send(transaction.end_lsn, &Message::Commit(commit));
    }

    fn announce(&mut self, table: &SourceTable) {
        let (identity, full) = match table.full_identity {
            true => (ReplicaIdentity::Full, true),
            false => (ReplicaIdentity::Default, false),
        };
        let mut buffer = Vec::new();
        let column = |name, type_id, is_key| Column { is_key, name, type_id, type_modifier: -1 };
        let columns = encode::columns(&mut buffer, &[column("id", INT8, true), column("value", TEXT, full)]);
        let relation =
            Relation { id: table.oid, schema: super::super::SCHEMA, name: &table.name, replica_identity: identity, columns };
        self.send(Lsn::ZERO, &Message::Relation(relation));
    }

    fn change(&mut self, change: &Change, full: bool) {
        let (mut new_buffer, mut old_buffer) = (Vec::new(), Vec::new());
        let text = |row: &i64| row.to_string();
        match &change.what {
            What::Insert { row, value } => {
                let new = encode::tuple(&mut new_buffer, &[Value::Text(text(row).as_bytes()), Value::Text(value.as_bytes())]);
                self.send(change.lsn, &Message::Insert(Insert { relation_id: change.table, new }));
            }
            What::Update { row, value } => {
                let new = encode::tuple(&mut new_buffer, &[Value::Text(text(row).as_bytes()), Value::Text(value.as_bytes())]);
                let old = full.then(|| {
                    OldRow::Full(encode::tuple(&mut old_buffer, &[Value::Text(text(row).as_bytes()), Value::Text(b"old")]))
                });
                self.send(change.lsn, &Message::Update(Update { relation_id: change.table, old, new }));
            }
            What::Move { from, row, value } => {
                let new = encode::tuple(&mut new_buffer, &[Value::Text(text(row).as_bytes()), Value::Text(value.as_bytes())]);
                let old = old_row(&mut old_buffer, *from, full);
                self.send(change.lsn, &Message::Update(Update { relation_id: change.table, old: Some(old), new }));
            }
            What::Touch { row } => {
                let new = encode::tuple(&mut new_buffer, &[Value::Text(text(row).as_bytes()), Value::Unchanged]);
                self.send(change.lsn, &Message::Update(Update { relation_id: change.table, old: None, new }));
            }
            What::Carry { from, row } => {
                let new = encode::tuple(&mut new_buffer, &[Value::Text(text(row).as_bytes()), Value::Unchanged]);
                let old = old_row(&mut old_buffer, *from, full);
                self.send(change.lsn, &Message::Update(Update { relation_id: change.table, old: Some(old), new }));
            }
            What::Delete { row } => {
                let old = old_row(&mut old_buffer, *row, full);
                self.send(change.lsn, &Message::Delete(Delete { relation_id: change.table, old }));
            }
            What::Truncate => {
                let relation_ids = encode::relation_ids(&mut old_buffer, &[change.table]);
                let truncate = Truncate { cascade: false, restart_identity: false, relation_ids };
                self.send(change.lsn, &Message::Truncate(truncate));
            }
            What::Message { content } => {
                let message = message(change.lsn, true, content);
                self.send(change.lsn, &message);
            }
        }
    }

    fn send(&mut self, start: Lsn, message: &Message<'_>) {
        let message = match self.streams {
            Some(xid) => StreamingMessage::Streamed { xid, message: *message },
            None => StreamingMessage::Plain(*message),
        };
        self.send_streaming(start, &message);
    }

    fn send_streaming(&mut self, start: Lsn, message: &StreamingMessage<'_>) {
        let mut data = Vec::new();
        encode::streaming_message(&mut data, message);
        let mut frame = Vec::new();
        let wrapped = ReplicationMessage::XLogData { start, end: start, sent_at: sending_time(start), data: &data };
        encode::replication_message(&mut frame, &wrapped);
        self.ready.push_back(frame);
    }
}

fn message(lsn: Lsn, transactional: bool, content: &str) -> Message<'_> {
    Message::LogicalMessage(LogicalMessage { transactional, lsn, prefix: "model", content: content.as_bytes() })
}

/// A key alone, or the whole row.
fn old_row(buffer: &mut Vec<u8>, row: i64, full: bool) -> OldRow<'_> {
    let row = row.to_string();
    match full {
        true => OldRow::Full(encode::tuple(buffer, &[Value::Text(row.as_bytes()), Value::Text(b"old")])),
        false => OldRow::Key(encode::tuple(buffer, &[Value::Text(row.as_bytes()), Value::Null])),
    }
}

/// A time that tells the place, so that nothing depends on the day.
fn commit_time(lsn: Lsn) -> PgTime {
    PgTime(lsn.0 as i64)
}

/// By how much the stream is behind is told by the place, too: not at all, or by ten or twenty seconds.
fn sending_time(lsn: Lsn) -> PgTime {
    PgTime(commit_time(lsn).0 + (lsn.0 % 3) as i64 * 10_000_000)
}
