//! What the rows of all formats have in common: what an update did not touch, and keys.

use std::ops::Range;

use waltap_pgoutput::{OldRow, Tuple, Value, ValueIter};

use crate::append::append_start;
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
    #[inline(always)]
    pub(crate) fn note<How>(&mut self, column: &Column<How>, written: Range<usize>) {
        if let Some(place) = column.key_place.and_then(|place| self.0.get_mut(place)) {
            *place = written;
        }
    }

    /// Writes the last row's key. The values are those in the record: the same bytes, written once.
    pub(crate) fn write_key<How>(&self, table: &Prepared<How>, record: &[u8], key: &mut Vec<u8>) -> Result<(), Error> {
        key.clear();
        for (column, place) in table.key.iter().zip(&self.0) {
            let Some(value) = record.get(place.start..).filter(|_| !place.is_empty()) else {
                return Err(Error::KeyNotSent { column: column.name.to_string() });
            };
            column.field.append_to(key);
            append_start(value, place.len(), key);
        }
        if !table.key.is_empty() {
            key.extend_from_slice(table.key_end);
        }
        Ok(())
    }
}

/// Has what was written since `start`, fields with a comma before each, be an object with them.
pub(crate) fn close_object(start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => {
            debug_assert_eq!(*comma, b',');
            *comma = b'{';
        }
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// Writes the columns of a row, each as it comes.
pub(crate) trait WriteColumn<How> {
    /// Writes a column, the one with this number, with what its treatment has left of its value.
    fn write_column(&mut self, index: usize, column: &Column<How>, value: Value<'_>);
}

/// Walks the columns of a table and the values of a row together: those that are written, as they are written.
///
/// Refuses a row that is not as wide as its table.
#[inline]
pub(crate) fn each_column<'a, How>(
    table: &Prepared<How>,
    mut values: impl Iterator<Item = Value<'a>>,
    writer: &mut impl WriteColumn<How>,
) -> Result<(), Error> {
    let expected = table.columns.len();
    for (index, column) in table.columns.iter().enumerate() {
        let Some(value) = values.next() else {
            return Err(Error::ColumnCount { expected, found: index });
        };
        match &column.treatment {
            Treatment::Keep => writer.write_column(index, column, value),
            other => write_treated(other, index, column, value, writer),
        }
    }
    match values.count() {
        0 => Ok(()),
        surplus => Err(Error::ColumnCount { expected, found: expected + surplus }),
    }
}

/// Writes what a treatment leaves of a value.
// Apart, so that nothing of it stands in the way of the many values that are kept.
#[inline(never)]
fn write_treated<How>(
    treatment: &Treatment,
    index: usize,
    column: &Column<How>,
    value: Value<'_>,
    writer: &mut impl WriteColumn<How>,
) {
    match treatment {
        Treatment::Keep => writer.write_column(index, column, value),
        Treatment::Omit => {}
        Treatment::Mask(mask) => writer.write_column(index, column, mask.apply(value, &mut Digest::default())),
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
    let mut values = table.columns_with_key().iter().zip(old.tuple().iter().zip(new));
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
    columns: std::slice::Iter<'t, Column<How>>,
    old: Option<OldValues<'a>>,
}

/// The values of an old row, of which most are not asked for.
struct OldValues<'a> {
    row: OldRow<'a>,
    rest: ValueIter<'a>,
    /// How many of the rest were passed by.
    passed: usize,
}

impl<'a, 't, How> Merged<'a, 't, How> {
    pub(crate) fn new(table: &'t Prepared<How>, old: Option<OldRow<'a>>, new: Tuple<'a>) -> Self {
        let old = old.map(|row| OldValues { row, rest: row.tuple().iter(), passed: 0 });
        Merged { new: new.iter(), old, columns: table.columns.iter() }
    }
}

impl<'a, How> Iterator for Merged<'a, '_, How> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        let value = self.new.next()?;
        let column = self.columns.next();
        match (&mut self.old, value) {
            (Some(old), Value::Unchanged) => Some(old.value(column)),
            (Some(old), _) => {
                old.passed += 1;
                Some(value)
            }
            (None, _) => Some(value),
        }
    }
}

impl<'a> OldValues<'a> {
    /// The next value that was not passed by, if it is told.
    #[cold]
    fn value<How>(&mut self, column: Option<&Column<How>>) -> Value<'a> {
        let value = self.rest.nth(std::mem::take(&mut self.passed));
        value.filter(|_| column.is_some_and(|column| holds(&self.row, column))).unwrap_or(Value::Unchanged)
    }
}
