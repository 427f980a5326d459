//! What is known of a table when its rows are written.

use std::borrow::Cow;

use crate::{BaseType, DataType, Kind, Mask, Treatment, own_names};

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

impl TableShape {
    /// The fields with which the key begins, and their values.
    pub(crate) fn own_key_fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = [("_db", &*self.database), ("_schema", &*self.schema), ("_table", &*self.table)];
        fields.into_iter().filter(|_| self.key_tells_table)
    }

    /// The name that a column has in the key.
    pub(crate) fn key_field<'n>(&self, column: &'n str) -> Cow<'n, str> {
        if self.key_tells_table { own_names::avoided(column) } else { column.into() }
    }
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
    /// What else its declaration says.
    pub declared: Declared,
}

/// What a column's declaration says beside its type: for schemas, and for what stands in the place of nulls. Known to be wanted by the
/// format `debezium` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Its default, as `pg_get_expr` prints it. None: it has none, or its type is a domain.
    pub default: Option<String>,
    /// The labels of its enum, or of the enum of its elements, in their order.
    pub labels: Vec<String>,
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
            declared: Declared::default(),
        }
    }

    /// The column with a mask over its values, which makes it one of text.
    #[must_use]
    pub fn masked(self, mask: Mask) -> Self {
        let data_type = DataType::of(BaseType::BuiltIn(TEXT_OID));
        Column { declared: Declared::default(), kind: Kind::Text, data_type, treatment: Treatment::Mask(mask), ..self }
    }
}
