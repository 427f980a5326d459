//! A row in every format, and its columns as a reader finds them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use waltap_event::debezium::Options;
use waltap_event::{
    BaseType, Column, DataType, Encoder, ExtensionType, Format, Kind, Stamp, Table, TableShape, TypeCatalog, TypeDescription,
    flat, native,
};
use waltap_pgoutput::{Lsn, PgTime, Value};

use crate::records::Records;
use crate::{debezium, plain};

pub(crate) const STAMP: Stamp = Stamp {
    txid: Some(742),
    lsn: Lsn(24_023_128),
    commit_lsn: Lsn(24_023_200),
    ordinal: Some(3),
    happened_at: PgTime(785_495_200_120_123),
    written_at: PgTime(785_495_200_123_999),
};

/// Debezium's properties by their short names.
pub(crate) type Modes = &'static [(&'static str, &'static str)];

/// Every value of every handling mode is in one of these.
pub(crate) const MODES: [Modes; 6] = [
    &[],
    &[
        ("decimal", "string"),
        ("time", "isostring"),
        ("binary", "hex"),
        ("interval", "string"),
        ("hstore", "map"),
        ("unknown", "true"),
    ],
    &[("decimal", "double"), ("time", "nanoseconds"), ("binary", "base64-url-safe"), ("unknown", "true")],
    &[("time", "connect"), ("binary", "base64")],
    &[("time", "microseconds")],
    &[("time", "adaptive_time_microseconds")],
];

/// A format with its choices.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Native,
    Flat,
    Debezium(Modes),
}

impl Form {
    /// Every format, `debezium` with the first so many of [`MODES`].
    pub(crate) fn with(modes: usize) -> impl Iterator<Item = Form> {
        [Form::Native, Form::Flat].into_iter().chain(MODES.into_iter().take(modes).map(Form::Debezium))
    }

    pub(crate) fn format(self, tombstones: bool) -> Format {
        match self {
            Form::Native => Format::Native(native::Options { tombstones }),
            Form::Flat => Format::Flat(flat::Options { tombstones }),
            Form::Debezium(modes) => {
                let mut options = Options { tombstones, ..Options::default() };
                for (name, value) in modes {
                    options.set(name, value).unwrap();
                }
                Format::Debezium(Box::new(options))
            }
        }
    }

    /// Checks one value's JSON; none where the row has no such column.
    pub(crate) fn check(self, column: &Column, text: &str, json: Option<&str>) {
        match self {
            Form::Native | Form::Flat => plain::check(&column.kind, text, json.expect("every column is there")),
            Form::Debezium(modes) => debezium::check(&column.data_type, modes, text, json),
        }
    }
}

// Types of users and extensions, with oids beyond PostgreSQL's own.
pub(crate) const HSTORE: u32 = 20_000;
pub(crate) const HSTORE_ARRAY: u32 = 20_001;
pub(crate) const MOOD: u32 = 20_002;
pub(crate) const NUMBERS: u32 = 20_003;
pub(crate) const NUMBERS_ARRAY: u32 = 20_004;
pub(crate) const COMPOSITE: u32 = 20_005;
pub(crate) const FLOAT_RANGE: u32 = 20_006;

/// What a session would have told of them.
pub(crate) fn catalog() -> TypeCatalog {
    let plain =
        TypeDescription { oid: 0, name: "", typtype: 'b', element: 0, base: 0, modifier: -1, delimiter: ',', category: 'U' };
    let mut catalog = TypeCatalog::new();
    for description in [
        TypeDescription { oid: HSTORE, name: "hstore", ..plain },
        TypeDescription { oid: HSTORE_ARRAY, element: HSTORE, category: 'A', ..plain },
        TypeDescription { oid: MOOD, typtype: 'e', ..plain },
        // A domain over integer[], and an array of it.
        TypeDescription { oid: NUMBERS, typtype: 'd', base: 1007, category: 'A', ..plain },
        TypeDescription { oid: NUMBERS_ARRAY, element: NUMBERS, category: 'A', ..plain },
        TypeDescription { oid: COMPOSITE, typtype: 'c', ..plain },
        TypeDescription { oid: FLOAT_RANGE, typtype: 'r', ..plain },
    ] {
        catalog.insert(description);
    }
    catalog
}

