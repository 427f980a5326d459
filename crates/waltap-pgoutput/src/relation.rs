//! The shapes of tables, and the names of types.

use crate::Error;
use crate::reader::Reader;

/// The schema that the wire writes as an empty name.
pub(crate) const CATALOG_SCHEMA: &str = "pg_catalog";

/// The flag of a column that is part of the replica identity.
pub(crate) const COLUMN_IS_KEY: u8 = 1;

/// The shape of a table as it was when the changes after this message were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The table's oid, by which the changes name it.
    pub id: u32,
    /// Its schema.
    pub schema: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What identifies a row that was updated or deleted.
    pub replica_identity: ReplicaIdentity,
    /// Its columns, in the order of a tuple's values. Generated columns and those the publication leaves out are not among them.
    pub columns: Columns<'a>,
}

/// A table's `REPLICA IDENTITY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// `d`: the primary key, if there is one.
    Default,
    /// `n`: nothing.
    Nothing,
    /// `f`: the whole row. Every column is then flagged as part of the key.
    Full,
    /// `i`: the columns of a unique index.
    Index,
}

/// The columns of a [`Relation`], read from the frame as they are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns<'a> {
    count: u16,
    bytes: &'a [u8],
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    /// Whether it is part of the replica identity.
    pub is_key: bool,
    /// Its name.
    pub name: &'a str,
    /// The oid of its type.
    pub type_id: u32,
    /// The type's modifier (`pg_attribute.atttypmod`), such as a numeric's precision and scale; -1 for none.
    pub type_modifier: i32,
}

/// A type that is not built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type<'a> {
    /// Its oid, which [`Column::type_id`] names.
    pub id: u32,
    /// Its schema; for a domain the schema of the type beneath.
    pub schema: &'a str,
    /// Its name; for a domain the name of the type beneath, though `id` is the domain's own.
    pub name: &'a str,
}

impl ReplicaIdentity {
    /// The letter that stands for it on the wire and in `pg_class.relreplident`.
    pub fn to_byte(self) -> u8 {
        match self {
            ReplicaIdentity::Default => b'd',
            ReplicaIdentity::Nothing => b'n',
            ReplicaIdentity::Full => b'f',
            ReplicaIdentity::Index => b'i',
        }
    }

    /// The one that this letter stands for.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [ReplicaIdentity::Default, ReplicaIdentity::Nothing, ReplicaIdentity::Full, ReplicaIdentity::Index]
            .into_iter()
            .find(|identity| identity.to_byte() == byte)
    }
}

impl<'a> Relation<'a> {
    pub(crate) fn decode_body(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let id = reader.u32("oid of the relation")?;
        let schema = schema(reader, "schema of the relation")?;
        let name = reader.string("name of the relation")?;
        let identity = reader.u8("replica identity")?;
        let replica_identity = ReplicaIdentity::from_byte(identity)
            .ok_or_else(|| reader.unexpected(identity, "replica identity", "'d', 'n', 'f' or 'i'"))?;
        Ok(Relation { id, schema, name, replica_identity, columns: Columns::decode(reader)? })
    }
}

impl<'a> Type<'a> {
    pub(crate) fn decode_body(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Type {
            id: reader.u32("oid of the type")?,
            schema: schema(reader, "schema of the type")?,
            name: reader.string("name of the type")?,
        })
    }
}

fn schema<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a str, Error> {
    let name = reader.string(field)?;
    Ok(if name.is_empty() { CATALOG_SCHEMA } else { name })
}

impl<'a> Columns<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.u16("column count")?;
        let start = reader.offset();
        for _ in 0..count {
            Column::decode(reader)?;
        }
        Ok(Columns { count, bytes: reader.read_since(start) })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there are none: a table may have no columns.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The columns in order.
    pub fn iter(&self) -> ColumnIter<'a> {
        ColumnIter { remaining: self.count, bytes: self.bytes }
    }
}

impl<'a> IntoIterator for Columns<'a> {
    type Item = Column<'a>;
    type IntoIter = ColumnIter<'a>;

    fn into_iter(self) -> ColumnIter<'a> {
        self.iter()
    }
}

impl<'a> Column<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let is_key = match reader.u8("column flags")? {
            0 => false,
            COLUMN_IS_KEY => true,
            other => return Err(reader.unexpected(other, "column flags", "0 or 1")),
        };
        Ok(Column {
            is_key,
            name: reader.string("name of the column")?,
            type_id: reader.u32("oid of the column's type")?,
            type_modifier: reader.i32("modifier of the column's type")?,
        })
    }
}

/// Walks [`Columns`].
#[derive(Clone, Debug)]
pub struct ColumnIter<'a> {
    remaining: u16,
    bytes: &'a [u8],
}

impl<'a> Iterator for ColumnIter<'a> {
    type Item = Column<'a>;

    fn next(&mut self) -> Option<Column<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        // The bytes were decoded once already, so this cannot fail. Relations are rare: to read them twice costs nothing that counts.
        let mut reader = Reader::new(self.bytes);
        let column = Column::decode(&mut reader).ok()?;
        self.bytes = reader.rest();
        Some(column)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = usize::from(self.remaining);
        (remaining, Some(remaining))
    }
}

impl ExactSizeIterator for ColumnIter<'_> {}
