//! A table made ready for an encoder.

use crate::append::Piece;
use crate::{Error, TableShape, Treatment};

/// A table of which every byte that does not change from row to row is written already. `How` is what a format must know to write a
/// column's values.
///
/// It is made anew when the shape of the table changes, and can be shared between tasks.
#[derive(Clone, Debug)]
pub(crate) struct Prepared<How> {
    /// What stands in every event of the table: where, and between what, the format knows.
    pub(crate) head: Box<[u8]>,
    pub(crate) name: TableName,
    /// What stands before the payload of every value: a schema, in a format that has them.
    pub(crate) value_start: Box<[u8]>,
    /// What ends a key.
    pub(crate) key_end: &'static [u8],
    pub(crate) columns: Box<[Column<How>]>,
    pub(crate) key: Box<[KeyColumn]>,
    /// How many columns there are up to the last one of the key.
    key_columns: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Column<How> {
    pub(crate) name: Box<str>,
    /// `,"name":`, as it stands in the row.
    pub(crate) field: Piece,
    pub(crate) how: How,
    pub(crate) identity: bool,
    pub(crate) treatment: Treatment,
    /// Its place in the key.
    pub(crate) key_place: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct KeyColumn {
    pub(crate) name: Box<str>,
    /// `{"name":` for the first, with what the key begins with before it, `,"name":` for the others.
    pub(crate) field: Piece,
}

/// What a table is called in its database.
#[derive(Clone, Debug)]
pub(crate) struct TableName {
    pub(crate) schema: Box<str>,
    pub(crate) table: Box<str>,
    /// `schema.table`, as it stands.
    pub(crate) dotted: Box<str>,
}

impl TableName {
    fn new(schema: &str, table: &str) -> Self {
        TableName { schema: schema.into(), table: table.into(), dotted: format!("{schema}.{table}").into() }
    }
}

impl<How> Prepared<How> {
    /// Makes a table ready. `prepare` gives the name that a column has in rows, and how its values are written; none where the format has
    /// no values of it, which are then not in the key either. `write_name` writes a name as a string in quotes. The error is a key column
    /// that the table does not have.
    pub(crate) fn new<'s>(
        shape: &'s TableShape,
        head: Box<[u8]>,
        prepare: impl Fn(&'s crate::Column) -> (std::borrow::Cow<'s, str>, How),
        is_written: impl Fn(&How) -> bool,
        write_name: impl Fn(&[u8], &mut Vec<u8>),
    ) -> Result<Self, Error> {
        let write_field = |name: &str, field: &mut Vec<u8>| {
            write_name(name.as_bytes(), field);
            field.push(b':');
        };
        let field = |mark: &[u8], name: &str| {
            let mut field = mark.to_vec();
            write_field(name, &mut field);
            Piece::new(&field)
        };
        let mut key_start = vec![b'{'];
        for (name, value) in shape.own_key_fields() {
            write_field(name, &mut key_start);
            write_name(value.as_bytes(), &mut key_start);
            key_start.push(b',');
        }
        let mut columns: Box<[Column<How>]> = shape
            .columns
            .iter()
            .map(|column| {
                let (row_name, how) = prepare(column);
                Column {
                    name: column.name.as_str().into(),
                    field: field(b",", &row_name),
                    how,
                    identity: column.identity,
                    treatment: column.treatment.clone(),
                    key_place: None,
                }
            })
            .collect();
        let mut key = Vec::with_capacity(shape.key.len());
        for name in &shape.key {
            let Some(column) = columns.iter_mut().find(|column| *column.name == **name) else {
                return Err(Error::UnknownKeyColumn { column: name.clone() });
            };
            // A column named twice is in the key once.
            if column.key_place.is_none() && column.treatment != Treatment::Omit && is_written(&column.how) {
                column.key_place = Some(key.len());
                let mark: &[u8] = if key.is_empty() { &key_start } else { b"," };
                key.push(KeyColumn { name: name.as_str().into(), field: field(mark, &shape.key_field(name)) });
            }
        }
        let name = TableName::new(&shape.schema, &shape.table);
        let key_columns = columns.iter().rposition(|column| column.key_place.is_some()).map_or(0, |last| last + 1);
        Ok(Prepared { head, name, value_start: Box::default(), key_end: b"}", columns, key: key.into(), key_columns })
    }

    /// The columns up to the last one of the key.
    pub(crate) fn columns_with_key(&self) -> &[Column<How>] {
        self.columns.get(..self.key_columns).unwrap_or_default()
    }

    /// Has every record begin with a schema, which the end of the record closes.
    pub(crate) fn with_schemas(mut self, key_start: &[u8], value_start: Box<[u8]>) -> Self {
        if let Some(first) = self.key.first_mut() {
            first.field = Piece::new(&[key_start, first.field.text()].concat());
        }
        Prepared { value_start, key_end: b"}}", ..self }
    }
}
