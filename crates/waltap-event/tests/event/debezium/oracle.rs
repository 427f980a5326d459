//! Values that Debezium itself wrote. `tests/fixtures/debezium.md` says how they were made.

use waltap_event::TypeCatalog;
use waltap_event::debezium::Options;
use waltap_pgoutput::Value;

use super::{json_of, options};
use crate::values::{catalog, lines};

const FIXTURE: &str = include_str!("../../fixtures/debezium.tsv");

/// The properties under which each of the last columns was written.
fn modes() -> [Options; 6] {
    [
        options(&[]),
        options(&[("decimal", "string"), ("time", "isostring"), ("binary", "hex"), ("interval", "string"), ("hstore", "map")]),
        options(&[("decimal", "double"), ("time", "connect"), ("binary", "base64-url-safe"), ("unknown", "true")]),
        options(&[("time", "microseconds"), ("binary", "base64")]),
        options(&[("time", "nanoseconds")]),
        options(&[("time", "adaptive_time_microseconds")]),
    ]
}

/// What differs on purpose: the type and, where it is not all of its values, the text. The head of the module `debezium` says why.
const ON_PURPOSE: [(&str, &str); 15] = [
    // Debezium fails, and leaves the value out.
    ("mood[]", "{sad,NULL}"),
    ("bit(3)[]", ""),
    ("bit(1)[]", ""),
    ("bit(8)[]", ""),
    ("box[]", ""),
    ("circle[]", ""),
    ("bit varying(1)", ""),
    // In nanoseconds.
    ("timestamp without time zone", "0044-03-15 00:00:00 BC"),
    ("timestamp without time zone", "0001-01-01 00:00:00"),
    // It writes something else: null in the stream, an empty array, a scale of 2046, the day's beginning for its end in ISO 8601.
    ("name", ""),
    ("int2vector", ""),
    ("oidvector", ""),
    ("numeric(4,-2)", ""),
    ("time without time zone", "24:00:00"),
    ("time(3) without time zone", "24:00:00"),
];

/// How many values differ: one more or one less, and the list is to be looked at again.
const DIFFERING: usize = 80;

/// Arrays of arrays, of which Debezium writes nulls or the names of Java's objects.
fn is_nested(text: &str) -> bool {
    text.starts_with("{{")
}

#[test]
fn values_are_those_of_debezium() {
    let catalog: TypeCatalog = catalog(FIXTURE);
    let mut wrong = Vec::new();
    let (mut count, mut differing) = (0, 0);
    for line in lines(FIXTURE, "value") {
        let [oid, modifier, name, text, expected @ ..] = line.as_slice() else { panic!("{line:?}") };
        let data_type = catalog.data_type(oid.parse().unwrap(), modifier.parse().unwrap());
        for (number, (expected, options)) in expected.iter().zip(modes()).enumerate() {
            let json = json_of(data_type.clone(), Value::Text(text.as_bytes()), options).unwrap_or("(omitted)".to_owned());
            let on_purpose =
                is_nested(text) || ON_PURPOSE.iter().any(|(other, value)| name == other && (value.is_empty() || text == value));
            differing += usize::from(on_purpose && json != *expected);
            if json != *expected && !on_purpose {
                wrong.push(format!("{name} {text} in mode {number}:\n  expected {expected}\n  got      {json}"));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 1_000, "{count} values");
    assert_eq!(differing, DIFFERING);
}
