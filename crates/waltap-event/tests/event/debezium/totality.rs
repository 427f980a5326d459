//! No text breaks a record, whatever the type and the modes.

use proptest::prelude::*;
use serde_json::Value as Json;
use waltap_event::debezium::Options;
use waltap_event::{BaseType, Column, DataType, ExtensionType};
use waltap_pgoutput::{OldRow, Value, encode};

use super::{STAMP, bench, column, json_of, options, shape};
use crate::records::Record;
use crate::totality::{are_distinct, text};

const BUILT_IN: [u32; 29] = [
    16, 17, 20, 23, 25, 600, 601, 602, 603, 604, 628, 700, 701, 718, 790, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700,
    2950, 3615, 3802, 3910, 18,
];

const EXTENSIONS: [ExtensionType; 9] = [
    ExtensionType::Hstore,
    ExtensionType::Citext,
    ExtensionType::Ltree,
    ExtensionType::Isbn,
    ExtensionType::Geometry,
    ExtensionType::Geography,
    ExtensionType::Vector,
    ExtensionType::HalfVector,
    ExtensionType::SparseVector,
];

fn data_type() -> impl Strategy<Value = DataType> {
    let base = prop_oneof![
        prop::sample::select(BUILT_IN.to_vec()).prop_map(BaseType::BuiltIn),
        prop::sample::select(EXTENSIONS.to_vec()).prop_map(BaseType::Extension),
        Just(BaseType::Enum),
        Just(BaseType::Other),
    ];
    let base = base.prop_recursive(2, 3, 1, |element| {
        (element, prop::sample::select(vec![b',', b';']))
            .prop_map(|(element, delimiter)| BaseType::Array { element: Box::new(element), delimiter })
    });
    let modifier = prop_oneof![Just(-1), 0..8, 4..70_000_i32, any::<i32>()];
    (base, modifier).prop_map(|(base, modifier)| DataType { base, modifier })
}

