//! Rows: the values of a tuple.

use crate::Error;
use crate::reader::Reader;

/// The value of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// SQL's null. In the key form of an old row also every column that is not part of the key.
    Null,
    /// A large value (TOAST) that an update did not touch: the server does not send it again.
    Unchanged,
    /// PostgreSQL's text form, in the connection's encoding.
    Text(&'a [u8]),
    /// PostgreSQL's binary form. Sent only when `binary` was asked for.
    Binary(&'a [u8]),
}

/// A row: one value for each column of its relation, in order.
///
/// It was checked whole when it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple<'a> {
    count: u16,
    /// The values as on the wire, without their count.
    bytes: &'a [u8],
}

impl<'a> Tuple<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.u16("column count")?;
        let start = reader.offset();
        for _ in 0..count {
            match reader.u8("kind of the value")? {
                b'n' | b'u' => {}
                b't' | b'b' => {
                    let length = reader.length("length of the value")?;
                    reader.bytes(length, "value")?;
                }
                other => return Err(reader.unexpected(other, "kind of the value", "'n', 'u', 't' or 'b'")),
            }
        }
        Ok(Tuple { count, bytes: reader.read_since(start) })
    }

    /// How many values it has.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether it has none: a table may have no columns.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its values in order.
    pub fn iter(&self) -> ValueIter<'a> {
        ValueIter { remaining: self.count, bytes: self.bytes }
    }
}

impl<'a> IntoIterator for Tuple<'a> {
    type Item = Value<'a>;
    type IntoIter = ValueIter<'a>;

    fn into_iter(self) -> ValueIter<'a> {
        self.iter()
    }
}

/// Walks a [`Tuple`].
#[derive(Clone, Debug)]
pub struct ValueIter<'a> {
    remaining: u16,
    bytes: &'a [u8],
}

impl<'a> ValueIter<'a> {
    /// Reads what [`Tuple::decode`] has checked: it yields none only at the end.
    #[inline]
    fn read(&mut self) -> Option<Value<'a>> {
        let (kind, rest) = self.bytes.split_first()?;
        if matches!(kind, b'n' | b'u') {
            self.bytes = rest;
            return Some(if *kind == b'n' { Value::Null } else { Value::Unchanged });
        }
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        self.bytes = rest;
        Some(if *kind == b't' { Value::Text(value) } else { Value::Binary(value) })
    }
}

impl<'a> Iterator for ValueIter<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        self.read()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = usize::from(self.remaining);
        (remaining, Some(remaining))
    }
}

impl ExactSizeIterator for ValueIter<'_> {}
