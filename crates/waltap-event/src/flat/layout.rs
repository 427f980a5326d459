//! The events of the format.

use waltap_pgoutput::{LogicalMessage, OldRow, Value};

use super::head::{self, HeadWriter};
use crate::json::string;
use crate::layout::{KeyChangeHeaders, Layout};
use crate::native::fields::{FieldWriter, NoteNames};
use crate::native::layout::{write_content, write_message_key};
use crate::record::Record;
use crate::row::{Columns, Merged};
use crate::table::Prepared;
use crate::{Error, Kind, Operation, Stamp, TableShape, own_names};

/// What of the format is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether a delete is followed by a record with the same key and no value, by which Kafka's compaction forgets the key.
    pub tombstones: bool,
}

/// Fields of ours that name columns.
const NOTES: NoteNames = NoteNames { unchanged: b"_unchanged", hexadecimal: b"_hexadecimal" };

/// Writes the events of one database.
#[derive(Clone, Debug)]
pub(crate) struct Flat {
    options: Options,
    /// For messages.
    message_place: Box<[u8]>,
    head: HeadWriter,
    fields: FieldWriter,
}

impl Flat {
    pub(crate) fn new(database: &str, options: Options) -> Self {
        Flat { options, message_place: head::place(database, None), head: HeadWriter::default(), fields: FieldWriter::default() }
    }

    /// Makes a table ready.
    pub(crate) fn prepare(shape: &TableShape) -> Result<Prepared<Kind>, Error> {
        let place = head::place(&shape.database, Some((&shape.schema, &shape.table)));
        Prepared::new(shape, place, |column| (own_names::avoided(&column.name), column.kind.clone()), |_| true, string::write)
    }

    fn write<'a>(
        &mut self,
        operation: Operation,
        table: &Prepared<Kind>,
        stamp: &Stamp,
        columns: Columns,
        values: impl Iterator<Item = Value<'a>>,
        record: &mut Record,
    ) -> Result<(), Error> {
        let out = &mut record.value;
        out.clear();
        self.head.write(operation, &table.head, stamp, out);
        self.fields.begin_event();
        // Our own fields stand before the first column, which has a comma as the others have.
        self.fields.write(table, columns, values, out)?;
        self.fields.write_notes(&NOTES, table, out);
        out.push(b'}');
        self.fields.key_values.write_key(table, out, &mut record.key)
    }
}

impl Layout for Flat {
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
        self.write(operation, table, stamp, Columns::All, values, record)
    }

    fn write_update(
        &mut self,
        table: &Prepared<Kind>,
        stamp: &Stamp,
        _before: Option<OldRow<'_>>,
        after: Merged<'_, '_, Kind>,
        record: &mut Record,
    ) -> Result<(), Error> {
        self.write(Operation::Update, table, stamp, Columns::All, after, record)
    }

    fn write_delete(&mut self, table: &Prepared<Kind>, stamp: &Stamp, old: OldRow<'_>, record: &mut Record) -> Result<(), Error> {
        self.write(Operation::Delete, table, stamp, Columns::of(&old), old.tuple().iter(), record)
    }

    fn write_truncate(&mut self, table: &Prepared<Kind>, stamp: &Stamp, value: &mut Vec<u8>) {
        value.clear();
        self.head.write(Operation::Truncate, &table.head, stamp, value);
        value.push(b'}');
    }

    fn write_message(&mut self, stamp: &Stamp, message: &LogicalMessage<'_>, record: &mut Record) {
        let Record { key, value: out } = record;
        write_message_key(message, key);
        out.clear();
        self.head.write(Operation::Message, &self.message_place, stamp, out);
        out.extend_from_slice(b",\"prefix\":");
        string::write(message.prefix.as_bytes(), out);
        out.extend_from_slice(b",\"content\":");
        if write_content(message, out) {
            out.extend_from_slice(b",\"encoding\":\"base64\"");
        }
        out.push(b'}');
    }

    fn give_back_memory(&mut self) {
        self.fields.give_back_memory();
    }
}
