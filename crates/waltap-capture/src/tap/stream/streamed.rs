//! What protocols 2 to 4 add to the stream: transactions that come before it is known how they end, and transactions that are prepared.
//!
//! The former are gathered, and sent at their commit as if they had come then, whole. The latter come whole when they are prepared. They are
//! gathered too, and sent then, at the place of the preparation. Not so where a snapshot may be taken between the preparation and the
//! commit: what such a snapshot holds is decided by the commit alone, so the transaction waits for COMMIT PREPARED and is sent at its place. So
//! does one that changes a table whose rows are still to be read, and one that the server sends at COMMIT PREPARED itself, since it was
//! prepared before the slot was one of two phases: it comes right before that.

use waltap_error::Result;
use waltap_pgoutput::{
    Begin, Commit, CommitPrepared, LogicalMessage, Lsn, Message, Prepared, RollbackPrepared, StreamAbort, StreamingMessage,
};

use super::announcements::Announcements;
use super::{Ahead, Stream, Taken, imbalance, malformed, out_of_place};
use crate::tap::spill::{Ending, Spill};

/// What a session knows of transactions that wait.
pub(crate) struct Streamed {
    pub(crate) spill: Spill,
    /// A transaction that was prepared before here may have met a snapshot on its way to its commit.
    pub(crate) snapshot_horizon: Lsn,
    /// Whether transactions come when they are prepared.
    two_phase: bool,
    announcements: Announcements,
    database: String,
}

impl Streamed {
    pub(crate) fn new(spill: Spill, two_phase: bool, database: &str) -> Self {
        let announcements = Announcements::default();
        Streamed { spill, snapshot_horizon: Lsn::ZERO, two_phase, announcements, database: database.to_owned() }
    }
}

impl Stream {
    pub(super) fn take_streaming(&mut self, lsn: Lsn, data: &[u8], message: StreamingMessage<'_>) -> Result<Taken> {
        match message {
            StreamingMessage::Plain(message) => match self.streamed.spill.gathering() {
                None => {
                    if let Message::Relation(relation) = &message {
                        self.streamed.announcements.note_plain(relation.id, data);
                    }
                    self.take_message(lsn, data, message)
                }
                Some(xid) => self.gather(lsn, data, xid, message),
            },
            StreamingMessage::Streamed { xid, message } => {
                if self.streamed.spill.is_full() {
                    return Ok(Taken::SpillFull);
                }
                if let (Message::Relation(relation), Some(top)) = (&message, self.streamed.spill.gathering()) {
                    self.streamed.announcements.note_gathered(top, relation.id);
                }
                self.note_touched(&message);
                self.streamed.spill.push(xid, lsn, |log| StreamingMessage::write_plain(data, log))?;
                Ok(Taken::Done)
            }
            StreamingMessage::StreamStart(start) => {
                self.between_transactions("a stream block")?;
                self.streamed.spill.begin(start.xid, true);
                Ok(Taken::Done)
            }
            StreamingMessage::StreamStop => {
                self.streamed.spill.end();
                Ok(Taken::Done)
            }
            StreamingMessage::StreamAbort(abort) => self.stream_abort(abort),
            StreamingMessage::StreamCommit(commit) => {
                self.between_transactions("a commit")?;
                Ok(Taken::Replay(commit.xid, Ending { begin: commit.begin(), commit: commit.commit, held: None }))
            }
            StreamingMessage::StreamPrepare(prepared) => {
                self.between_transactions("a preparation")?;
                Ok(self.prepared(&prepared))
            }
            StreamingMessage::BeginPrepare(begin) => {
                self.between_transactions("a prepared transaction")?;
                self.streamed.spill.begin(begin.xid, false);
                Ok(Taken::Done)
            }
            StreamingMessage::Prepare(prepared) => match self.streamed.spill.gathering() {
                Some(xid) if xid == prepared.xid => {
                    self.streamed.spill.end();
                    Ok(self.prepared(&prepared))
                }
                _ => Err(out_of_place("a preparation of another transaction than the open one")),
            },
            StreamingMessage::CommitPrepared(commit) => self.commit_prepared(commit),
            StreamingMessage::RollbackPrepared(rollback) => self.rollback_prepared(rollback),
        }
    }

