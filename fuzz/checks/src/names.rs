//! Any text as the name of a database, a schema, a table and its columns, and any bytes as what a client wrote into the log.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use waltap_event::{BaseType, Column, DataType, Encoder, Kind, Table, TableShape};
use waltap_pgoutput::{LogicalMessage, Lsn, Value};

use crate::records::Records;
use crate::row::{Form, STAMP, fields};

pub(crate) fn check(input: &[u8]) {
    let text = std::str::from_utf8(input).ok();
    for form in Form::with(1) {
        check_message(form, text.unwrap_or("prefix"), input);
        if let Some(text) = text {
            check_table(form, text);
        }
    }
}

fn check_message(form: Form, prefix: &str, content: &[u8]) {
    let mut records = Records::default();
    let message = LogicalMessage { transactional: true, lsn: Lsn(1), prefix, content };
    Encoder::new("shop", &form.format(false)).message(&STAMP, &message, &mut records).unwrap();
    let [record] = records.0.as_slice() else { panic!("{records:?}") };
    let key: Json = serde_json::from_str(record.key.as_deref().expect("messages have keys")).unwrap();
    assert_eq!(key["prefix"], prefix);
    let value: Json = serde_json::from_str(record.value.as_deref().expect("and values")).unwrap();
    let message = if matches!(form, Form::Flat) { &value } else { &value["message"] };
    assert_eq!(message["prefix"], prefix);
    if let (Form::Native | Form::Flat, Ok(content)) = (form, std::str::from_utf8(content)) {
        assert_eq!(message["content"], content);
    }
}

fn check_table(form: Form, name: &str) {
    let format = form.format(false);
    let integer = DataType::of(BaseType::BuiltIn(23));
    // In `flat` a column makes room for our own fields, and must not meet its neighbour.
    let names = [name.to_owned(), format!("_{name}"), format!("{name}.")];
    let column =
        |name: &String| Column { identity: true, data_type: integer.clone(), ..Column::new(name.as_str(), Kind::Integer) };
    let shape = TableShape {
        database: name.into(),
        schema: name.into(),
        table: name.into(),
        columns: names.iter().map(column).collect(),
        key: names.to_vec(),
        key_tells_table: false,
    };
    let table = Table::new(&shape, &format).unwrap();
    let mut records = Records::default();
    let row = [Value::Text(b"1"), Value::Text(b"2"), Value::Text(b"3")];
    Encoder::new(name, &format).snapshot_row(&table, &STAMP, row.into_iter(), &mut records).unwrap();
    let [record] = records.0.as_slice() else { panic!("{records:?}") };
    let value = record.value.as_deref().expect("a row has a value");
    let row = fields(form, value, "after").expect("a row is after");
    let key: Json = serde_json::from_str(record.key.as_deref().expect("and a key")).unwrap();
    for (number, name) in names.iter().enumerate() {
        assert_eq!(key[name].to_string(), (number + 1).to_string());
        if !matches!(form, Form::Flat) {
            assert_eq!(row[name.as_str()].get(), (number + 1).to_string());
        }
    }
    let parsed: Json = serde_json::from_str(value).unwrap();
    match form {
        Form::Flat => {
            assert_eq!((&parsed["_db"], &parsed["_schema"], &parsed["_table"]), (&name.into(), &name.into(), &name.into()));
            let numbers: BTreeSet<&str> = row.values().map(|value| value.get()).filter(|value| value.len() == 1).collect();
            assert!(["1", "2", "3"].iter().all(|number| numbers.contains(number)), "{value}");
        }
        _ => assert_eq!(
            (&parsed["source"]["db"], &parsed["source"]["schema"], &parsed["source"]["table"]),
            (&name.into(), &name.into(), &name.into())
        ),
    }
}
