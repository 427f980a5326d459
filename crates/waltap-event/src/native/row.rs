//! Rows and keys.

use std::ops::Range;

use waltap_pgoutput::{OldRow, Tuple, Value, ValueIter};

use super::table::{Column, Table};
use super::value::write_value;
use crate::Error;

/// Which columns of a row are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    All,
    Identity,
}

/// Writes rows into records. Its buffers are used again from row to row.
#[derive(Clone, Debug, Default)]
pub(super) struct RowWriter {
    /// Where, in the record, the values of the last row's key columns are, in the key's order. Empty where there is none.
    key_values: Vec<Range<usize>>,
    /// The columns of the last row, by number, that have no value because an update did not touch them.
    unchanged: Vec<usize>,
    /// For the values.
    pub(super) scratch: Vec<u8>,
}

impl RowWriter {
    /// Appends a row as an object.
    pub(super) fn write<'a>(
        &mut self,
        table: &Table,
        columns: Columns,
        mut values: impl Iterator<Item = Value<'a>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.unchanged.clear();
        self.key_values.clear();
        self.key_values.resize(table.key.len(), 0..0);
        out.push(b'{');
        let first = out.len();
        for (index, column) in table.columns.iter().enumerate() {
            let Some(value) = values.next() else {
                return Err(Error::ColumnCount { expected: table.columns.len(), found: index });
            };
            if columns == Columns::Identity && !column.identity {
                continue;
            }
            if value == Value::Unchanged {
                self.unchanged.push(index);
                continue;
            }
            if out.len() > first {
                out.push(b',');
            }
            out.extend_from_slice(&column.field);
            let start = out.len();
            write_value(&column.kind, value, &mut self.scratch, out)
                .map_err(|_| Error::NotUtf8 { column: column.name.to_string() })?;
            if let Some(place) = column.key_place.and_then(|place| self.key_values.get_mut(place)) {
                *place = start..out.len();
            }
        }
        let surplus = values.count();
        if surplus > 0 {
            return Err(Error::ColumnCount { expected: table.columns.len(), found: table.columns.len() + surplus });
        }
        out.push(b'}');
        Ok(())
    }

    /// Appends the field that names the last row's unchanged columns, if it has any.
    pub(super) fn write_unchanged(&self, table: &Table, out: &mut Vec<u8>) {
        let mut mark: &[u8] = b",\"unchanged\":[";
        for column in self.unchanged.iter().filter_map(|index| table.columns.get(*index)) {
            out.extend_from_slice(mark);
            // The field's name with its quotes, without the colon.
            out.extend_from_slice(column.field.strip_suffix(b":").unwrap_or_default());
            mark = b",";
        }
        if !self.unchanged.is_empty() {
            out.push(b']');
        }
    }

    /// Writes the last row's key. The values are those in the record: the same bytes, written once.
    pub(super) fn write_key(&self, table: &Table, record: &[u8], key: &mut Vec<u8>) -> Result<(), Error> {
        key.clear();
        for (column, place) in table.key.iter().zip(&self.key_values) {
            let value = record.get(place.clone()).filter(|value| !value.is_empty());
            let Some(value) = value else {
                return Err(Error::KeyNotSent { column: column.name.to_string() });
            };
            key.extend_from_slice(&column.field);
            key.extend_from_slice(value);
        }
        if !table.key.is_empty() {
            key.push(b'}');
        }
        Ok(())
    }
}

/// Refuses a tuple that is not as wide as the table.
pub(super) fn check_count(table: &Table, tuple: Tuple<'_>) -> Result<(), Error> {
    if tuple.len() == table.columns.len() {
        return Ok(());
    }
    Err(Error::ColumnCount { expected: table.columns.len(), found: tuple.len() })
}

/// Whether an update changed the key, so far as the old row tells.
pub(super) fn key_changed(table: &Table, old: &OldRow<'_>, new: Tuple<'_>) -> bool {
    if table.key.is_empty() {
        return false;
    }
    let mut values = table.columns.iter().zip(old.tuple().iter().zip(new));
    values.any(|(column, (before, after))| {
        column.key_place.is_some() && holds(old, column) && after != Value::Unchanged && before != after
    })
}

/// Whether the old row has this column's value: its key form holds null for all columns outside of the identity.
fn holds(old: &OldRow<'_>, column: &Column) -> bool {
    matches!(old, OldRow::Full(_)) || column.identity
}

/// The new row of an update, with what it did not touch taken from the old row, where that was sent.
pub(super) struct Merged<'a, 't> {
    new: ValueIter<'a>,
    old: Option<(OldRow<'a>, ValueIter<'a>)>,
    columns: std::slice::Iter<'t, Column>,
}

impl<'a, 't> Merged<'a, 't> {
    pub(super) fn new(table: &'t Table, old: Option<OldRow<'a>>, new: Tuple<'a>) -> Self {
        Merged { new: new.iter(), old: old.map(|old| (old, old.tuple().iter())), columns: table.columns.iter() }
    }
}

impl<'a> Iterator for Merged<'a, '_> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let value = self.new.next()?;
        let column = self.columns.next();
        let Some((old, old_values)) = &mut self.old else { return Some(value) };
        let before = old_values.next();
        match (value, before, column) {
            (Value::Unchanged, Some(before), Some(column)) if holds(old, column) => Some(before),
            _ => Some(value),
        }
    }
}
