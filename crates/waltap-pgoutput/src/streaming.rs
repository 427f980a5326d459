//! What protocols 2 to 4 add: transactions that are sent while they are open, and transactions that are sent when they are prepared.

use crate::reader::Reader;
use crate::{Begin, Commit, Error, Lsn, Message, PgTime};

/// One message of the pgoutput plugin, protocol versions 1 to 4.
///
/// From protocol 2 on, with `streaming`, the server sends a large transaction before it is known how it will end, in *stream blocks*:
/// `StreamStart`, messages, `StreamStop`. Blocks of several transactions take turns, and whole transactions stand between them, but
/// nothing stands within a block that is not part of its transaction. Within a block the id of the (sub)transaction stands between the tag
/// and the body of each message, so the reader has to say whether a block is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamingMessage<'a> {
    /// One of protocol 1, as it is there. Within a block only an origin, which has no id there either.
    Plain(Message<'a>),
    /// Within a block: a relation, a type, a change, a truncate or a logical message.
    Streamed {
        /// The transaction that wrote it: the block's own, or one of its subtransactions.
        xid: u32,
        /// The message.
        message: Message<'a>,
    },
    /// `S`: a block begins.
    StreamStart(StreamStart),
    /// `E`: the block ends. More may follow later.
    StreamStop,
    /// `c`: a transaction that was sent in blocks is committed.
    StreamCommit(StreamCommit),
    /// `A`: a transaction that was sent in blocks, or a subtransaction of one, is rolled back.
    StreamAbort(StreamAbort),
    /// `p`: a transaction that was sent in blocks is prepared.
    StreamPrepare(Prepared<'a>),
    /// `b`: a prepared transaction begins, which comes whole.
    BeginPrepare(BeginPrepare<'a>),
    /// `P`: the end of what [`StreamingMessage::BeginPrepare`] began.
    Prepare(Prepared<'a>),
    /// `K`: a transaction that was sent when it was prepared is committed.
    CommitPrepared(CommitPrepared<'a>),
    /// `r`: a transaction that was sent when it was prepared is rolled back.
    RollbackPrepared(RollbackPrepared<'a>),
}

/// The beginning of a stream block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStart {
    /// The top-level transaction.
    pub xid: u32,
    /// Whether it is the transaction's first block.
    pub is_first: bool,
}

/// The commit of a transaction that was sent in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamCommit {
    /// The top-level transaction.
    pub xid: u32,
    /// What `Begin` and `Commit` would have said.
    pub commit: Commit,
}

impl StreamCommit {
    /// The `Begin` that the transaction would have had if it had not been streamed.
    pub fn begin(&self) -> Begin {
        Begin { final_lsn: self.commit.commit_lsn, commit_time: self.commit.commit_time, xid: self.xid }
    }
}

/// The end of a transaction, or of a part of it, that comes to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamAbort {
    /// The top-level transaction.
    pub xid: u32,
    /// What was rolled back: a subtransaction, or the top-level transaction itself.
    pub subxid: u32,
    /// Where and when, which protocol 4 says with `streaming` set to `parallel`.
    pub aborted: Option<(Lsn, PgTime)>,
}

/// The beginning of a transaction that is sent when it is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeginPrepare<'a> {
    /// Where the record of the preparation begins.
    pub prepare_lsn: Lsn,
    /// Where it ends.
    pub end_lsn: Lsn,
    /// When it was prepared, by the server's clock.
    pub prepare_time: PgTime,
    /// The transaction's id.
    pub xid: u32,
    /// The name that the user gave in PREPARE TRANSACTION.
    pub gid: &'a str,
}

/// The end of a transaction that is sent when it is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// Where the record of the preparation begins.
    pub prepare_lsn: Lsn,
    /// Where it ends: what to report as flushed once the transaction is safe.
    pub end_lsn: Lsn,
    /// When it was prepared, by the server's clock.
    pub prepare_time: PgTime,
    /// The transaction's id.
    pub xid: u32,
    /// The name that the user gave in PREPARE TRANSACTION.
    pub gid: &'a str,
}

/// COMMIT PREPARED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitPrepared<'a> {
    /// Where its record begins.
    pub commit_lsn: Lsn,
    /// Where its record ends.
    pub end_lsn: Lsn,
    /// When it was committed, by the server's clock.
    pub commit_time: PgTime,
    /// The transaction's id.
    pub xid: u32,
    /// The name that the user gave in PREPARE TRANSACTION.
    pub gid: &'a str,
}

/// ROLLBACK PREPARED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackPrepared<'a> {
    /// Where the record of the preparation ends.
    pub prepare_end_lsn: Lsn,
    /// Where the record of the rollback ends.
    pub end_lsn: Lsn,
    /// When it was prepared, by the server's clock.
    pub prepare_time: PgTime,
    /// When it was rolled back.
    pub rollback_time: PgTime,
    /// The transaction's id.
    pub xid: u32,
    /// The name that the user gave in PREPARE TRANSACTION.
    pub gid: &'a str,
}

/// Bytes of a transaction's id.
const XID_BYTES: usize = 4;

