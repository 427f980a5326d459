//! Changes of rows as they come over the wire: which records they become, and of what values.

use waltap_event::{BaseType, Column, DataType, Encoder, Error, Failure, Table};
use waltap_pgoutput::{Message, OldRow, Tuple, Value};

use crate::records::{Record, Records};
use crate::row::{COMPOSITE, Form, HSTORE, HSTORE_ARRAY, MOOD, NUMBERS, STAMP, columns, fields, shape};

/// What the columns of a row are, in turn. The frames of the corpus that a server made from a table of these types begin here.
const TYPES: [(u32, i32); 22] = [
    (23, -1),
    (25, -1),
    (1700, -1),
    (1184, -1),
    (3802, -1),
    (1009, -1),
    (17, -1),
    (16, -1),
    (701, -1),
    (1114, -1),
    (1082, -1),
    (1266, -1),
    (1186, -1),
    (790, -1),
    (HSTORE, -1),
    (1007, -1),
    (3910, -1),
    (MOOD, -1),
    (COMPOSITE, -1),
    (18, -1),
    (HSTORE_ARRAY, -1),
    (NUMBERS, -1),
];

/// Wider rows are no different, only slower.
const COLUMNS_MAX: usize = 40;

/// A change, and what of its table the number of the relation chooses: its types, its key and its identity.
struct Change<'a> {
    old: Option<OldRow<'a>>,
    new: Option<Tuple<'a>>,
    choice: u32,
    columns: Vec<Column>,
    /// The numbers of the key's columns.
    key: Vec<usize>,
}

pub(crate) fn check(frame: &[u8]) {
    let (relation_id, old, new) = match Message::decode(frame) {
        Ok(Message::Insert(insert)) => (insert.relation_id, None, Some(insert.new)),
        Ok(Message::Update(update)) => (update.relation_id, update.old, Some(update.new)),
        Ok(Message::Delete(delete)) => (delete.relation_id, Some(delete.old), None),
        _ => return,
    };
    let width = new.or(old.map(|old| old.tuple())).map_or(0, |tuple| tuple.len());
    if width > COLUMNS_MAX {
        return;
    }
    let types: Vec<_> = TYPES.iter().copied().cycle().skip(relation_id as usize % TYPES.len()).take(width).collect();
    // One bit a column; the first is in the key where no other is chosen.
    let choice = relation_id / TYPES.len() as u32;
    let chosen = |number: usize, offset: u32| choice >> ((number as u32 + offset) % 24) & 1 == 1;
    let full = matches!(old, Some(OldRow::Full(_)));
    let mut columns = columns(&types);
    for (number, column) in columns.iter_mut().enumerate() {
        column.identity = full || number == 0 || chosen(number, 8);
        column.not_null = chosen(number, 16);
    }
    let key = (0..width).filter(|number| *number == 0 && choice & 1 == 0 || *number > 0 && chosen(*number, 0)).collect();
    let change = Change { old, new, choice, columns, key };
    for form in Form::with(3) {
        change.check_in(form);
    }
}

impl<'a> Change<'a> {
    fn check_in(&self, form: Form) {
        let tombstones = self.choice & 2 == 2;
        let format = form.format(tombstones);
        let key = self.key.iter().map(|number| self.columns[*number].name.clone()).collect();
        let table = Table::new(&shape(self.columns.clone(), key), &format).unwrap();
        let mut encoder = Encoder::new("shop", &format);
        let mut records = Records::default();
        let result = match (self.old, self.new) {
            (None, Some(new)) if self.choice & 4 == 0 => encoder.insert(&table, &STAMP, new, &mut records),
            (old, Some(new)) => encoder.update(&table, &STAMP, old, new, &mut records),
            (Some(old), None) => encoder.delete(&table, &STAMP, old, &mut records),
            (None, None) => return,
        };
        if let Err(failure) = result {
            assert!(records.0.is_empty(), "an event that failed left a record behind");
            return self.check_failure(failure);
        }
        let (tombs, records): (Vec<Record>, Vec<Record>) = records.0.into_iter().partition(|record| record.value.is_none());
        assert!(tombs.iter().all(|record| record.key.is_some()));
        for record in &records {
            self.check_record(form, record);
        }
        let deletes = records.iter().filter(|record| operation(form, record) == "d").count();
        let keyed = records.iter().any(|record| record.key.is_some());
        assert_eq!(tombs.len(), if tombstones && keyed { deletes } else { 0 });
        assert_eq!(records.len(), 1 + usize::from(self.new.is_some()) * deletes);
    }

