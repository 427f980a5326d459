//! No text breaks a record.

use proptest::prelude::*;
use serde_json::Value as Json;
use waltap_event::native::{Options, write_value};
use waltap_event::{Column, Encoder, Format, Kind, Stamp, Table, TableShape};
use waltap_pgoutput::{Lsn, OldRow, PgTime, Value, encode};

use crate::records::{Record, Records};

fn scalar_kinds() -> Vec<Kind> {
    vec![
        Kind::Text,
        Kind::Boolean,
        Kind::Integer,
        Kind::Float,
        Kind::Money,
        Kind::Date,
        Kind::TimeTz,
        Kind::Timestamp,
        Kind::TimestampTz,
        Kind::Json,
        Kind::Bytea,
        Kind::Char,
        Kind::Hstore,
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    let scalar = prop::sample::select(scalar_kinds());
    scalar.prop_recursive(3, 4, 1, |element| {
        (element, prop::sample::select(vec![b',', b';']))
            .prop_map(|(element, delimiter)| Kind::Array { element: Box::new(element), delimiter })
    })
}

/// Texts of any sort, with many that look like those of some type.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "[{}\\[\\]\",;:=\\\\ NULtf0-9a.>-]{0,30}",
        "-?[0-9]{1,20}(\\.[0-9]{0,3})?(e[+-]?[0-9]{1,2})?",
        "[0-9]{4,7}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?([+-][0-9]{2}(:[0-9]{2}(:[0-9]{2})?)?)?)?( BC)?",
        "-?\\$[0-9]{1,3}(,[0-9]{3}){0,3}\\.[0-9]{2}",
        "\\\\x([0-9a-f]{2}){0,12}",
        "(\"[a-z\\\\\"é]{0,4}\"=>(NULL|\"[a-z\\\\\"\n]{0,4}\"))(, \"[a-z]{0,4}\"=>\"[a-z]{0,4}\"){0,3}",
        "\\{([a-z0-9]{1,4}|NULL|\"[^\"\\\\]{0,5}\"|\\{1,2\\})(,([a-z0-9]{1,4}|NULL|\"[^\"\\\\]{0,5}\")){0,4}\\}",
    ]
}

