//! The events of the format.

use waltap_pgoutput::{LogicalMessage, OldRow, Value};

use super::envelope::{self, EnvelopeWriter};
use super::fields::{FieldWriter, NoteNames};
use crate::json::{base64, string};
use crate::layout::{KeyChangeHeaders, Layout};
use crate::record::Record;
use crate::row::{Columns, Merged, close_object};
use crate::table::Prepared;
use crate::{Error, Kind, Operation, Stamp, TableShape};

/// What of the format is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether a delete is followed by a record with the same key and no value, by which Kafka's compaction forgets the key.
    pub tombstones: bool,
}

/// Fields of the envelope that name columns.
const NOTES: NoteNames = NoteNames { unchanged: b"unchanged", hexadecimal: b"hexadecimal" };

/// Writes the events of one database.
#[derive(Clone, Debug)]
pub(crate) struct Native {
    options: Options,
    /// `source` up to `txid`, for messages.
    message_source: Box<[u8]>,
    envelope: EnvelopeWriter,
    fields: FieldWriter,
}

impl Native {
    pub(crate) fn new(database: &str, options: Options) -> Self {
        Native {
            options,
            message_source: envelope::source(database, None),
            envelope: EnvelopeWriter::default(),
            fields: FieldWriter::default(),
        }
    }

    /// Makes a table ready.
    pub(crate) fn prepare(shape: &TableShape) -> Result<Prepared<Kind>, Error> {
        let source = envelope::source(&shape.database, Some((&shape.schema, &shape.table)));
        Prepared::new(shape, source, |column| (column.name.as_str().into(), column.kind.clone()), |_| true, string::write)
    }

    fn write_row<'a>(
        &mut self,
        table: &Prepared<Kind>,
        columns: Columns,
        values: impl Iterator<Item = Value<'a>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = out.len();
        self.fields.write(table, columns, values, out)?;
        close_object(start, out);
        Ok(())
    }
}

impl Layout for Native {
    type How = Kind;

    const KEY_CHANGE_HEADERS: Option<KeyChangeHeaders> = None;

    fn skips(&self, _operation: Operation) -> bool {
        false
    }

    fn has_tombstones(&self) -> bool {
        self.options.tombstones
    }

    fn write_new_row<'a>(
        &mut self,
        operation: Operation,
        table: &Prepared<Kind>,
        stamp: &Stamp,
        values: impl Iterator<Item = Value<'a>>,
        record: &mut Record,
    ) -> Result<(), Error> {
        let out = &mut record.value;
        out.clear();
        self.fields.begin_event();
        self.envelope.write(operation, &table.head, stamp, out);
        out.extend_from_slice(b",\"before\":null,\"after\":");
        self.write_row(table, Columns::All, values, out)?;
        self.fields.write_notes(&NOTES, table, out);
        out.push(b'}');
        self.fields.key_values.write_key(table, out, &mut record.key)
    }

    fn write_update(
        &mut self,
        table: &Prepared<Kind>,
        stamp: &Stamp,
        before: Option<OldRow<'_>>,
        after: Merged<'_, '_, Kind>,
        record: &mut Record,
    ) -> Result<(), Error> {
        let out = &mut record.value;
        out.clear();
        self.fields.begin_event();
        self.envelope.write(Operation::Update, &table.head, stamp, out);
        out.extend_from_slice(b",\"before\":");
        match before {
            Some(OldRow::Full(before)) => self.write_row(table, Columns::All, before.iter(), out)?,
            Some(OldRow::Key(_)) | None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"after\":");
        self.write_row(table, Columns::All, after, out)?;
        self.fields.write_notes(&NOTES, table, out);
        out.push(b'}');
        self.fields.key_values.write_key(table, out, &mut record.key)
    }

    fn write_delete(&mut self, table: &Prepared<Kind>, stamp: &Stamp, old: OldRow<'_>, record: &mut Record) -> Result<(), Error> {
        let out = &mut record.value;
        out.clear();
        self.fields.begin_event();
        self.envelope.write(Operation::Delete, &table.head, stamp, out);
        out.extend_from_slice(b",\"before\":");
        self.write_row(table, Columns::of(&old), old.tuple().iter(), out)?;
        out.extend_from_slice(b",\"after\":null");
        self.fields.write_notes(&NOTES, table, out);
        out.push(b'}');
        self.fields.key_values.write_key(table, out, &mut record.key)
    }

    fn write_truncate(&mut self, table: &Prepared<Kind>, stamp: &Stamp, value: &mut Vec<u8>) {
        value.clear();
        self.envelope.write(Operation::Truncate, &table.head, stamp, value);
        value.extend_from_slice(b",\"before\":null,\"after\":null}");
    }

    fn write_message(&mut self, stamp: &Stamp, message: &LogicalMessage<'_>, record: &mut Record) {
        let Record { key, value: out } = record;
        write_message_key(message, key);
        out.clear();
        self.envelope.write(Operation::Message, &self.message_source, stamp, out);
        out.extend_from_slice(b",\"message\":{\"prefix\":");
        string::write(message.prefix.as_bytes(), out);
        out.extend_from_slice(b",\"content\":");
        if write_content(message, out) {
            out.extend_from_slice(b",\"encoding\":\"base64\"");
        }
        out.extend_from_slice(b"}}");
    }

    fn give_back_memory(&mut self) {
        self.fields.give_back_memory();
    }
}

/// `{"prefix":…}`, so that messages of one prefix stay in order.
pub(crate) fn write_message_key(message: &LogicalMessage<'_>, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(b"{\"prefix\":");
    string::write(message.prefix.as_bytes(), key);
    key.push(b'}');
}

/// Appends a message's content as text, or, where it is not UTF-8, as base64; gives whether it is that.
pub(crate) fn write_content(message: &LogicalMessage<'_>, out: &mut Vec<u8>) -> bool {
    let is_text = simdutf8::basic::from_utf8(message.content).is_ok();
    if is_text {
        string::write(message.content, out);
    } else {
        base64::write(message.content, out);
    }
    !is_text
}
