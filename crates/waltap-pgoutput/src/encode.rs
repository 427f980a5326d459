//! The server's side of the protocol: messages into bytes. **For tests and simulators**; waltap itself only reads them.
//!
//! A tuple, the columns of a relation and the oids of a truncate borrow bytes in their wire form, so each is made in a buffer that the
//! caller lends:
//!
//! ```
//! use waltap_pgoutput::{Value, encode};
//!
//! let mut buffer = Vec::new();
//! let row = encode::tuple(&mut buffer, &[Value::Text(b"7"), Value::Unchanged]);
//! assert_eq!(row.len(), 2);
//! ```
//!
//! What the wire cannot hold is a mistake in the test, and panics: more columns than a `u16` counts, values longer than an `i32` says,
//! names with a zero byte inside.

use crate::reader::Reader;
use crate::relation::{CATALOG_SCHEMA, COLUMN_IS_KEY};
use crate::truncate::{CASCADE, RESTART_IDENTITY};
use crate::{
    Column, Columns, Commit, Message, OldRow, Prepared, RelationIds, ReplicationMessage, StreamingMessage, Tuple, Value,
};

/// Makes a tuple of these values in `buffer`, whose former content is dropped.
pub fn tuple<'b>(buffer: &'b mut Vec<u8>, values: &[Value<'_>]) -> Tuple<'b> {
    buffer.clear();
    put_u16_count(buffer, values.len());
    for value in values {
        put_value(buffer, *value);
    }
    Tuple::decode(&mut Reader::new(buffer)).unwrap_or_else(|error| unreachable!("what was just encoded: {error}"))
}

/// Makes the columns of a relation in `buffer`, whose former content is dropped.
pub fn columns<'b>(buffer: &'b mut Vec<u8>, columns: &[Column<'_>]) -> Columns<'b> {
    buffer.clear();
    put_u16_count(buffer, columns.len());
    for column in columns {
        put_column(buffer, column);
    }
    Columns::decode(&mut Reader::new(buffer)).unwrap_or_else(|error| unreachable!("what was just encoded: {error}"))
}

/// Makes the oids of a truncate in `buffer`, whose former content is dropped.
pub fn relation_ids<'b>(buffer: &'b mut Vec<u8>, ids: &[u32]) -> RelationIds<'b> {
    buffer.clear();
    for id in ids {
        buffer.extend(id.to_be_bytes());
    }
    RelationIds::of(buffer)
}

/// Appends what the walsender sends: the content of a `CopyData` frame.
pub fn replication_message(frame: &mut Vec<u8>, message: &ReplicationMessage<'_>) {
    match message {
        ReplicationMessage::XLogData { start, end, sent_at, data } => {
            frame.push(b'w');
            frame.extend(start.0.to_be_bytes());
            frame.extend(end.0.to_be_bytes());
            frame.extend(sent_at.0.to_be_bytes());
            frame.extend(*data);
        }
        ReplicationMessage::Keepalive { end, sent_at, reply_requested } => {
            frame.push(b'k');
            frame.extend(end.0.to_be_bytes());
            frame.extend(sent_at.0.to_be_bytes());
            frame.push(u8::from(*reply_requested));
        }
    }
}

/// Appends what pgoutput writes: the data of an `XLogData`.
pub fn message(frame: &mut Vec<u8>, message: &Message<'_>) {
    match message {
        Message::Begin(begin) => {
            frame.push(b'B');
            frame.extend(begin.final_lsn.0.to_be_bytes());
            frame.extend(begin.commit_time.0.to_be_bytes());
            frame.extend(begin.xid.to_be_bytes());
        }
        Message::Commit(commit) => {
            frame.push(b'C');
            put_commit(frame, commit);
        }
        Message::Origin(origin) => {
            frame.push(b'O');
            frame.extend(origin.commit_lsn.0.to_be_bytes());
            put_string(frame, origin.name);
        }
        Message::Relation(relation) => {
            frame.push(b'R');
            frame.extend(relation.id.to_be_bytes());
            put_schema(frame, relation.schema);
            put_string(frame, relation.name);
            frame.push(relation.replica_identity.to_byte());
            put_u16_count(frame, relation.columns.len());
            for column in relation.columns {
                put_column(frame, &column);
            }
        }
        Message::Type(named) => {
            frame.push(b'Y');
            frame.extend(named.id.to_be_bytes());
            put_schema(frame, named.schema);
            put_string(frame, named.name);
        }
        Message::Insert(insert) => {
            frame.push(b'I');
            frame.extend(insert.relation_id.to_be_bytes());
            put_tuple(frame, b'N', insert.new);
        }
        Message::Update(update) => {
            frame.push(b'U');
            frame.extend(update.relation_id.to_be_bytes());
            if let Some(old) = update.old {
                put_old_row(frame, old);
            }
            put_tuple(frame, b'N', update.new);
        }
        Message::Delete(delete) => {
            frame.push(b'D');
            frame.extend(delete.relation_id.to_be_bytes());
            put_old_row(frame, delete.old);
        }
        Message::Truncate(truncate) => {
            frame.push(b'T');
            put_length(frame, truncate.relation_ids.len());
            let cascade = if truncate.cascade { CASCADE } else { 0 };
            let restart_identity = if truncate.restart_identity { RESTART_IDENTITY } else { 0 };
            frame.push(cascade | restart_identity);
            for id in truncate.relation_ids {
                frame.extend(id.to_be_bytes());
            }
        }
        Message::LogicalMessage(message) => {
            frame.extend([b'M', u8::from(message.transactional)]);
            frame.extend(message.lsn.0.to_be_bytes());
            put_string(frame, message.prefix);
            put_length(frame, message.content.len());
            frame.extend(message.content);
        }
    }
}

