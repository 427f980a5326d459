//! The messages of pgoutput.

use crate::reader::Reader;
use crate::{Begin, Commit, Delete, Error, Insert, Lsn, Origin, Relation, Truncate, Type, Update};

/// One message of the pgoutput plugin, protocol version 1.
///
/// It borrows the frame it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// `B`: a transaction begins.
    Begin(Begin),
    /// `C`: the transaction is complete.
    Commit(Commit),
    /// `O`: the transaction came to this server by replication.
    Origin(Origin<'a>),
    /// `R`: the shape of a table, before its first change and again after it was altered.
    Relation(Relation<'a>),
    /// `Y`: the name of a type that is not built in, before the first relation that uses it.
    Type(Type<'a>),
    /// `I`: a new row.
    Insert(Insert<'a>),
    /// `U`: a changed row.
    Update(Update<'a>),
    /// `D`: a deleted row.
    Delete(Delete<'a>),
    /// `T`: emptied tables.
    Truncate(Truncate<'a>),
    /// `M`: what a client wrote with `pg_logical_emit_message`.
    LogicalMessage(LogicalMessage<'a>),
}

impl<'a> Message<'a> {
    /// Decodes the data of one [`XLogData`](crate::ReplicationMessage::XLogData).
    pub fn decode(frame: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(frame);
        let tag = reader.u8("message tag")?;
        let message = Self::decode_body(tag, &mut reader)?;
        reader.finish()?;
        Ok(message)
    }

    /// Decodes what follows the tag.
    ///
    /// Apart from [`Message::decode`] because of [`StreamingMessage`](crate::StreamingMessage): in a stream block the transaction's id stands
    /// between the tag and this same body, for relations, types, changes, truncates and messages.
    pub(crate) fn decode_body(tag: u8, reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(match tag {
            b'B' => Message::Begin(Begin::decode_body(reader)?),
            b'C' => Message::Commit(Commit::decode_body(reader)?),
            b'O' => Message::Origin(Origin::decode_body(reader)?),
            b'R' => Message::Relation(Relation::decode_body(reader)?),
            b'Y' => Message::Type(Type::decode_body(reader)?),
            b'I' => Message::Insert(Insert::decode_body(reader)?),
            b'U' => Message::Update(Update::decode_body(reader)?),
            b'D' => Message::Delete(Delete::decode_body(reader)?),
            b'T' => Message::Truncate(Truncate::decode_body(reader)?),
            b'M' => Message::LogicalMessage(LogicalMessage::decode_body(reader)?),
            _ => return Err(reader.unknown_tag()),
        })
    }
}

/// What a client wrote into the log with `pg_logical_emit_message`. Sent by PostgreSQL 14 and later, and only when `messages` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogicalMessage<'a> {
    /// Whether it is part of the transaction around it. If not, it is sent at once, outside of any `Begin` and `Commit`, even if the
    /// transaction that wrote it rolls back.
    pub transactional: bool,
    /// Where in the log it stands.
    pub lsn: Lsn,
    /// By this its readers know it.
    pub prefix: &'a str,
    /// Its content: any bytes.
    pub content: &'a [u8],
}

impl<'a> LogicalMessage<'a> {
    fn decode_body(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let transactional = match reader.u8("message flags")? {
            0 => false,
            1 => true,
            other => return Err(reader.unexpected(other, "message flags", "0 or 1")),
        };
        let lsn = reader.lsn("LSN of the message")?;
        let prefix = reader.string("message prefix")?;
        let length = reader.length("length of the message content")?;
        let content = reader.bytes(length, "message content")?;
        Ok(LogicalMessage { transactional, lsn, prefix, content })
    }
}
