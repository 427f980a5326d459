//! What is known of a table when its rows are written.

use crate::Kind;

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
}