/// The columns of a family's table, one of each type: `c0`, `c1` and so on.
pub(crate) fn columns(types: &[(u32, i32)]) -> Vec<Column> {
    let catalog = catalog();
    let column = |(number, (oid, modifier)): (usize, &(u32, i32))| Column {
        data_type: catalog.data_type(*oid, *modifier),
        ..Column::new(format!("c{number}"), catalog.kind(*oid))
    };
    types.iter().enumerate().map(column).collect()
}

pub(crate) fn shape(columns: Vec<Column>, key: Vec<String>) -> TableShape {
    TableShape { database: "shop".into(), schema: "public".into(), table: "orders".into(), columns, key, key_tells_table: false }
}

/// The table of a family, made ready for every format.
pub(crate) struct Formats {
    columns: Vec<Column>,
    subjects: Vec<(Form, Table, Encoder)>,
}

impl Formats {
    /// `id`, which is the key, and a column of each type with its modifier.
    ///
    /// So many of [`MODES`] make a difference to them.
    pub(crate) fn of(types: &[(u32, i32)], modes: usize) -> Self {
        let columns = columns(types);
        let id = Column { identity: true, data_type: DataType::of(BaseType::BuiltIn(23)), ..Column::new("id", Kind::Integer) };
        let shape = shape([vec![id], columns.clone()].concat(), vec!["id".into()]);
        let subject = |form: Form| {
            let format = form.format(false);
            (form, Table::new(&shape, &format).unwrap(), Encoder::new("shop", &format))
        };
        Formats { columns, subjects: Form::with(modes).map(subject).collect() }
    }

    /// Writes a row that has this text in every column, and checks the record in every format.
    pub(crate) fn check(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).ok();
        for (form, table, encoder) in &mut self.subjects {
            let mut records = Records::default();
            let row = std::iter::once(&b"7"[..]).chain(self.columns.iter().map(|_| bytes)).map(Value::Text);
            match encoder.snapshot_row(table, &STAMP, row, &mut records) {
                Ok(()) => {}
                Err(error) => panic!("{form:?}: {error:?}"),
            }
            let [record] = records.0.as_slice() else { panic!("{form:?}: {records:?}") };
            assert_eq!(record.key.as_deref(), Some("{\"id\":7}"));
            let value = record.value.as_deref().expect("a row has a value");
            let row = fields(*form, value, "after").expect("a row is after");
            for column in &self.columns {
                let json = row.get(column.name.as_str()).map(|json| json.get());
                match text {
                    Some(text) => form.check(column, text, json),
                    // Other types may read some of the bytes, as "char" does.
                    None if column.kind == Kind::Text && !matches!(form, Form::Debezium(_)) => {
                        assert_eq!(json, Some(&*hexadecimal(bytes)))
                    }
                    None => {}
                }
            }
        }
    }
}

/// What stands for bytes that are no text.
fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"\\\\x{digits}\"")
}

/// An object's fields, each as it stands there.
pub(crate) type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    before: Option<&'a RawValue>,
    #[serde(borrow, default)]
    after: Option<&'a RawValue>,
}

/// The columns of the row `before` or `after`; none where it is null. In `flat` they stand at the top level beside its own fields.
pub(crate) fn fields<'a>(form: Form, value: &'a str, side: &str) -> Option<Fields<'a>> {
    let row = match form {
        Form::Flat => value,
        Form::Native | Form::Debezium(_) => {
            let envelope: Envelope<'a> = serde_json::from_str(value).unwrap();
            if side == "before" { envelope.before } else { envelope.after }?.get()
        }
    };
    serde_json::from_str(row).unwrap()
}

/// Whether the type is hstore.
pub(crate) fn is_hstore(base: &BaseType) -> bool {
    *base == BaseType::Extension(ExtensionType::Hstore)
}