    /// Where a message of these leads: see [`Stream::look_ahead`].
    pub(super) fn streaming_ahead(&self, data: &[u8]) -> Result<Ahead> {
        let spill = &self.streamed.spill;
        if spill.gathering().is_some() {
            return Ok(Ahead::Within);
        }
        Ok(match StreamingMessage::decode(data, false).map_err(malformed)? {
            StreamingMessage::Plain(Message::Begin(begin)) => Ahead::Reaches(begin.final_lsn),
            StreamingMessage::Plain(Message::LogicalMessage(LogicalMessage { lsn, .. })) => Ahead::Reaches(lsn),
            StreamingMessage::StreamCommit(streamed) => Ahead::Reaches(streamed.commit.commit_lsn),
            StreamingMessage::StreamPrepare(Prepared { prepare_lsn, .. }) => Ahead::Reaches(prepare_lsn),
            StreamingMessage::BeginPrepare(begin) => Ahead::Reaches(begin.prepare_lsn),
            StreamingMessage::CommitPrepared(commit) => Ahead::Reaches(commit.commit_lsn),
            _ => Ahead::Within,
        })
    }

    /// Begins to send a transaction that was gathered: as if its `Begin` had come now.
    pub(crate) fn begin_replay(&mut self, ending: &Ending) -> Result<Taken> {
        self.begin(ending.begin.final_lsn, ending.begin)
    }

    /// Takes a message of a transaction that was gathered. As [`Stream::take`].
    pub(crate) fn take_replayed(&mut self, lsn: Lsn, data: &[u8]) -> Result<Taken> {
        let message = Message::decode(data).map_err(malformed)?;
        self.take_message(lsn, data, message)
    }

    /// Ends a transaction that was gathered: as if its `Commit` had come now.
    pub(crate) fn end_replay(&mut self, ending: &Ending) -> Result<Taken> {
        for message in self.streamed.announcements.end(ending.begin.xid) {
            if let Message::Relation(relation) = Message::decode(&message).map_err(malformed)? {
                self.tables.announce(&relation, &message);
            }
        }
        let taken = self.commit(ending.commit.end_lsn, ending.commit)?;
        if let Some(held) = ending.held {
            self.ledger.release(held);
        }
        Ok(taken)
    }

    /// Keeps a prepared transaction until its commit.
    pub(crate) fn hold(&mut self, xid: u32, prepare_lsn: Lsn) {
        tracing::info!(
            database = self.streamed.database,
            txid = xid,
            prepared_at = %prepare_lsn,
            "a prepared transaction waits for its end before it is sent, since rows of tables were to be read after its beginning; the slot keeps \
             the log from there on: SELECT gid FROM pg_prepared_xacts"
        );
        // Once the slot is confirmed beyond the preparation, the server does not send it again.
        let keep = self.ledger.keep(prepare_lsn);
        self.streamed.spill.hold(xid, keep);
    }

    /// Keeps a message of a prepared transaction that waits for its commit.
    fn gather(&mut self, lsn: Lsn, data: &[u8], xid: u32, message: Message<'_>) -> Result<Taken> {
        match &message {
            Message::Begin(_) | Message::Commit(_) => return Err(out_of_place("a transaction inside of another")),
            // Of a stream block it says where the transaction came from, which changes nothing of an event so far.
            Message::Origin(_) => return Ok(Taken::Done),
            // Transactions that come before the commit rely on it too. It is the same then: who prepared the transaction holds its tables.
            _ if self.streamed.spill.is_full() => return Ok(Taken::SpillFull),
            Message::Relation(relation) => {
                self.streamed.announcements.note_gathered(xid, relation.id);
                // The server takes it for told to the stream.
                self.streamed.announcements.note_plain(relation.id, data);
                self.tables.announce(relation, data);
            }
            _ => {}
        }
        self.note_touched(&message);
        self.streamed.spill.push(xid, lsn, |log| log.extend_from_slice(data))?;
        Ok(Taken::Done)
    }