/// Appends what pgoutput writes under protocols 2 to 4.
///
/// Of what may stand within a stream block, [`StreamingMessage::Streamed`] is written as there, and a plain message as outside.
pub fn streaming_message(frame: &mut Vec<u8>, streaming: &StreamingMessage<'_>) {
    match streaming {
        StreamingMessage::Plain(plain) => message(frame, plain),
        StreamingMessage::Streamed { xid, message: plain } => {
            let after_tag = frame.len() + 1;
            message(frame, plain);
            frame.splice(after_tag..after_tag, xid.to_be_bytes());
        }
        StreamingMessage::StreamStart(start) => {
            frame.push(b'S');
            frame.extend(start.xid.to_be_bytes());
            frame.push(u8::from(start.is_first));
        }
        StreamingMessage::StreamStop => frame.push(b'E'),
        StreamingMessage::StreamCommit(streamed) => {
            frame.push(b'c');
            frame.extend(streamed.xid.to_be_bytes());
            put_commit(frame, &streamed.commit);
        }
        StreamingMessage::StreamAbort(abort) => {
            frame.push(b'A');
            frame.extend(abort.xid.to_be_bytes());
            frame.extend(abort.subxid.to_be_bytes());
            if let Some((lsn, time)) = abort.aborted {
                frame.extend(lsn.0.to_be_bytes());
                frame.extend(time.0.to_be_bytes());
            }
        }
        StreamingMessage::StreamPrepare(prepared) => put_prepared(frame, b'p', prepared),
        StreamingMessage::Prepare(prepared) => put_prepared(frame, b'P', prepared),
        StreamingMessage::BeginPrepare(begin) => {
            frame.push(b'b');
            frame.extend(begin.prepare_lsn.0.to_be_bytes());
            frame.extend(begin.end_lsn.0.to_be_bytes());
            frame.extend(begin.prepare_time.0.to_be_bytes());
            frame.extend(begin.xid.to_be_bytes());
            put_string(frame, begin.gid);
        }
        StreamingMessage::CommitPrepared(commit) => {
            frame.extend([b'K', 0]);
            frame.extend(commit.commit_lsn.0.to_be_bytes());
            frame.extend(commit.end_lsn.0.to_be_bytes());
            frame.extend(commit.commit_time.0.to_be_bytes());
            frame.extend(commit.xid.to_be_bytes());
            put_string(frame, commit.gid);
        }
        StreamingMessage::RollbackPrepared(rollback) => {
            frame.extend([b'r', 0]);
            frame.extend(rollback.prepare_end_lsn.0.to_be_bytes());
            frame.extend(rollback.end_lsn.0.to_be_bytes());
            frame.extend(rollback.prepare_time.0.to_be_bytes());
            frame.extend(rollback.rollback_time.0.to_be_bytes());
            frame.extend(rollback.xid.to_be_bytes());
            put_string(frame, rollback.gid);
        }
    }
}

/// The body of a commit, which that of a streamed transaction shares.
fn put_commit(frame: &mut Vec<u8>, commit: &Commit) {
    frame.push(0);
    frame.extend(commit.commit_lsn.0.to_be_bytes());
    frame.extend(commit.end_lsn.0.to_be_bytes());
    frame.extend(commit.commit_time.0.to_be_bytes());
}

fn put_prepared(frame: &mut Vec<u8>, tag: u8, prepared: &Prepared<'_>) {
    frame.extend([tag, 0]);
    frame.extend(prepared.prepare_lsn.0.to_be_bytes());
    frame.extend(prepared.end_lsn.0.to_be_bytes());
    frame.extend(prepared.prepare_time.0.to_be_bytes());
    frame.extend(prepared.xid.to_be_bytes());
    put_string(frame, prepared.gid);
}

fn put_old_row(frame: &mut Vec<u8>, old: OldRow<'_>) {
    match old {
        OldRow::Key(key) => put_tuple(frame, b'K', key),
        OldRow::Full(row) => put_tuple(frame, b'O', row),
    }
}

fn put_tuple(frame: &mut Vec<u8>, kind: u8, tuple: Tuple<'_>) {
    frame.push(kind);
    put_u16_count(frame, tuple.len());
    for value in tuple {
        put_value(frame, value);
    }
}

fn put_value(frame: &mut Vec<u8>, value: Value<'_>) {
    let (kind, bytes) = match value {
        Value::Null => return frame.push(b'n'),
        Value::Unchanged => return frame.push(b'u'),
        Value::Text(bytes) => (b't', bytes),
        Value::Binary(bytes) => (b'b', bytes),
    };
    frame.push(kind);
    put_length(frame, bytes.len());
    frame.extend(bytes);
}

fn put_column(frame: &mut Vec<u8>, column: &Column<'_>) {
    frame.push(if column.is_key { COLUMN_IS_KEY } else { 0 });
    put_string(frame, column.name);
    frame.extend(column.type_id.to_be_bytes());
    frame.extend(column.type_modifier.to_be_bytes());
}

fn put_schema(frame: &mut Vec<u8>, schema: &str) {
    put_string(frame, if schema == CATALOG_SCHEMA { "" } else { schema });
}

fn put_string(frame: &mut Vec<u8>, text: &str) {
    assert!(!text.contains('\0'), "the wire has no strings with a zero byte inside");
    frame.extend(text.as_bytes());
    frame.push(0);
}

fn put_u16_count(frame: &mut Vec<u8>, count: usize) {
    assert!(count <= usize::from(u16::MAX), "the wire has no tuples of {count} columns");
    frame.extend((count as u16).to_be_bytes());
}

fn put_length(frame: &mut Vec<u8>, length: usize) {
    assert!(length <= i32::MAX as usize, "the wire has no values of {length} bytes");
    frame.extend((length as u32).to_be_bytes());
}
