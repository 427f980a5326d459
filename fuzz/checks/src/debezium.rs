//! The values of `debezium`, in each of its handling modes.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value as Json;
use waltap_event::{BaseType, DataType, ExtensionType};

use crate::plain::{assert_text, check_item, pairs_of, string, string_is};
use crate::postgres::decimal::Decimal;
use crate::postgres::moment::{self, Date, Time};
use crate::postgres::{array, bytes, hstore, money};
use crate::row::{Modes, is_hstore};

/// Arrays of these are left out: money, name, interval, varbit, xml, point, refcursor.
const WITHOUT_ARRAYS: [u32; 7] = [790, 19, 1186, 1562, 142, 600, 1790];

/// Checks the JSON of a value of this type; none where the column is left out.
pub(crate) fn check(data_type: &DataType, modes: Modes, text: &str, json: Option<&str>) {
    if !is_written(&data_type.base, mode(modes, "unknown", "false") == "true") {
        assert_eq!(json, None, "{data_type:?}");
        return;
    }
    let json = json.unwrap_or_else(|| panic!("{data_type:?} is left out"));
    check_value(&data_type.base, data_type.modifier, modes, text, json);
}

fn mode(modes: Modes, name: &str, default: &'static str) -> &'static str {
    modes.iter().find(|(mode, _)| *mode == name).map_or(default, |(_, value)| value)
}

fn is_written(base: &BaseType, unknown_types: bool) -> bool {
    match base {
        BaseType::Array { element, .. } => {
            !matches!(**element, BaseType::BuiltIn(oid) if WITHOUT_ARRAYS.contains(&oid)) && is_written(element, unknown_types)
        }
        base => unknown_types || is_known(base),
    }
}

fn is_known(base: &BaseType) -> bool {
    const KNOWN: [u32; 45] = [
        16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 600, 601, 602, 603, 604, 628, 650, 700, 701, 718, 774, 790, 829, 869, 1042,
        1043, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 3614, 3802, 3904, 3906, 3908, 3910, 3912, 3926,
    ];
    match base {
        BaseType::BuiltIn(oid) => KNOWN.contains(oid),
        BaseType::Extension(_) | BaseType::Enum => true,
        _ => false,
    }
}

fn check_value(base: &BaseType, modifier: i32, modes: Modes, text: &str, json: &str) {
    let times = mode(modes, "time", "adaptive");
    let binary = mode(modes, "binary", "bytes");
    let checked = match base {
        _ if !is_known(base) && !matches!(base, BaseType::Array { .. }) => {
            string_is(json, Some(encoded(text.as_bytes(), binary)))
        }
        BaseType::Array { element, delimiter } => array::parse(text, char::from(*delimiter)).is_some_and(|array| {
            check_item(&array, json, &|text, json| check_value(element, modifier, modes, text, json));
            true
        }),
        base if is_hstore(base) => hstore::parse(text).is_some_and(|mut pairs| {
            let object =
                if mode(modes, "hstore", "json") == "map" { json.to_owned() } else { string(json).expect("a string of JSON") };
            let mut written = pairs_of(&object);
            written.sort();
            pairs.sort();
            assert_eq!(written, pairs, "{text:?} was written as {json}");
            true
        }),
        BaseType::Extension(ExtensionType::Citext | ExtensionType::Ltree | ExtensionType::Isbn) | BaseType::Enum => false,
        BaseType::BuiltIn(oid) => match oid {
            16 => same_json(json, truth(text, "t", "f")),
            1560 | 1562 if modifier == 1 => same_json(json, truth(text, "1", "0")),
            1560 | 1562 => string_is(json, bits(text)),
            20 | 21 | 23 | 26 => is_integer(text) && same_json(json, Some(text.to_owned())),
            700 => check_float(text.parse::<f32>().ok().map(f64::from), json, |json| json.parse::<f32>().ok().map(f64::from)),
            701 => check_float(text.parse().ok(), json, |json| json.parse().ok()),
            1700 => check_numeric(modifier, mode(modes, "decimal", "precise"), text, json),
            790 => money(text).is_some_and(|amount| match mode(modes, "decimal", "precise") {
                "precise" => check_scaled(2, &amount, json),
                "double" => check_float(amount.parse().ok(), json, |json| json.parse().ok()),
                _ => string_is(json, Some(amount)),
            }),
            17 => string_is(json, bytes(text).map(|bytes| encoded(&bytes, binary))),
            1082 => date(text).is_some_and(|date| match times {
                "isostring" => string_is(json, Some(format!("{}Z", date.iso()))),
                _ => same_json(json, Some(date.days().to_string())),
            }),
            1083 => check_time(times, modifier, text, json),
            1114 => check_timestamp(times, modifier, text, json),
            1184 => string_is(json, zoned_timestamp(modifier, text)),
            1266 => string_is(json, zoned_time(text)),
            1186 => check_interval(mode(modes, "interval", "numeric"), text, json),
            600..=604 | 628 | 718 => !matches!(serde_json::from_str(json), Ok(Json::String(_))),
            _ => false,
        },
        other => panic!("no check of {other:?}"),
    };
    if !checked {
        assert_text(text, json);
    }
}

fn encoded(bytes: &[u8], binary: &str) -> String {
    match binary {
        "hex" => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        "base64-url-safe" => URL_SAFE.encode(bytes),
        _ => STANDARD.encode(bytes),
    }
}

fn same_json(json: &str, expected: Option<String>) -> bool {
    expected.is_some_and(|expected| {
        assert_eq!(json, expected);
        true
    })
}

fn truth(text: &str, yes: &str, no: &str) -> Option<String> {
    (text == yes || text == no).then(|| (text == yes).to_string())
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'))
}

/// Bits as a number's bytes, the lowest first.
fn bits(text: &str) -> Option<String> {
    if !text.bytes().all(|bit| matches!(bit, b'0' | b'1')) {
        return None;
    }
    let digits = text.trim_start_matches('0').as_bytes();
    let bytes: Vec<u8> = digits.rchunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'))).collect();
    Some(STANDARD.encode(bytes))
}

/// A number that reads back as the one that went in; those that JSON has not are named in a string.
fn check_float(number: Option<f64>, json: &str, read: impl Fn(&str) -> Option<f64>) -> bool {
    let Some(number) = number else { return false };
    if number.is_finite() {
        assert_eq!(read(json).map(f64::to_bits), Some(number.to_bits()), "{number} was written as {json}");
    } else {
        let name = if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        assert_text(name, json);
    }
    true
}

/// The scale in a numeric's modifier.
fn scale(modifier: i32) -> Option<i32> {
    (modifier >= 4).then(|| ((modifier - 4) & 0x7ff) << 21 >> 21)
}

fn check_numeric(modifier: i32, mode: &str, text: &str, json: &str) -> bool {
    match (mode, scale(modifier)) {
        ("double", _) => check_float(text.parse().ok(), json, |json| json.parse().ok()),
        ("string", _) => {
            let special = match text {
                "NaN" => Some("NAN"),
                "Infinity" => Some("POSITIVE_INFINITY"),
                "-Infinity" => Some("NEGATIVE_INFINITY"),
                _ => None,
            };
            string_is(json, special.map(str::to_owned))
        }
        (_, Some(scale)) => check_scaled(scale, text, json),
        (_, None) => Decimal::parse(text).is_some_and(|decimal| {
            let written: Json = serde_json::from_str(json).unwrap();
            let scale = written["scale"].as_i64().and_then(|scale| i32::try_from(scale).ok()).expect("a scale");
            let bytes = STANDARD.decode(written["value"].as_str().expect("a value")).unwrap();
            assert_eq!(Decimal::unscaled(&bytes, scale), decimal, "{text:?} was written as {json}");
            true
        }),
    }
}

fn check_scaled(scale: i32, text: &str, json: &str) -> bool {
    let Some(decimal) = Decimal::parse(text).filter(|decimal| decimal.fits(scale)) else { return false };
    let bytes = STANDARD.decode(string(json).expect("bytes")).unwrap();
    assert!(!matches!(bytes[..], [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..]), "more bytes than needed for {text:?}: {json}");
    assert_eq!(Decimal::unscaled(&bytes, scale), decimal, "{text:?} was written as {json}");
    true
}

fn date(text: &str) -> Option<Date> {
    match text {
        "infinity" => Some(Date { year: 5_877_611, month: 6, day: 21 }),
        "-infinity" => Some(Date { year: -5_877_611, month: 6, day: 22 }),
        _ => Date::parse(text),
    }
}

/// How many microseconds make one unit, and how many units one microsecond.
fn unit(times: &str, digits: i32, time_of_day: bool) -> (i128, i128) {
    match times {
        "connect" => (1_000, 1),
        "nanoseconds" => (1, 1_000),
        "adaptive_time_microseconds" if time_of_day => (1, 1),
        "adaptive" | "adaptive_time_microseconds" if (0..=3).contains(&digits) => (1_000, 1),
        _ => (1, 1),
    }
}

fn check_number(micros: Option<i128>, (divisor, factor): (i128, i128), json: &str) -> bool {
    let number = micros.and_then(|micros| i64::try_from(micros.div_euclid(divisor) * factor).ok());
    same_json(json, number.map(|number| number.to_string()))
}

fn check_time(times: &str, digits: i32, text: &str, json: &str) -> bool {
    let Some((time, "")) = Time::parse(text) else { return false };
    match times {
        "isostring" => string_is(json, Some(format!("{text}Z"))),
        _ => check_number(time.micros(), unit(times, digits, true), json),
    }
}

fn check_timestamp(times: &str, digits: i32, text: &str, json: &str) -> bool {
    let unit = unit(times, digits, false);
    let infinite = match (text, times, unit) {
        ("infinity", "isostring", _) => Some("\"+292278994-08-16T23:00:00Z\"".to_owned()),
        ("-infinity", "isostring", _) => Some("\"-292275055-05-16T23:00:00Z\"".to_owned()),
        ("infinity", _, (1_000, _)) => Some("9223372036825200000".to_owned()),
        ("-infinity", _, (1_000, _)) => Some("-9223372036832400000".to_owned()),
        ("infinity", ..) => Some(i64::MAX.to_string()),
        ("-infinity", ..) => Some(i64::MIN.to_string()),
        _ => None,
    };
    if infinite.is_some() {
        return same_json(json, infinite);
    }
    let Some((date, time, "")) = moment::timestamp(text) else { return false };
    match times {
        "isostring" => string_is(json, Some(format!("{}T{}Z", date.iso(), time.text))),
        _ => check_number(time.micros().map(|micros| i128::from(date.days()) * 86_400_000_000 + micros), unit, json),
    }
}

fn zoned_timestamp(digits: i32, text: &str) -> Option<String> {
    let digits = if (0..=6).contains(&digits) { digits as usize } else { 6 };
    if matches!(text, "infinity" | "-infinity") {
        return Some(text.to_owned());
    }
    let (date, time, offset) = moment::timestamp(text)?;
    let second = date.days() * 86_400 + time.seconds - moment::offset(offset)?;
    let fraction = format!(".{:0<digits$}", time.fraction.get(..digits).unwrap_or(time.fraction));
    let fraction = if digits == 0 { "" } else { &fraction };
    let date = Date::of_days(second.div_euclid(86_400));
    Some(format!("{}T{}{fraction}Z", date.iso(), moment::clock(second.rem_euclid(86_400))))
}

fn zoned_time(text: &str) -> Option<String> {
    let (time, offset) = Time::parse(text)?;
    let second = match moment::offset(offset)? {
        0 => time.seconds,
        offset => (time.seconds - offset).rem_euclid(86_400),
    };
    let fraction = if time.fraction.is_empty() { String::new() } else { format!(".{}", time.fraction) };
    Some(format!("{}{fraction}Z", moment::clock(second)))
}

/// The text of the parts is the interval's own, but for those that are zero and for the digits of a second; the number has to be one.
fn check_interval(mode: &str, text: &str, json: &str) -> bool {
    let written = match serde_json::from_str(json) {
        Ok(Json::String(written)) => written,
        Ok(Json::Number(number)) => {
            assert!(mode == "numeric" && number.as_i64().is_some() && text.starts_with('P'), "{text:?} was written as {json}");
            return true;
        }
        _ => panic!("{text:?} was written as {json}"),
    };
    if mode == "numeric" || !written.starts_with("P") || written == text {
        return false;
    }
    assert_eq!(interval_parts(&written), interval_parts(text), "{text:?} was written as {json}");
    assert_eq!(written.matches(['Y', 'M', 'D', 'T', 'H', 'S']).count(), 7, "{written}");
    true
}

/// The numbers of years, months, days, hours, minutes and seconds.
fn interval_parts(text: &str) -> [Option<Decimal>; 6] {
    let (date, time) = text.strip_prefix('P').and_then(|text| text.split_once('T')).unwrap_or((&text[1..], ""));
    let part = |of: &str, unit: char| {
        let number = of.split_inclusive(|character: char| character.is_ascii_alphabetic()).rfind(|part| part.ends_with(unit));
        Decimal::parse(number.map_or("0", |part| part.trim_end_matches(unit).trim_start_matches('+')))
    };
    [part(date, 'Y'), part(date, 'M'), part(date, 'D'), part(time, 'H'), part(time, 'M'), part(time, 'S')]
}
