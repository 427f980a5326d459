//! Emptied tables.

use crate::Error;
use crate::reader::Reader;

/// The option bit of `TRUNCATE … CASCADE`.
pub(crate) const CASCADE: u8 = 1;

/// The option bit of `TRUNCATE … RESTART IDENTITY`.
pub(crate) const RESTART_IDENTITY: u8 = 2;

/// Tables that were emptied, all by one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncate<'a> {
    /// The oids of the tables that the publication holds, those reached by the cascade among them.
    pub relation_ids: RelationIds<'a>,
    /// `CASCADE` was given.
    pub cascade: bool,
    /// `RESTART IDENTITY` was given.
    pub restart_identity: bool,
}

/// The oids in a [`Truncate`], read from the frame as they are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationIds<'a> {
    ids: &'a [[u8; 4]],
}

impl<'a> Truncate<'a> {
    pub(crate) fn decode_body(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.length("relation count")?;
        let options = reader.u8("truncate options")?;
        if options & !(CASCADE | RESTART_IDENTITY) != 0 {
            return Err(reader.unexpected(options, "truncate options", "a sum of 1 (cascade) and 2 (restart identity)"));
        }
        // Only a 32-bit machine could overflow here, and there the saturated length is as surely past the end of the frame.
        let bytes = reader.bytes(count.saturating_mul(size_of::<u32>()), "oids of the relations")?;
        Ok(Truncate {
            relation_ids: RelationIds::of(bytes),
            cascade: options & CASCADE != 0,
            restart_identity: options & RESTART_IDENTITY != 0,
        })
    }
}

impl<'a> RelationIds<'a> {
    /// The oids in these bytes, four each.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        RelationIds { ids: bytes.as_chunks().0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none; PostgreSQL sends no such truncate.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The oids in order.
    pub fn iter(&self) -> RelationIdIter<'a> {
        RelationIdIter { ids: self.ids.iter() }
    }
}

impl<'a> IntoIterator for RelationIds<'a> {
    type Item = u32;
    type IntoIter = RelationIdIter<'a>;

    fn into_iter(self) -> RelationIdIter<'a> {
        self.iter()
    }
}

/// Walks [`RelationIds`].
#[derive(Clone, Debug)]
pub struct RelationIdIter<'a> {
    ids: std::slice::Iter<'a, [u8; 4]>,
}

impl Iterator for RelationIdIter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.ids.next().map(|bytes| u32::from_be_bytes(*bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ids.size_hint()
    }
}

impl ExactSizeIterator for RelationIdIter<'_> {}