fn json_of(kind: &Kind, text: &[u8]) -> String {
    let mut out = Vec::new();
    write_value(kind, Value::Text(text), &mut Vec::new(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// An array's text as PostgreSQL's array_out writes it, every element in quotes.
fn array_text(elements: &[Option<String>]) -> String {
    let element = |element: &Option<String>| match element {
        Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        None => "NULL".to_owned(),
    };
    format!("{{{}}}", elements.iter().map(element).collect::<Vec<_>>().join(","))
}

/// With quotes, which are escaped.
fn column_name(number: usize) -> String {
    format!("column \"{number}\"")
}

pub(crate) fn are_distinct<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    let (mut texts, mut seen) = (texts, std::collections::HashSet::new());
    texts.all(|text| seen.insert(text))
}

fn stamp() -> Stamp {
    Stamp { txid: Some(1), lsn: Lsn(1), commit_lsn: Lsn(2), ordinal: Some(0), happened_at: PgTime(0), written_at: PgTime(0) }
}

/// A table with a column of each kind, of which the one at this place is the key.
fn shape(kinds: &[Kind], key_place: usize) -> TableShape {
    let columns: Vec<Column> = kinds
        .iter()
        .enumerate()
        .map(|(number, kind)| Column { identity: number == key_place, ..Column::new(column_name(number), kind.clone()) })
        .collect();
    let key = columns.get(key_place).map(|column| column.name.clone()).into_iter().collect();
    TableShape { database: "d".into(), schema: "s".into(), table: "t".into(), columns, key, key_tells_table: false }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_of_any_kind_is_one_line_of_json(kind in kind(), text in text()) {
        let json = json_of(&kind, text.as_bytes());
        let parsed = serde_json::from_str::<Json>(&json);
        prop_assert!(parsed.is_ok(), "{:?} {:?}: {}", kind, text, json);
        prop_assert!(!json.contains(['\n', '\r']));
    }

    #[test]
    fn any_bytes_are_json_or_an_error(kind in kind(), bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        let mut out = Vec::new();
        match write_value(&kind, Value::Text(&bytes), &mut Vec::new(), &mut out) {
            Ok(()) => prop_assert!(serde_json::from_slice::<Json>(&out).is_ok()),
            Err(_) => prop_assert!(out.is_empty() && std::str::from_utf8(&bytes).is_err()),
        }
    }

    #[test]
    fn text_is_kept(text in ".*") {
        prop_assert_eq!(serde_json::from_str::<String>(&json_of(&Kind::Text, text.as_bytes())).unwrap(), text);
    }

    #[test]
    fn elements_of_arrays_are_kept(elements in prop::collection::vec(prop::option::of(".*"), 0..6)) {
        let kind = Kind::Array { element: Box::new(Kind::Text), delimiter: b',' };
        let json = json_of(&kind, array_text(&elements).as_bytes());
        prop_assert_eq!(serde_json::from_str::<Vec<Option<String>>>(&json).unwrap(), elements);
    }

    #[test]
    fn arrays_of_arrays_are_kept(rows in prop::collection::vec(prop::collection::vec(prop::option::of(".*"), 1..4), 1..4)) {
        // As a domain over an array makes them: the inner arrays are quoted elements, their quotes and backslashes escaped once more.
        let inner = Kind::Array { element: Box::new(Kind::Text), delimiter: b',' };
        let outer = Kind::Array { element: Box::new(inner), delimiter: b',' };
        let texts: Vec<_> = rows.iter().map(|row| Some(array_text(row))).collect();
        let json = json_of(&outer, array_text(&texts).as_bytes());
        prop_assert_eq!(serde_json::from_str::<Vec<Vec<Option<String>>>>(&json).unwrap(), rows);
    }

    #[test]
    fn an_element_is_written_as_the_value_alone(kind in prop::sample::select(scalar_kinds()), text in text()) {
        let array = Kind::Array { element: Box::new(kind.clone()), delimiter: b',' };
        let json = json_of(&array, array_text(&[Some(text.clone())]).as_bytes());
        prop_assert_eq!(json, format!("[{}]", json_of(&kind, text.as_bytes())));
    }

    #[test]
    fn hstores_are_kept(pairs in prop::collection::btree_map(".*", prop::option::of(".*"), 0..5)) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let pair = |(key, value): (&String, &Option<String>)| {
            format!("{}=>{}", quoted(key), value.as_deref().map_or("NULL".to_owned(), quoted))
        };
        let text = pairs.iter().map(pair).collect::<Vec<_>>().join(", ");
        let json = json_of(&Kind::Hstore, text.as_bytes());
        prop_assert_eq!(serde_json::from_str::<std::collections::BTreeMap<String, Option<String>>>(&json).unwrap(), pairs);
    }
}

/// A column's kind, and its values before and after.
type Columns = Vec<(Kind, Option<String>, Option<Option<String>>)>;

proptest! {
    #[test]
    fn snapshot_and_stream_agree(columns in prop::collection::vec((kind(), prop::option::of(text())), 0..6)) {
        let (kinds, texts): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let table = Table::new(&shape(&kinds, 0), &Format::default()).unwrap();
        let values: Vec<_> = texts.iter().map(|text| text.as_ref().map_or(Value::Null, |text| Value::Text(text.as_bytes()))).collect();
        let (mut encoder, mut records) = (Encoder::new("d", &Format::default()), Records::default());
        let mut buffer = Vec::new();
        encoder.insert(&table, &stamp(), encode::tuple(&mut buffer, &values), &mut records).unwrap();
        encoder.snapshot_row(&table, &stamp(), values.iter().copied(), &mut records).unwrap();
        prop_assert_eq!(records.0[0].key(), records.0[1].key());
        prop_assert_eq!(records.0[0].tail_from("after"), records.0[1].tail_from("after"));
        prop_assert_eq!(records.0[0].json()["after"].as_object().unwrap().len(), values.len());
    }

    #[test]
    fn any_change_is_whole_records(
        columns in prop::collection::vec((kind(), prop::option::of(text()), prop::option::of(prop::option::of(text()))), 1..6),
        key_place: prop::sample::Index,
        form in 0..3,
        tombstones: bool,
    ) {
        let columns: Columns = columns;
        // So that no value can be taken for another column's.
        prop_assume!(are_distinct(columns.iter().filter_map(|(_, before, _)| before.as_deref())));
        let key_place = key_place.index(columns.len());
        let key_name = column_name(key_place);
        let kinds: Vec<_> = columns.iter().map(|(kind, ..)| kind.clone()).collect();
        let format = Format::Native(Options { tombstones });
        let table = Table::new(&shape(&kinds, key_place), &format).unwrap();
        let value = |text: &Option<String>| text.clone().map_or(Value::Null, |text| Value::Text(text.leak().as_bytes()));
        let full: Vec<_> = columns.iter().map(|(_, before, _)| value(before)).collect();
        let key: Vec<_> = full.iter().enumerate().map(|(number, value)| if number == key_place { *value } else { Value::Null }).collect();
        let after: Vec<_> = columns.iter().map(|(.., after)| after.as_ref().map_or(Value::Unchanged, value)).collect();
        let (mut full_buffer, mut key_buffer, mut new_buffer) = Default::default();
        let old = match form {
            0 => None,
            1 => Some(OldRow::Key(encode::tuple(&mut key_buffer, &key))),
            _ => Some(OldRow::Full(encode::tuple(&mut full_buffer, &full))),
        };
        let new = encode::tuple(&mut new_buffer, &after);
        let (mut encoder, mut records) = (Encoder::new("d", &format), Records::default());
        let updated = encoder.update(&table, &stamp(), old, new, &mut records);
        // Only a key that was not sent stands in the way.
        prop_assert_eq!(updated.is_err(), old.is_none() && after[key_place] == Value::Unchanged);
        if let Some(old) = old {
            encoder.delete(&table, &stamp(), old, &mut records).unwrap();
        }
        let deletion = records.0.iter().rfind(|record| !record.is_tombstone()).map(Record::json);
        for record in records.0.iter().filter(|record| !record.is_tombstone()) {
            let json = record.json();
            let key: Json = serde_json::from_str(record.key().unwrap()).unwrap();
            let row = if json["op"] == "d" { &json["before"] } else { &json["after"] };
            prop_assert_eq!(&key[&key_name], &row[&key_name]);
            if json["op"] != "d" {
                let unchanged = json["unchanged"].as_array().map_or(0, Vec::len);
                prop_assert_eq!(row.as_object().unwrap().len() + unchanged, columns.len());
                prop_assert!(unchanged == 0 || !matches!(old, Some(OldRow::Full(_))));
                if let (Some(OldRow::Full(_)), Some(deletion)) = (old, &deletion) {
                    for number in (0..after.len()).filter(|number| after[*number] == Value::Unchanged) {
                        let name = column_name(number);
                        prop_assert_eq!(&row[&name], &deletion["before"][&name]);
                    }
                }
            }
        }
    }
}
