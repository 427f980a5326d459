//! From changes to records.

use waltap_pgoutput::{LogicalMessage, OldRow, Tuple, Value};

use super::envelope::{self, Operation};
use super::row::{Columns, Merged, RowWriter, check_count, key_changed};
use super::table::{self, Table};
use crate::json::{base64, string};
use crate::{Error, Failure, RecordSink, Stamp};

/// How large a buffer is kept from event to event. Rows are small; after one of 200 MB its memory is given back.
const BUFFER_KEPT_BYTES_MAX: usize = 1 << 20;

/// What of the format is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether a delete is followed by a record with the same key and no value, by which Kafka's compaction forgets the key.
    pub tombstones: bool,
}

/// Writes events and gives their records to a sink.
///
/// It allocates nothing for a row once its buffers have grown. Each event is written whole before its first record is given away, so that an
/// event that cannot be written leaves nothing behind.
#[derive(Clone, Debug)]
pub struct Encoder {
    options: Options,
    /// `source` up to `txid`, for messages.
    message_source: Box<[u8]>,
    rows: RowWriter,
    record: Record,
    /// The first record of an event that has two.
    earlier_record: Record,
}

/// The bytes of a record.
#[derive(Clone, Debug, Default)]
struct Record {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Record {
    /// The key, if the table has one.
    fn key(&self) -> Option<&[u8]> {
        if self.key.is_empty() { None } else { Some(&self.key) }
    }

    fn give<S: RecordSink>(&self, sink: &mut S) -> Result<(), Failure<S::Error>> {
        sink.record(self.key(), Some(&self.value)).map_err(Failure::Sink)
    }

    fn give_tombstone<S: RecordSink>(&self, options: Options, sink: &mut S) -> Result<(), Failure<S::Error>> {
        match self.key() {
            Some(key) if options.tombstones => sink.record(Some(key), None).map_err(Failure::Sink),
            _ => Ok(()),
        }
    }

    fn give_back_memory(&mut self) {
        shrink(&mut self.key);
        shrink(&mut self.value);
    }
}

fn shrink(buffer: &mut Vec<u8>) {
    if buffer.capacity() > BUFFER_KEPT_BYTES_MAX {
        *buffer = Vec::new();
    }
}

impl Encoder {
    /// An encoder for the changes of one database.
    pub fn new(database: &str, options: Options) -> Self {
        Encoder {
            options,
            message_source: table::source(database, None),
            rows: RowWriter::default(),
            record: Record::default(),
            earlier_record: Record::default(),
        }
    }

    /// A row that was there when the snapshot was taken: `r`.
    pub fn snapshot_row<'a, S: RecordSink>(
        &mut self,
        table: &Table,
        stamp: &Stamp,
        row: impl Iterator<Item = Value<'a>>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        self.new_row(Operation::Read, table, stamp, row, sink)
    }

    /// A new row: `c`.
    pub fn insert<S: RecordSink>(
        &mut self,
        table: &Table,
        stamp: &Stamp,
        new: Tuple<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        self.new_row(Operation::Create, table, stamp, new.iter(), sink)
    }

    /// A changed row: `u`; or, when its key has changed, `d` for the old key and `c` for the new one.
    pub fn update<S: RecordSink>(
        &mut self,
        table: &Table,
        stamp: &Stamp,
        old: Option<OldRow<'_>>,
        new: Tuple<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        check_count(table, new)?;
        if let Some(old) = &old {
            check_count(table, old.tuple())?;
        }
        let merged = Merged::new(table, old, new);
        if let Some(old) = old.filter(|old| key_changed(table, old, new)) {
            write_delete(&mut self.rows, &mut self.earlier_record, table, stamp, old)?;
            write_new_row(&mut self.rows, &mut self.record, Operation::Create, table, stamp, merged)?;
            self.earlier_record.give(sink)?;
            self.earlier_record.give_tombstone(self.options, sink)?;
        } else {
            let before = old.and_then(|old| match old {
                OldRow::Full(tuple) => Some(tuple),
                OldRow::Key(_) => None,
            });
            write_update(&mut self.rows, &mut self.record, table, stamp, before, merged)?;
        }
        self.record.give(sink)?;
        self.give_back_memory();
        Ok(())
    }

