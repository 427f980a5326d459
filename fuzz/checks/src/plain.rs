//! The values of `native` and `flat`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use waltap_event::Kind;

use crate::postgres::array::Item;
use crate::postgres::moment::{self, Date, Time};
use crate::postgres::{array, bytes, document, hstore, money};

/// Checks the JSON of a value of this kind.
pub(crate) fn check(kind: &Kind, text: &str, json: &str) {
    let checked = match kind {
        Kind::Text | Kind::Char => false,
        Kind::Boolean => exactly(
            json,
            match text {
                "t" => Some("true"),
                "f" => Some("false"),
                _ => None,
            },
        ),
        Kind::Integer => exactly(json, is_integer(text).then_some(text)),
        Kind::Float => exactly(json, is_number(text).then_some(text)),
        Kind::Money => string_is(json, money(text)),
        Kind::Date => string_is(json, Date::parse(text).map(Date::iso)),
        Kind::Timestamp => string_is(json, timestamp(text)),
        Kind::TimestampTz => string_is(json, timestamp_at_utc(text)),
        Kind::TimeTz => string_is(json, time_with_offset(text)),
        Kind::Json => exactly(json, document::compact(text).as_deref()),
        Kind::Bytea => string_is(json, bytes(text).map(|bytes| STANDARD.encode(bytes))),
        Kind::Hstore => hstore::parse(text).is_some_and(|pairs| {
            assert_eq!(pairs_of(json), pairs, "{text:?} was written as {json}");
            true
        }),
        Kind::Array { element, delimiter } => array::parse(text, char::from(*delimiter)).is_some_and(|array| {
            check_item(&array, json, &|text, json| check(element, text, json));
            true
        }),
        other => panic!("no check of {other:?}"),
    };
    if !checked {
        assert_text(text, json);
    }
}

/// The JSON is a string that holds the text.
pub(crate) fn assert_text(text: &str, json: &str) {
    assert_eq!(string(json).as_deref(), Some(text), "{text:?} was written as {json}");
}

/// The string that the JSON is, if it is one.
pub(crate) fn string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// Whether something is expected; then it must be so.
fn exactly(json: &str, expected: Option<&str>) -> bool {
    expected.is_some_and(|expected| {
        assert_eq!(json, expected);
        true
    })
}

pub(crate) fn string_is(json: &str, expected: Option<String>) -> bool {
    expected.is_some_and(|expected| {
        assert_text(&expected, json);
        true
    })
}

/// Checks the array that a text holds, item by item.
pub(crate) fn check_item(item: &Item, json: &str, check_element: &dyn Fn(&str, &str)) {
    match item {
        Item::Null => assert_eq!(json, "null"),
        Item::Element(text) => check_element(text, json),
        Item::Array(items) => {
            let written: Vec<&RawValue> =
                serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json} for {items:?}"));
            assert_eq!(written.len(), items.len(), "{items:?} was written as {json}");
            for (item, json) in items.iter().zip(written) {
                check_item(item, json.get(), check_element);
            }
        }
    }
}

/// An object's fields in their order, repeated ones too.
pub(crate) fn pairs_of(json: &str) -> Vec<(String, Option<String>)> {
    struct Pairs;
    impl<'de> serde::de::Visitor<'de> for Pairs {
        type Value = Vec<(String, Option<String>)>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object of strings")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde::Deserializer::deserialize_map(&mut deserializer, Pairs).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// A whole number as JSON has it.
fn is_integer(text: &str) -> bool {
    is_number(text) && !text.contains(['.', 'e', 'E'])
}

/// A number as JSON has it, and nothing around it.
fn is_number(text: &str) -> bool {
    text.trim() == text && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn timestamp(text: &str) -> Option<String> {
    match moment::timestamp(text)? {
        (date, time, "") => Some(format!("{}T{}", date.iso(), time.text)),
        _ => None,
    }
}

fn timestamp_at_utc(text: &str) -> Option<String> {
    let (date, time, offset) = moment::timestamp(text)?;
    let offset = moment::offset(offset)?;
    if offset == 0 {
        return Some(format!("{}T{}Z", date.iso(), time.text));
    }
    let second = date.days() * 86_400 + time.seconds - offset;
    let fraction = if time.fraction.is_empty() { String::new() } else { format!(".{}", time.fraction) };
    let date = Date::of_days(second.div_euclid(86_400));
    Some(format!("{}T{}{fraction}Z", date.iso(), moment::clock(second.rem_euclid(86_400))))
}

fn time_with_offset(text: &str) -> Option<String> {
    let (time, offset) = Time::parse(text)?;
    moment::offset(offset)?;
    let minutes = if offset.len() == 3 { ":00" } else { "" };
    Some(format!("{}{offset}{minutes}", time.text))
}
