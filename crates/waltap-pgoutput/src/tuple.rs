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
        match values_length(reader.unread(), count) {
            Some(length) => Ok(Tuple { count, bytes: reader.bytes(length, "values")? }),
            None => Self::decode_by_fields(count, reader),
        }
    }

    /// Reads the values field by field, to tell what is wrong with which of them.
    #[cold]
    fn decode_by_fields(count: u16, reader: &mut Reader<'a>) -> Result<Self, Error> {
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
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether it has none: a table may have no columns.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its values in order.
    #[inline]
    pub fn iter(&self) -> ValueIter<'a> {
        ValueIter { remaining: self.count, bytes: self.bytes }
    }
}

/// How many bytes so many values take at the start. None: one of them is not whole, or is none.
fn values_length(bytes: &[u8], count: u16) -> Option<usize> {
    let mut rest = bytes;
    for _ in 0..count {
        rest = match rest {
            [b't' | b'b', length @ ..] => {
                let (length, rest) = length.split_first_chunk::<4>()?;
                rest.get(usize::try_from(i32::from_be_bytes(*length)).ok()?..)?
            }
            [b'n' | b'u', rest @ ..] => rest,
            _ => return None,
        };
    }
    Some(bytes.len() - rest.len())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let field = prop_oneof![
            prop_oneof![Just(b'n'), Just(b'u'), Just(b't'), Just(b'b'), any::<u8>()].prop_map(|kind| vec![kind]),
            (0_i32..4).prop_map(|length| [&b"t"[..], &length.to_be_bytes(), &vec![b'n'; length as usize]].concat()),
            prop_oneof![Just(-1), Just(i32::MIN), Just(i32::MAX), 0..9].prop_map(|length: i32| length.to_be_bytes().to_vec()),
        ];
        (0_u16..5, prop::collection::vec(field, 0..8))
            .prop_map(|(count, fields)| [count.to_be_bytes().to_vec(), fields.concat()].concat())
    }

    proptest! {
        #[test]
        fn both_ways_of_reading_agree(frame in frame()) {
            let (mut quick, mut by_fields) = (Reader::new(&frame), Reader::new(&frame));
            let count = by_fields.u16("column count").unwrap();
            prop_assert_eq!(Tuple::decode(&mut quick), Tuple::decode_by_fields(count, &mut by_fields));
            prop_assert_eq!(values_length(&frame[2..], count).is_some(), Tuple::decode(&mut Reader::new(&frame)).is_ok());
        }
    }
}
