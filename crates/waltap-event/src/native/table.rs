//! A table made ready for the encoder.

use crate::json::string;
use crate::{Error, Kind, TableShape};

/// A table of which every byte that does not change from row to row is written already.
///
/// It is made anew when the shape of the table changes, and can be shared between tasks.
#[derive(Clone, Debug)]
pub struct Table {
    /// From `"source":{` up to the value of `txid`.
    pub(super) source: Box<[u8]>,
    pub(super) columns: Box<[Column]>,
    pub(super) key: Box<[KeyColumn]>,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: Box<str>,
    /// `"name":`.
    pub(super) field: Box<[u8]>,
    pub(super) kind: Kind,
    pub(super) identity: bool,
    /// Its place in the key.
    pub(super) key_place: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct KeyColumn {
    pub(super) name: Box<str>,
    /// `{"name":` for the first, `,"name":` for the others.
    pub(super) field: Box<[u8]>,
}

impl Table {
    /// Makes a table ready. The error is a key column that the table does not have.
    pub fn new(shape: &TableShape) -> Result<Self, Error> {
        let mut columns: Box<[Column]> = shape
            .columns
            .iter()
            .map(|column| Column {
                name: column.name.as_str().into(),
                field: field(b"", &column.name),
                kind: column.kind.clone(),
                identity: column.identity,
                key_place: None,
            })
            .collect();
        let mut key = Vec::with_capacity(shape.key.len());
        for name in &shape.key {
            let Some(column) = columns.iter_mut().find(|column| *column.name == **name) else {
                return Err(Error::UnknownKeyColumn { column: name.clone() });
            };
            // A column named twice is in the key once.
            if column.key_place.is_none() {
                column.key_place = Some(key.len());
                let mark: &[u8] = if key.is_empty() { b"{" } else { b"," };
                key.push(KeyColumn { name: name.as_str().into(), field: field(mark, name) });
            }
        }
        let source = source(&shape.database, Some((&shape.schema, &shape.table)));
        Ok(Table { source, columns, key: key.into() })
    }
}

fn field(mark: &[u8], name: &str) -> Box<[u8]> {
    let mut field = mark.to_vec();
    string::write(name.as_bytes(), &mut field);
    field.push(b':');
    field.into()
}

/// The part of `source` that does not change, with null for the table where there is none.
pub(super) fn source(database: &str, table: Option<(&str, &str)>) -> Box<[u8]> {
    let mut source = b"\"source\":{\"db\":".to_vec();
    string::write(database.as_bytes(), &mut source);
    match table {
        Some((schema, table)) => {
            source.extend_from_slice(b",\"schema\":");
            string::write(schema.as_bytes(), &mut source);
            source.extend_from_slice(b",\"table\":");
            string::write(table.as_bytes(), &mut source);
        }
        None => source.extend_from_slice(b",\"schema\":null,\"table\":null"),
    }
    source.extend_from_slice(b",\"txid\":");
    source.into()
}
