//! PostgreSQL's replication messages: bytes in, borrowed messages out.
//!
//! The walsender wraps everything it sends in a [`ReplicationMessage`]; the data of its `XLogData` is, with the `pgoutput` plugin and
//! protocol version 1, one [`Message`] each, and one [`StreamingMessage`] with versions 2 to 4. See the PostgreSQL manual, "Streaming Replication Protocol" and "Logical Replication Message
//! Formats".
//!
//! ```
//! use waltap_pgoutput::{Message, Value, encode};
//!
//! let mut buffer = Vec::new();
//! let new = encode::tuple(&mut buffer, &[Value::Text(b"7"), Value::Null]);
//! let mut frame = Vec::new();
//! encode::message(&mut frame, &Message::Insert(waltap_pgoutput::Insert { relation_id: 16385, new }));
//!
//! let Message::Insert(insert) = Message::decode(&frame)? else { unreachable!() };
//! assert_eq!(insert.new.iter().collect::<Vec<_>>(), [Value::Text(b"7"), Value::Null]);
//! # Ok::<(), waltap_pgoutput::Error>(())
//! ```
//!
//! Rules of the house:
//!
//! * Decoding copies nothing and allocates nothing: names, values and message contents are slices of the frame.
//! * A message is checked whole when it is decoded, up to its last byte, so that walking its columns or values cannot fail.
//! * No input panics. What does not fit the protocol is an [`Error`] with the message's tag, the byte and what was due there. Bits and
//!   tags that the protocol does not define are refused, not skipped: a change that was misread is worse than a tap that stops.

pub mod encode;
mod error;
mod lsn;
mod message;
mod reader;
mod relation;
mod replication;
mod row;
mod status;
mod streaming;
mod time;
mod transaction;
mod truncate;
mod tuple;

pub use error::{Error, Malformed};
pub use lsn::{Lsn, ParseLsnError};
pub use message::{LogicalMessage, Message};
pub use relation::{Column, ColumnIter, Columns, Relation, ReplicaIdentity, Type};
pub use replication::ReplicationMessage;
pub use row::{Delete, Insert, OldRow, Update};
pub use status::{STANDBY_STATUS_BYTES, StandbyStatus, encode_standby_status};
pub use streaming::{
    BeginPrepare, CommitPrepared, Prepared, RollbackPrepared, StreamAbort, StreamCommit, StreamStart, StreamingMessage,
};
pub use time::PgTime;
pub use transaction::{Begin, Commit, Origin};
pub use truncate::{RelationIdIter, RelationIds, Truncate};
pub use tuple::{Tuple, Value, ValueIter};
