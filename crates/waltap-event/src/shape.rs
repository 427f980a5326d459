//! What is known of a table when its rows are written.

use crate::{BaseType, DataType, Kind, Mask, Treatment};

/// The oid of the type text (`pg_type.dat`).
const TEXT_OID: u32 = 25;

/// A table as its rows arrive: the columns are those of the Relation message, or of the COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// The database's name.
    pub database: String,
    /// The schema's name.
    pub schema: String,
    /// The table's name.
    pub table: String,
    /// The columns, in the order of the rows' values.
    pub columns: Vec<Column>,
    /// The columns of the record's key by name, in the key's order. None: records have no key.
    pub key: Vec<String>,
    /// Whether the key begins with `_db`, `_schema` and `_table`, for a topic that tables share: two rows of two tables are not one to
    /// Kafka's compaction then. A column of such a name gets one more underscore in the key.
    pub key_tells_table: bool,
}

/// A column of a [`TableShape`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How its text is read.
    pub kind: Kind,
    /// Whether it is part of the replica identity: the "key" flag of the Relation message. Under `REPLICA IDENTITY FULL` all are.
    pub identity: bool,
    /// What its type is.
    pub data_type: DataType,
    /// Whether it is declared NOT NULL.
    pub not_null: bool,
    /// What becomes of its values.
    pub treatment: Treatment,
}

impl Column {
    /// A column that may be null and is not part of the identity, of which no more is known than how its text is read.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Column {
            name: name.into(),
            kind,
            identity: false,
            data_type: DataType::default(),
            not_null: false,
            treatment: Treatment::Keep,
        }
    }

    /// The column with a mask over its values, which makes it one of text.
    #[must_use]
    pub fn masked(self, mask: Mask) -> Self {
        let data_type = DataType::of(BaseType::BuiltIn(TEXT_OID));
        Column { kind: Kind::Text, data_type, treatment: Treatment::Mask(mask), ..self }
    }
}