fn modes() -> impl Strategy<Value = Options> {
    let choose = |values: &[&'static str]| prop::sample::select(values.to_vec());
    (
        choose(&["precise", "double", "string"]),
        choose(&["adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"]),
        choose(&["bytes", "base64", "base64-url-safe", "hex"]),
        choose(&["numeric", "string"]),
        choose(&["json", "map"]),
        any::<bool>(),
        ".{0,5}",
    )
        .prop_map(|(decimal, time, binary, interval, hstore, unknown, unavailable)| {
            let unknown = unknown.to_string();
            let mut options = options(&[
                ("decimal", decimal),
                ("time", time),
                ("binary", binary),
                ("interval", interval),
                ("hstore", hstore),
                ("unknown", &unknown),
            ]);
            options.set("unavailable", &unavailable).unwrap_or_default();
            options
        })
}

/// As those of the other formats, and some that look like what only this one reads.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        text(),
        "[(\\[{<]{0,2}-?[0-9]{1,3}(\\.[0-9])?(,-?[0-9]{1,3}|,NaN|,Infinity|\\)|\\(|,){0,8}[)\\]}>]{0,2}",
        "P(-?[0-9]{1,5}Y)?(-?[0-9]{1,5}M)?(-?[0-9]{1,8}D)?(T(-?[0-9]{1,12}H)?(-?[0-9]{1,4}M)?(-?[0-9]{1,3}(\\.[0-9]{1,7})?S)?)?",
        "[01]{0,40}",
        "0[01]0[0-9](0000|000020)[0-9A-F]{0,40}",
        "\\{([0-9]{1,3}:[0-9.e-]{1,5},?){0,3}\\}/[0-9]{1,4}",
        "-?[0-9]{1,60}(\\.[0-9]{1,60})?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_text_of_any_type_is_a_record(data_type in data_type(), options in modes(), value in value()) {
        // The record is parsed within.
        let json = json_of(data_type, Value::Text(value.as_bytes()), options);
        prop_assert!(json.is_none_or(|json| !json.contains(['\n', '\r'])));
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(data_type in data_type(), bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        let (table, mut encoder, mut records) = bench(&shape(vec![column("v", data_type)], &[]), options(&[]));
        match encoder.snapshot_row(&table, &STAMP, [Value::Text(&bytes)].into_iter(), &mut records) {
            Ok(()) => prop_assert!(records.0[0].json().is_object()),
            Err(_) => prop_assert!(records.0.is_empty() && std::str::from_utf8(&bytes).is_err()),
        }
    }

    #[test]
    fn an_element_is_written_as_the_value_alone(
        oid in prop::sample::select(vec![16_u32, 17, 20, 25, 701, 1082, 1114, 1184, 1266, 1700, 2950, 3802]),
        options in modes(),
        value in value(),
    ) {
        let quoted = format!("{{\"{}\"}}", value.replace('\\', "\\\\").replace('"', "\\\""));
        let array = super::array(BaseType::BuiltIn(oid));
        let element = json_of(super::built_in(oid), Value::Text(value.as_bytes()), options.clone()).unwrap();
        prop_assert_eq!(json_of(array, Value::Text(quoted.as_bytes()), options), Some(format!("[{element}]")));
    }

    #[test]
    fn timestamps_count_as_their_dates_and_times(micros in -200_000_000_000_000_000_i64..200_000_000_000_000_000) {
        // Written by the formatter of our own fields, which is tested against known moments, and read back by the one under test.
        let day = micros.div_euclid(86_400_000_000);
        let iso = json_of(super::built_in(1082), Value::Text(b"1970-01-01"), options(&[]));
        prop_assert_eq!(iso.as_deref(), Some("0"));
        let date = date_text(day);
        let micro_of_day = micros.rem_euclid(86_400_000_000);
        let (second, fraction) = (micro_of_day / 1_000_000, micro_of_day % 1_000_000);
        let time = format!("{:02}:{:02}:{:02}.{fraction:06}", second / 3600, second / 60 % 60, second % 60);
        let (date, era) = date.split_once(' ').map_or((date.as_str(), String::new()), |(date, era)| (date, format!(" {era}")));
        let text = format!("{date} {time}{era}");
        prop_assert_eq!(json_of(super::built_in(1114), Value::Text(text.as_bytes()), options(&[])), Some(micros.to_string()));
    }

    #[test]
    fn any_change_is_whole_records(
        columns in prop::collection::vec((data_type(), any::<bool>(), prop::option::of(value()), prop::option::of(prop::option::of(value()))), 0..5),
        id in (value(), value()),
        key_place: prop::sample::Index,
        options in modes(),
        form in 0..3,
    ) {
        // So that no value can be taken for another column's.
        prop_assume!(are_distinct(columns.iter().filter_map(|(_, _, before, _)| before.as_deref()).chain([id.0.as_str()])));
        let key_place = key_place.index(columns.len() + 1);
        let key = Column { identity: true, ..column("id", super::built_in(25)) };
        let names: Vec<String> = (0..columns.len()).map(|number| format!("column {number}")).collect();
        let others = columns.iter().zip(&names).map(|((data_type, not_null, ..), name)| Column { not_null: *not_null, ..column(name, data_type.clone()) });
        let mut row: Vec<_> = others.collect();
        row.insert(key_place, key);
        let table_shape = shape(row, &["id"]);
        let value = |text: &Option<String>| text.clone().map_or(Value::Null, |text| Value::Text(text.leak().as_bytes()));
        let (old_id, new_id) = (value(&Some(id.0.clone())), value(&Some(id.1.clone())));
        let mut full: Vec<_> = columns.iter().map(|(_, _, before, _)| value(before)).collect();
        full.insert(key_place, old_id);
        let mut key_row = vec![Value::Null; full.len()];
        key_row[key_place] = old_id;
        let mut after: Vec<_> = columns.iter().map(|(.., after)| after.as_ref().map_or(Value::Unchanged, value)).collect();
        after.insert(key_place, new_id);
        let (mut full_buffer, mut key_buffer, mut new_buffer) = Default::default();
        let old = match form {
            0 => None,
            1 => Some(OldRow::Key(encode::tuple(&mut key_buffer, &key_row))),
            _ => Some(OldRow::Full(encode::tuple(&mut full_buffer, &full))),
        };
        let (table, mut encoder, mut records) = bench(&table_shape, options);
        encoder.update(&table, &STAMP, old, encode::tuple(&mut new_buffer, &after), &mut records).unwrap();
        let updates = records.0.len();
        prop_assert_eq!(updates, if old.is_some() && id.0 != id.1 { 3 } else { 1 });
        if let Some(old) = old {
            encoder.delete(&table, &STAMP, old, &mut records).unwrap();
            prop_assert_eq!(records.0.len(), updates + 2);
        }
        let deletion = records.0.iter().rfind(|record| !record.is_tombstone()).map(Record::json);
        let mut widths = Vec::new();
        for record in records.0.iter().filter(|record| !record.is_tombstone()) {
            let json = record.json();
            let key: Json = serde_json::from_str(record.key().unwrap()).unwrap();
            for row in [&json["before"], &json["after"]].into_iter().filter_map(Json::as_object) {
                widths.push(row.len());
            }
            let row = if json["op"] == "d" { &json["before"] } else { &json["after"] };
            prop_assert_eq!(&key["id"], &row["id"]);
            if let (Some(OldRow::Full(_)), Some(deletion)) = (old, &deletion) {
                for (column, _) in table_shape.columns.iter().zip(&after).filter(|(_, value)| **value == Value::Unchanged) {
                    prop_assert_eq!(&row[&column.name], &deletion["before"][&column.name]);
                }
            }
        }
        // Every row has the same columns, whatever was sent of it.
        prop_assert!(widths.iter().all(|width| *width == widths[0]), "{:?}", widths);
    }
}

/// A day since 1970 as PostgreSQL prints it, by counting years and months.
fn date_text(day: i64) -> String {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut rest) = (1970 + 400 * day.div_euclid(146_097), day.rem_euclid(146_097));
    while rest >= 365 + i64::from(leap(year)) {
        rest -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    format!("{year:04}-{month:02}-{:02}{era}", rest + 1)
}