    fn stream_abort(&mut self, abort: StreamAbort) -> Result<Taken> {
        self.between_transactions("an abort")?;
        if abort.xid == abort.subxid {
            self.streamed.announcements.end(abort.xid);
        }
        if let Some(held) = self.streamed.spill.abort(abort.xid, abort.subxid)? {
            self.ledger.release(held);
        }
        Ok(Taken::Done)
    }

    /// Notes what a message of the transaction that is being gathered is about.
    fn note_touched(&mut self, message: &Message<'_>) {
        let spill = &mut self.streamed.spill;
        if let Some(xid) = spill.gathering().filter(|_| self.streamed.two_phase)
            && let Some(touched) = spill.touched_mut(xid)
        {
            touched.note(message);
        }
    }

    /// The end of what was gathered of a prepared transaction.
    fn prepared(&mut self, prepared: &Prepared<'_>) -> Taken {
        let &Prepared { prepare_lsn, end_lsn, prepare_time, xid, .. } = prepared;
        // The log is read in order: what was prepared before what has been received, and comes now, comes at its commit.
        if prepare_lsn < self.received || prepare_lsn < self.streamed.snapshot_horizon {
            self.hold(xid, prepare_lsn);
            return Taken::Done;
        }
        let begin = Begin { final_lsn: prepare_lsn, commit_time: prepare_time, xid };
        let commit = Commit { commit_lsn: prepare_lsn, end_lsn, commit_time: prepare_time };
        Taken::Prepared(xid, Ending { begin, commit, held: None })
    }

    fn commit_prepared(&mut self, commit: CommitPrepared<'_>) -> Result<Taken> {
        self.between_transactions("a commit")?;
        let CommitPrepared { commit_lsn, end_lsn, commit_time, xid, .. } = commit;
        if self.streamed.spill.is_held(xid) {
            let begin = Begin { final_lsn: commit_lsn, commit_time, xid };
            return Ok(Taken::Replay(xid, Ending { begin, commit: Commit { commit_lsn, end_lsn, commit_time }, held: None }));
        }
        // What was gathered of one that was skipped when it was prepared, since an earlier session had confirmed it.
        self.streamed.spill.abort(xid, xid)?;
        self.streamed.announcements.end(xid);
        self.pass(end_lsn)?;
        Ok(Taken::Done)
    }

    fn rollback_prepared(&mut self, rollback: RollbackPrepared<'_>) -> Result<Taken> {
        self.between_transactions("a rollback")?;
        self.streamed.announcements.end(rollback.xid);
        match self.streamed.spill.abort(rollback.xid, rollback.xid)? {
            Some(held) => self.ledger.release(held),
            None => tracing::warn!(
                database = self.streamed.database,
                transaction = rollback.gid,
                txid = rollback.xid,
                prepared_up_to = %rollback.prepare_end_lsn,
                "a prepared transaction is rolled back: what it did to captured tables was sent when it was prepared, unless that was before --two-phase"
            ),
        }
        self.pass(rollback.end_lsn)?;
        Ok(Taken::Done)
    }

    /// Notes a place that no event stands at.
    fn pass(&mut self, end_lsn: Lsn) -> Result<()> {
        let group = self.ledger.open();
        self.ledger.close(group, end_lsn).map_err(imbalance)?;
        self.received = self.received.max(end_lsn);
        Ok(())
    }

    fn between_transactions(&self, what: &str) -> Result<()> {
        match self.open.is_some() || self.streamed.spill.gathering().is_some() {
            true => Err(out_of_place(&format!("{what} inside of a transaction"))),
            false => Ok(()),
        }
    }
}