    /// A deleted row: `d`.
    pub fn delete<S: RecordSink>(
        &mut self,
        table: &Table,
        stamp: &Stamp,
        old: OldRow<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        write_delete(&mut self.rows, &mut self.record, table, stamp, old)?;
        self.record.give(sink)?;
        self.record.give_tombstone(self.options, sink)?;
        self.give_back_memory();
        Ok(())
    }

    /// An emptied table: `t`.
    pub fn truncate<S: RecordSink>(&mut self, table: &Table, stamp: &Stamp, sink: &mut S) -> Result<(), Failure<S::Error>> {
        let out = &mut self.record.value;
        out.clear();
        envelope::write(Operation::Truncate, &table.source, stamp, out);
        out.extend_from_slice(b",\"before\":null,\"after\":null}");
        sink.record_to_all(out).map_err(Failure::Sink)
    }

    /// A message that a client wrote into the log: `m`.
    pub fn message<S: RecordSink>(
        &mut self,
        stamp: &Stamp,
        message: &LogicalMessage<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        let Record { key, value: out } = &mut self.record;
        key.clear();
        key.extend_from_slice(b"{\"prefix\":");
        string::write(message.prefix.as_bytes(), key);
        key.push(b'}');

        out.clear();
        envelope::write(Operation::Message, &self.message_source, stamp, out);
        out.extend_from_slice(b",\"message\":{\"prefix\":");
        string::write(message.prefix.as_bytes(), out);
        out.extend_from_slice(b",\"content\":");
        if simdutf8::basic::from_utf8(message.content).is_ok() {
            string::write(message.content, out);
        } else {
            base64::write(message.content, out);
            out.extend_from_slice(b",\"encoding\":\"base64\"");
        }
        out.extend_from_slice(b"}}");
        self.record.give(sink)?;
        self.give_back_memory();
        Ok(())
    }

    fn new_row<'a, S: RecordSink>(
        &mut self,
        operation: Operation,
        table: &Table,
        stamp: &Stamp,
        values: impl Iterator<Item = Value<'a>>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        write_new_row(&mut self.rows, &mut self.record, operation, table, stamp, values)?;
        self.record.give(sink)?;
        self.give_back_memory();
        Ok(())
    }

    fn give_back_memory(&mut self) {
        self.record.give_back_memory();
        self.earlier_record.give_back_memory();
        shrink(&mut self.rows.scratch);
    }
}

fn write_new_row<'a>(
    rows: &mut RowWriter,
    record: &mut Record,
    operation: Operation,
    table: &Table,
    stamp: &Stamp,
    values: impl Iterator<Item = Value<'a>>,
) -> Result<(), Error> {
    let out = &mut record.value;
    out.clear();
    envelope::write(operation, &table.source, stamp, out);
    out.extend_from_slice(b",\"before\":null,\"after\":");
    rows.write(table, Columns::All, values, out)?;
    rows.write_unchanged(table, out);
    out.push(b'}');
    rows.write_key(table, out, &mut record.key)
}

fn write_update(
    rows: &mut RowWriter,
    record: &mut Record,
    table: &Table,
    stamp: &Stamp,
    before: Option<Tuple<'_>>,
    after: Merged<'_, '_>,
) -> Result<(), Error> {
    let out = &mut record.value;
    out.clear();
    envelope::write(Operation::Update, &table.source, stamp, out);
    out.extend_from_slice(b",\"before\":");
    match before {
        Some(before) => rows.write(table, Columns::All, before.iter(), out)?,
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"after\":");
    rows.write(table, Columns::All, after, out)?;
    rows.write_unchanged(table, out);
    out.push(b'}');
    rows.write_key(table, out, &mut record.key)
}

fn write_delete(rows: &mut RowWriter, record: &mut Record, table: &Table, stamp: &Stamp, old: OldRow<'_>) -> Result<(), Error> {
    let out = &mut record.value;
    out.clear();
    envelope::write(Operation::Delete, &table.source, stamp, out);
    out.extend_from_slice(b",\"before\":");
    let (columns, tuple) = match old {
        OldRow::Full(tuple) => (Columns::All, tuple),
        OldRow::Key(tuple) => (Columns::Identity, tuple),
    };
    rows.write(table, columns, tuple.iter(), out)?;
    out.extend_from_slice(b",\"after\":null}");
    rows.write_key(table, out, &mut record.key)
}
