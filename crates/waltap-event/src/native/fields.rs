//! The fields of rows, for this format and for those that have the same values.

use waltap_pgoutput::Value;

use super::value::{write_other, write_text};
use crate::json::hexadecimal;
use crate::record::shrink;
use crate::row::{Columns, KeyValues, WriteColumn, each_column};
use crate::table::{Column, Prepared};
use crate::{Error, Kind};

/// Writes the columns of rows into records. Its buffers are used again from row to row.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldWriter {
    pub(crate) key_values: KeyValues,
    /// The columns of the last row, by number, that have no value because an update did not touch them.
    unchanged: Vec<usize>,
    /// The columns of the event whose bytes are not UTF-8.
    hexadecimal: Vec<usize>,
    /// For the values.
    scratch: Vec<u8>,
}

impl FieldWriter {
    /// Forgets the last event. An event has one row, or, with the old one, two.
    pub(crate) fn begin_event(&mut self) {
        self.unchanged.clear();
        self.hexadecimal.clear();
    }

    /// Appends a row's columns as fields of an object, each with a comma before it.
    pub(crate) fn write<'a>(
        &mut self,
        table: &Prepared<Kind>,
        columns: Columns,
        values: impl Iterator<Item = Value<'a>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.unchanged.clear();
        self.key_values.begin_row(table);
        each_column(table, values, &mut RowWriter { fields: self, columns, out })
    }

    /// Appends the fields that name the last row's unchanged columns and the event's columns whose values are hexadecimal, where there are some.
    #[inline]
    pub(crate) fn write_notes(&self, names: &NoteNames, table: &Prepared<Kind>, out: &mut Vec<u8>) {
        if self.unchanged.is_empty() && self.hexadecimal.is_empty() {
            return;
        }
        write_note(names.unchanged, &self.unchanged, table, out);
        write_note(names.hexadecimal, &self.hexadecimal, table, out);
    }

    pub(crate) fn give_back_memory(&mut self) {
        shrink(&mut self.scratch);
    }
}

/// Writes the columns of one row.
struct RowWriter<'r> {
    fields: &'r mut FieldWriter,
    columns: Columns,
    out: &'r mut Vec<u8>,
}

impl WriteColumn<Kind> for RowWriter<'_> {
    #[inline(always)]
    fn write_column(&mut self, index: usize, column: &Column<Kind>, value: Value<'_>) {
        let RowWriter { fields, columns, out } = self;
        if *columns == Columns::Identity && !column.identity {
            return;
        }
        if matches!(value, Value::Unchanged) {
            return fields.unchanged.push(index);
        }
        column.field.append_to(out);
        let start = out.len();
        match value {
            Value::Text(text) => {
                if write_text(&column.how, text, &mut fields.scratch, out).is_err() {
                    // A database in SQL_ASCII takes any bytes for text.
                    hexadecimal::write(text, out);
                    if !fields.hexadecimal.contains(&index) {
                        fields.hexadecimal.push(index);
                    }
                }
            }
            other => write_other(other, out),
        }
        fields.key_values.note(column, start..out.len());
    }
}

/// What a format calls the fields that name columns of an event.
pub(crate) struct NoteNames {
    /// Those that an update did not touch and whose values were not sent.
    pub(crate) unchanged: &'static [u8],
    /// Those whose values are not UTF-8 and stand there as hexadecimal digits.
    pub(crate) hexadecimal: &'static [u8],
}

fn write_note(name: &[u8], columns: &[usize], table: &Prepared<Kind>, out: &mut Vec<u8>) {
    if columns.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name);
    out.extend_from_slice(b"\":");
    let mut mark = b'[';
    for column in columns.iter().filter_map(|index| table.columns.get(*index)) {
        out.push(mark);
        // The field's name with its quotes, without the comma and the colon.
        if let [_, name @ .., _] = column.field.text() {
            out.extend_from_slice(name);
        }
        mark = b',';
    }
    out.push(b']');
}
