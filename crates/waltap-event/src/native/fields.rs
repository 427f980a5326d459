//! The fields of rows, for this format and for those that have the same values.

use waltap_pgoutput::Value;

use super::value::write_value;
use crate::record::shrink;
use crate::row::{Columns, KeyValues, each_column};
use crate::table::Prepared;
use crate::{Error, Kind};

/// Writes the columns of rows into records. Its buffers are used again from row to row.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldWriter {
    pub(crate) key_values: KeyValues,
    /// The columns of the last row, by number, that have no value because an update did not touch them.
    unchanged: Vec<usize>,
    /// For the values.
    scratch: Vec<u8>,
}

impl FieldWriter {
    /// Appends a row's columns as fields of an object, each with a comma before it but one that stands at `first`.
    pub(crate) fn write<'a>(
        &mut self,
        table: &Prepared<Kind>,
        columns: Columns,
        values: impl Iterator<Item = Value<'a>>,
        first: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.unchanged.clear();
        self.key_values.begin_row(table);
        each_column(table, values, |index, column, value| {
            if columns == Columns::Identity && !column.identity {
                return Ok(());
            }
            if value == Value::Unchanged {
                self.unchanged.push(index);
                return Ok(());
            }
            if out.len() > first {
                out.push(b',');
            }
            out.extend_from_slice(&column.field);
            let start = out.len();
            write_value(&column.how, value, &mut self.scratch, out)
                .map_err(|_| Error::NotUtf8 { column: column.name.to_string() })?;
            self.key_values.note(column, start..out.len());
            Ok(())
        })
    }

    /// Appends the field of this name that names the last row's unchanged columns, if it has any.
    pub(crate) fn write_unchanged(&self, name: &[u8], table: &Prepared<Kind>, out: &mut Vec<u8>) {
        if self.unchanged.is_empty() {
            return;
        }
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        let mut mark = b'[';
        for column in self.unchanged.iter().filter_map(|index| table.columns.get(*index)) {
            out.push(mark);
            // The field's name with its quotes, without the colon.
            out.extend_from_slice(column.field.strip_suffix(b":").unwrap_or_default());
            mark = b',';
        }
        out.push(b']');
    }

    pub(crate) fn give_back_memory(&mut self) {
        shrink(&mut self.scratch);
    }
}
