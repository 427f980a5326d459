//! What the rows of all formats have in common: what an update did not touch, and keys.

use std::ops::Range;

use waltap_pgoutput::{OldRow, Tuple, Value, ValueIter};

use crate::table::{Column, Prepared};
use crate::treatment::Digest;
use crate::{Error, Treatment};

/// Which columns of a row are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    All,
    Identity,
}

impl Columns {
    /// Those that an old row tells.
    pub(crate) fn of(old: &OldRow<'_>) -> Self {
        match old {
            OldRow::Full(_) => Columns::All,
            OldRow::Key(_) => Columns::Identity,
        }
    }
}

/// Where, in a record, the values of the last row's key columns are, in the key's order. Empty where there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyValues(Vec<Range<usize>>);

impl KeyValues {
    pub(crate) fn begin_row<How>(&mut self, table: &Prepared<How>) {
        self.0.clear();
        self.0.resize(table.key.len(), 0..0);
    }

    /// Notes where a column's value was written.
    pub(crate) fn note<How>(&mut self, column: &Column<How>, written: Range<usize>) {
        if let Some(place) = column.key_place.and_then(|place| self.0.get_mut(place)) {
            *place = written;
        }
    }

    /// Writes the last row's key. The values are those in the record: the same bytes, written once.
    pub(crate) fn write_key<How>(&self, table: &Prepared<How>, record: &[u8], key: &mut Vec<u8>) -> Result<(), Error> {
        key.clear();
        for (column, place) in table.key.iter().zip(&self.0) {
            let value = record.get(place.clone()).filter(|value| !value.is_empty());
            let Some(value) = value else {
                return Err(Error::KeyNotSent { column: column.name.to_string() });
            };
            key.extend_from_slice(&column.field);
            key.extend_from_slice(value);
        }
        if !table.key.is_empty() {
            key.extend_from_slice(table.key_end);
        }
        Ok(())
    }
}

/// Walks the columns of a table and the values of a row together: those that are written, as they are written.
///
/// Refuses a row that is not as wide as its table.
pub(crate) fn each_column<'a, How>(
    table: &Prepared<How>,
    mut values: impl Iterator<Item = Value<'a>>,
    mut write: impl FnMut(usize, &Column<How>, Value<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let expected = table.columns.len();
    for (index, column) in table.columns.iter().enumerate() {
        let Some(value) = values.next() else {
            return Err(Error::ColumnCount { expected, found: index });
        };
        match &column.treatment {
            Treatment::Keep => write(index, column, value)?,
            Treatment::Omit => {}
            Treatment::Mask(mask) => write(index, column, mask.apply(value, &mut Digest::default()))?,
        }
    }
    match values.count() {
        0 => Ok(()),
        surplus => Err(Error::ColumnCount { expected, found: expected + surplus }),
    }
}

/// Refuses a tuple that is not as wide as the table.
pub(crate) fn check_count<How>(table: &Prepared<How>, tuple: Tuple<'_>) -> Result<(), Error> {
    if tuple.len() == table.columns.len() {
        return Ok(());
    }
    Err(Error::ColumnCount { expected: table.columns.len(), found: tuple.len() })
}

/// Whether an update changed the key, so far as the old row tells.
pub(crate) fn key_changed<How>(table: &Prepared<How>, old: &OldRow<'_>, new: Tuple<'_>) -> bool {
    if table.key.is_empty() {
        return false;
    }
    let mut values = table.columns.iter().zip(old.tuple().iter().zip(new));
    values.any(|(column, (before, after))| {
        column.key_place.is_some() && holds(old, column) && after != Value::Unchanged && before != after
    })
}

/// Whether the old row has this column's value: its key form holds null for all columns outside of the identity.
fn holds<How>(old: &OldRow<'_>, column: &Column<How>) -> bool {
    matches!(old, OldRow::Full(_)) || column.identity
}

/// The new row of an update, with what it did not touch taken from the old row, where that was sent.
pub(crate) struct Merged<'a, 't, How> {
    new: ValueIter<'a>,
    old: Option<(OldRow<'a>, ValueIter<'a>)>,
    columns: std::slice::Iter<'t, Column<How>>,
}

impl<'a, 't, How> Merged<'a, 't, How> {
    pub(crate) fn new(table: &'t Prepared<How>, old: Option<OldRow<'a>>, new: Tuple<'a>) -> Self {
        Merged { new: new.iter(), old: old.map(|old| (old, old.tuple().iter())), columns: table.columns.iter() }
    }
}

impl<'a, How> Iterator for Merged<'a, '_, How> {
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