impl<'a> StreamingMessage<'a> {
    /// Decodes the data of one [`XLogData`](crate::ReplicationMessage::XLogData). `in_block` says whether a stream block is open.
    pub fn decode(frame: &'a [u8], in_block: bool) -> Result<Self, Error> {
        let mut reader = Reader::new(frame);
        let tag = reader.u8("message tag")?;
        let message = match in_block {
            true => Self::decode_in_block(tag, &mut reader)?,
            false => Self::decode_outside(tag, &mut reader)?,
        };
        reader.finish()?;
        Ok(message)
    }

    /// Writes a message of a block as it would stand outside of one, without the transaction's id, behind what `plain` holds.
    ///
    /// `frame` is one that was decoded as [`StreamingMessage::Streamed`]; of anything else there is no other form.
    pub fn write_plain(frame: &[u8], plain: &mut Vec<u8>) {
        if let Some((tag, rest)) = frame.split_first() {
            plain.push(*tag);
            plain.extend_from_slice(rest.get(XID_BYTES..).unwrap_or_default());
        }
    }

    fn decode_in_block(tag: u8, reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(match tag {
            b'E' => StreamingMessage::StreamStop,
            b'O' => StreamingMessage::Plain(Message::decode_body(tag, reader)?),
            b'R' | b'Y' | b'I' | b'U' | b'D' | b'T' | b'M' => {
                let xid = reader.u32("transaction id")?;
                StreamingMessage::Streamed { xid, message: Message::decode_body(tag, reader)? }
            }
            _ => return Err(reader.unknown_tag()),
        })
    }

    fn decode_outside(tag: u8, reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(match tag {
            b'S' => StreamingMessage::StreamStart(StreamStart::decode_body(reader)?),
            b'c' => StreamingMessage::StreamCommit(StreamCommit {
                xid: reader.u32("transaction id")?,
                commit: Commit::decode_body(reader)?,
            }),
            b'A' => StreamingMessage::StreamAbort(StreamAbort::decode_body(reader)?),
            b'p' => StreamingMessage::StreamPrepare(Prepared::decode_body(reader)?),
            b'b' => StreamingMessage::BeginPrepare(BeginPrepare {
                prepare_lsn: reader.lsn("LSN of the preparation")?,
                end_lsn: reader.lsn("end LSN of the preparation")?,
                prepare_time: reader.time("time of the preparation")?,
                xid: reader.u32("transaction id")?,
                gid: reader.string("name of the prepared transaction")?,
            }),
            b'P' => StreamingMessage::Prepare(Prepared::decode_body(reader)?),
            b'K' => {
                no_flags(reader)?;
                StreamingMessage::CommitPrepared(CommitPrepared {
                    commit_lsn: reader.lsn("LSN of the commit")?,
                    end_lsn: reader.lsn("end LSN of the commit")?,
                    commit_time: reader.time("commit time")?,
                    xid: reader.u32("transaction id")?,
                    gid: reader.string("name of the prepared transaction")?,
                })
            }
            b'r' => {
                no_flags(reader)?;
                StreamingMessage::RollbackPrepared(RollbackPrepared {
                    prepare_end_lsn: reader.lsn("end LSN of the preparation")?,
                    end_lsn: reader.lsn("end LSN of the rollback")?,
                    prepare_time: reader.time("time of the preparation")?,
                    rollback_time: reader.time("time of the rollback")?,
                    xid: reader.u32("transaction id")?,
                    gid: reader.string("name of the prepared transaction")?,
                })
            }
            _ => StreamingMessage::Plain(Message::decode_body(tag, reader)?),
        })
    }
}

impl StreamStart {
    fn decode_body(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let xid = reader.u32("transaction id")?;
        let is_first = match reader.u8("first block flag")? {
            0 => false,
            1 => true,
            other => return Err(reader.unexpected(other, "first block flag", "0 or 1")),
        };
        Ok(StreamStart { xid, is_first })
    }
}

impl StreamAbort {
    fn decode_body(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (xid, subxid) = (reader.u32("transaction id")?, reader.u32("subtransaction id")?);
        // Nothing in the message says whether these follow, but its length: they are the last there is.
        let aborted = match reader.is_at_end() {
            true => None,
            false => Some((reader.lsn("LSN of the abort")?, reader.time("abort time")?)),
        };
        Ok(StreamAbort { xid, subxid, aborted })
    }
}

impl<'a> Prepared<'a> {
    fn decode_body(reader: &mut Reader<'a>) -> Result<Self, Error> {
        no_flags(reader)?;
        Ok(Prepared {
            prepare_lsn: reader.lsn("LSN of the preparation")?,
            end_lsn: reader.lsn("end LSN of the preparation")?,
            prepare_time: reader.time("time of the preparation")?,
            xid: reader.u32("transaction id")?,
            gid: reader.string("name of the prepared transaction")?,
        })
    }
}

fn no_flags(reader: &mut Reader<'_>) -> Result<(), Error> {
    match reader.u8("flags")? {
        0 => Ok(()),
        other => Err(reader.unexpected(other, "flags", "0")),
    }
}
