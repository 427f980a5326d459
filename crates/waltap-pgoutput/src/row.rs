//! Changes of rows.

use crate::reader::Reader;
use crate::{Error, Tuple};

/// A new row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insert<'a> {
    /// The oid of the table, of which a [`Relation`](crate::Relation) has told the shape.
    pub relation_id: u32,
    /// The row.
    pub new: Tuple<'a>,
}

/// A changed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// The oid of the table, of which a [`Relation`](crate::Relation) has told the shape.
    pub relation_id: u32,
    /// What the row was before: its key if the key has changed, all of it under `REPLICA IDENTITY FULL`, else nothing.
    pub old: Option<OldRow<'a>>,
    /// What it is now.
    pub new: Tuple<'a>,
}

/// A deleted row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// The oid of the table, of which a [`Relation`](crate::Relation) has told the shape.
    pub relation_id: u32,
    /// What the row was.
    pub old: OldRow<'a>,
}

/// What the log holds of a row that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldRow<'a> {
    /// `K`: a tuple as long as the row, in which only the columns of the replica identity have their values; the others are null.
    Key(Tuple<'a>),
    /// `O`: the whole row.
    Full(Tuple<'a>),
}

impl<'a> OldRow<'a> {
    /// The tuple, whichever it is.
    pub fn tuple(&self) -> Tuple<'a> {
        match self {
            OldRow::Key(tuple) | OldRow::Full(tuple) => *tuple,
        }
    }
}

impl<'a> Insert<'a> {
    pub(crate) fn decode_body(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let relation_id = reader.u32("oid of the relation")?;
        match reader.u8("kind of the tuple")? {
            b'N' => Ok(Insert { relation_id, new: Tuple::decode(reader)? }),
            other => Err(reader.unexpected(other, "kind of the tuple", "'N'")),
        }
    }
}

impl<'a> Update<'a> {
    pub(crate) fn decode_body(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let relation_id = reader.u32("oid of the relation")?;
        let old = match reader.u8("kind of the tuple")? {
            b'N' => return Ok(Update { relation_id, old: None, new: Tuple::decode(reader)? }),
            b'K' => OldRow::Key(Tuple::decode(reader)?),
            b'O' => OldRow::Full(Tuple::decode(reader)?),
            other => return Err(reader.unexpected(other, "kind of the tuple", "'K', 'O' or 'N'")),
        };
        match reader.u8("kind of the second tuple")? {
            b'N' => Ok(Update { relation_id, old: Some(old), new: Tuple::decode(reader)? }),
            other => Err(reader.unexpected(other, "kind of the second tuple", "'N'")),
        }
    }
}

impl<'a> Delete<'a> {
    pub(crate) fn decode_body(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let relation_id = reader.u32("oid of the relation")?;
        let old = match reader.u8("kind of the tuple")? {
            b'K' => OldRow::Key(Tuple::decode(reader)?),
            b'O' => OldRow::Full(Tuple::decode(reader)?),
            other => return Err(reader.unexpected(other, "kind of the tuple", "'K' or 'O'")),
        };
        Ok(Delete { relation_id, old })
    }
}