    fn check_failure(&self, failure: Failure<std::convert::Infallible>) {
        let width = self.columns.len();
        let tuples = || self.old.map(|old| old.tuple()).into_iter().chain(self.new);
        match failure {
            Failure::Event(Error::ColumnCount { expected, found }) => {
                assert_eq!(expected, width);
                assert!(tuples().any(|tuple| tuple.len() == found) && found != expected);
            }
            Failure::Event(Error::KeyNotSent { column }) => {
                let number = self.number(&column);
                assert!(self.key.contains(&number));
                let sent = |value| matches!(value, Some(Value::Text(_) | Value::Binary(_) | Value::Null));
                let outside = self.old.is_some() && !self.columns[number].identity;
                let unchanged = tuples().any(|tuple| !sent(tuple.iter().nth(number)));
                assert!(outside || unchanged, "{column} was sent");
            }
            other => panic!("{other:?}"),
        }
    }

    fn number(&self, name: &str) -> usize {
        self.columns.iter().position(|column| column.name == name).expect("the error names a column")
    }

    fn check_record(&self, form: Form, record: &Record) {
        let value = record.value.as_deref().expect("it is no tombstone");
        let deleted = operation(form, record) == "d";
        let row = fields(form, value, if deleted { "before" } else { "after" }).expect("there is a row");
        let unchanged = unchanged(form, value);
        for (number, column) in self.columns.iter().enumerate() {
            let json = row.get(column.name.as_str()).map(|json| json.get());
            match self.value(number, deleted) {
                Some(Value::Null) if form_has(form, column) => assert_eq!(json, Some("null"), "{}", column.name),
                Some(Value::Text(text)) => {
                    // Only one byte of the type "char", and what is left out, needs not be UTF-8.
                    let Ok(text) = std::str::from_utf8(text) else { continue };
                    form.check(column, text, json);
                }
                Some(Value::Unchanged) if !matches!(form, Form::Debezium(_)) => {
                    assert!(json.is_none() && unchanged.contains(&column.name), "{} is unchanged: {value}", column.name);
                }
                None if !matches!(form, Form::Debezium(_)) => assert_eq!(json, None, "{} is not told", column.name),
                _ => {}
            }
        }
        self.check_key(form, record, &row);
    }

    /// What the row is known to hold; none where a deleted row does not tell.
    fn value(&self, number: usize, deleted: bool) -> Option<Value<'a>> {
        let old = self.old.and_then(|old| {
            let told = matches!(old, OldRow::Full(_)) || self.columns[number].identity;
            told.then(|| old.tuple().iter().nth(number)).flatten()
        });
        match (deleted, self.new) {
            (false, Some(new)) => match new.iter().nth(number) {
                Some(Value::Unchanged) => old.or(Some(Value::Unchanged)),
                value => value,
            },
            _ => old,
        }
    }

    /// The key has its columns in order, with the values of the row.
    fn check_key(&self, form: Form, record: &Record, row: &crate::row::Fields<'_>) {
        let columns: Vec<&Column> =
            self.key.iter().map(|number| &self.columns[*number]).filter(|column| form_has(form, column)).collect();
        let expected = columns.iter().map(|column| format!("\"{}\":{}", column.name, row[column.name.as_str()].get()));
        let expected = (!columns.is_empty()).then(|| format!("{{{}}}", expected.collect::<Vec<_>>().join(",")));
        assert_eq!(record.key, expected);
    }
}

/// Whether the format has columns of this type.
fn form_has(form: Form, column: &Column) -> bool {
    match form {
        Form::Native | Form::Flat => true,
        Form::Debezium(modes) => modes.contains(&("unknown", "true")) || column.data_type != DataType::of(BaseType::Other),
    }
}

fn operation(form: Form, record: &Record) -> String {
    let value: serde_json::Value = serde_json::from_str(record.value.as_deref().unwrap_or("null")).unwrap();
    let name = if matches!(form, Form::Flat) { "_op" } else { "op" };
    value[name].as_str().unwrap_or_default().to_owned()
}

fn unchanged(form: Form, value: &str) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(value).unwrap();
    let name = if matches!(form, Form::Flat) { "_unchanged" } else { "unchanged" };
    value[name].as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}
