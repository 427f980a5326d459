//! What the walsender wraps everything in.

use crate::reader::Reader;
use crate::{Error, Lsn, PgTime};

/// One message of a replication connection: what a `CopyData` frame from the server holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicationMessage<'a> {
    /// `w`: a piece of the stream.
    XLogData {
        /// Where in the log the data stands, or `0/0` for what only leads up to a change, such as relations and types. Not a position to
        /// compare rows by: it may go back from one transaction to the next.
        start: Lsn,
        /// By the manual the end of the log on the server; in logical replication the server repeats `start` here. How far the server
        /// is must be learned from keepalives, or asked.
        end: Lsn,
        /// When it was sent, by the server's clock.
        sent_at: PgTime,
        /// With pgoutput: one [`Message`](crate::Message), to be decoded by its own `decode`.
        data: &'a [u8],
    },
    /// `k`: a sign of life.
    Keepalive {
        /// How far the walsender has decoded and sent: all that was committed before this place and concerns us has arrived.
        end: Lsn,
        /// When it was sent, by the server's clock.
        sent_at: PgTime,
        /// The server wants a status at once, or it will soon take us for dead.
        reply_requested: bool,
    },
}

impl<'a> ReplicationMessage<'a> {
    /// Decodes the content of one `CopyData` frame.
    pub fn decode(frame: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(frame);
        match reader.u8("message tag")? {
            b'w' => Ok(ReplicationMessage::XLogData {
                start: reader.lsn("start of the data")?,
                end: reader.lsn("end of the log")?,
                sent_at: reader.time("time of sending")?,
                data: reader.rest(),
            }),
            b'k' => {
                let end = reader.lsn("end of the log")?;
                let sent_at = reader.time("time of sending")?;
                let reply_requested = match reader.u8("reply flag")? {
                    0 => false,
                    1 => true,
                    other => return Err(reader.unexpected(other, "reply flag", "0 or 1")),
                };
                reader.finish()?;
                Ok(ReplicationMessage::Keepalive { end, sent_at, reply_requested })
            }
            _ => Err(reader.unknown_tag()),
        }
    }
}
