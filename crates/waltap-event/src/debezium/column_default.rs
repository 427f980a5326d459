//! Defaults of columns, as far as Debezium understands the expressions that PostgreSQL's catalog holds.
//!
//! It evaluates nothing. Of an expression with a literal in it the first literal is the default; of a call of a function, and of the likes
//! of CURRENT_TIMESTAMP, it is the zero of the type; anything else is taken for the value itself, if its type can be read from it. Columns
//! of other types than these have none: domains, arrays, bytea, money, timetz, network addresses and what extensions bring.

use super::conversion::{Conversion, numeric_scale};
use super::decimal::Decimal;
use super::jackson::write_string;
use super::value::ValueWriter;
use crate::{BaseType, DataType};

/// Without parentheses, as PostgreSQL prints them.
const CURRENT: [&str; 5] = ["current_timestamp", "current_time", "current_date", "localtime", "localtimestamp"];

/// The JSON of a column's default. None: it has none, or none that can be told.
pub(super) fn of_column(expression: &str, data_type: &DataType, conversion: &Conversion) -> Option<Box<[u8]>> {
    let text = match &data_type.base {
        BaseType::Enum => enum_label(expression)?,
        BaseType::BuiltIn(oid) => {
            let text = text(expression, zero(*oid)?)?;
            as_printed(*oid, text, data_type.modifier)?
        }
        _ => return None,
    };
    let mut json = Vec::new();
    match conversion {
        // Structs cannot be defaults (KAFKA-12694).
        Conversion::VariableDecimal | Conversion::Omitted => return None,
        Conversion::Text => write_string(text.as_bytes(), &mut json),
        other => {
            if !ValueWriter::default().write_plain(other, text.as_bytes(), &mut json) {
                return None;
            }
        }
    }
    Some(json.into())
}

/// What stands for values that are computed, as PostgreSQL prints it. None: defaults of this type are not read.
fn zero(oid: u32) -> Option<&'static str> {
    Some(match oid {
        // boolean
        16 => "false",
        // bigint, smallint, integer
        20 | 21 | 23 => "0",
        // text, character, character varying, xml
        25 | 1042 | 1043 | 142 => "",
        // json, jsonb
        114 | 3802 => "{}",
        // real, double precision, numeric
        700 | 701 | 1700 => "0.0",
        // date, time, timestamp, timestamptz, interval
        1082 => "1970-01-01",
        1083 => "00:00:00",
        1114 => "1970-01-01 00:00:00",
        1184 => "1970-01-01 00:00:00+00",
        1186 => "PT0S",
        // bit, bit varying
        1560 => "00",
        1562 => "0",
        2950 => "00000000-0000-0000-0000-000000000000",
        _ => return None,
    })
}

/// The value's text: a literal's, the zero of what is computed, or the expression's own.
fn text(expression: &str, zero: &'static str) -> Option<String> {
    if is_call(expression) || CURRENT.contains(&expression.to_ascii_lowercase().as_str()) {
        return Some(zero.to_owned());
    }
    if let Some(start) = expression.find('\'') {
        return literal(expression.get(start + 1..)?);
    }
    (!expression.starts_with("NULL::")).then(|| expression.to_owned())
}

/// Whether it begins with a call: `nextval('s'::regclass)`, `(now() AT TIME ZONE 'utc'::text)`.
fn is_call(expression: &str) -> bool {
    let expression = expression.strip_prefix('(').unwrap_or(expression);
    let name = expression.find(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '_' | '.'));
    let arguments = match name.map(|end| expression.split_at(end)) {
        Some((name, rest)) if !name.is_empty() => rest.strip_prefix('('),
        _ => None,
    };
    arguments.is_some_and(|arguments| arguments.lines().next().is_some_and(|line| line.contains(')')))
}

/// What comes before the quote at the end. Quotes in between are doubled.
fn literal(mut rest: &str) -> Option<String> {
    let mut text = String::new();
    loop {
        let (before, after) = rest.split_once('\'')?;
        text.push_str(before);
        match after.strip_prefix('\'') {
            Some(after) => {
                text.push('\'');
                rest = after;
            }
            None => return Some(text),
        }
    }
}

/// Nothing but a literal with a cast.
fn enum_label(expression: &str) -> Option<String> {
    let (value, _type_name) = expression.rsplit_once("::")?;
    let inner = value.strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

/// The text as PostgreSQL prints values of the type. None: it is not that of one, or one that Debezium reads otherwise.
fn as_printed(oid: u32, text: String, modifier: i32) -> Option<String> {
    match oid {
        16 => Some(if text.eq_ignore_ascii_case("true") { "t" } else { "f" }.to_owned()),
        1700 => numeric(&text, modifier),
        1082 | 1114 | 1184 if text.contains("infinity") => None,
        2950 => is_uuid(&text).then_some(text),
        _ => Some(text),
    }
}

/// With as many digits as the column's scale. None: it has more.
fn numeric(text: &str, modifier: i32) -> Option<String> {
    Decimal::parse(text.as_bytes())?;
    let Some(scale) = numeric_scale(modifier).and_then(|scale| usize::try_from(scale).ok()) else { return Some(text.to_owned()) };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.trim_end_matches('0');
    match (digits.len() <= scale, scale) {
        (false, _) => None,
        (true, 0) => Some(whole.to_owned()),
        (true, _) => Some(format!("{whole}.{digits:0<scale$}")),
    }
}

fn is_uuid(text: &str) -> bool {
    let is_fit =
        |(place, byte): (usize, u8)| if matches!(place, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.bytes().enumerate().all(is_fit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::conversion::conversion;
    use super::*;
    use crate::debezium::Options;

    fn of(oid: u32, modifier: i32, expression: &str) -> Option<String> {
        let data_type = DataType { base: BaseType::BuiltIn(oid), modifier };
        let json = of_column(expression, &data_type, &conversion(&data_type, &Options::default()))?;
        Some(String::from_utf8(json.into()).unwrap())
    }

    #[test]
    fn what_debezium_understands() {
        // Each from a running Debezium 3.7.0, with the expression that pg_get_expr printed.
        for (oid, modifier, expression, expected) in [
            (23, -1, "7", Some("7")),
            (23, -1, "'-7'::integer", Some("-7")),
            (23, -1, "(3 + 4)", None),
            (23, -1, "length('abc'::text)", Some("0")),
            (23, -1, "nextval('sq'::regclass)", Some("0")),
            (20, -1, "'9223372036854775807'::bigint", Some("9223372036854775807")),
            (20, -1, "(5)::bigint", None),
            (23, -1, "COALESCE(1, 2)", Some("0")),
            (25, -1, "'x'::text", Some("\"x\"")),
            (25, -1, "'it''s'::text", Some("\"it's\"")),
            (25, -1, "now()", Some("\"\"")),
            (25, -1, "other.f()", Some("\"\"")),
            (25, -1, "CURRENT_USER", Some("\"CURRENT_USER\"")),
            (25, -1, "('a'::text || 'b'::text)", Some("\"a\"")),
            (25, -1, "(1234)::text", Some("\"(1234)::text\"")),
            (25, -1, "'new\nline'::text", Some("\"new\\nline\"")),
            (1043, 14, "NULL::character varying", None),
            (1042, 9, "'c'::bpchar", Some("\"c\"")),
            (16, -1, "true", Some("true")),
            (16, -1, "(1 = 1)", Some("false")),
            (1700, 393_222, "1.5", Some("\"AJY=\"")),
            (1700, 393_222, "'-1.5'::numeric", Some("\"/2o=\"")),
            (1700, 393_222, "2", Some("\"AMg=\"")),
            (1700, 393_222, "1.239", None),
            (1700, 327_684, "5", Some("\"BQ==\"")),
            (1700, -1, "1.50", None),
            (700, -1, "1.5", Some("1.5")),
            (701, -1, "random()", Some("0.0")),
            (3802, -1, "'{\"a\": 1}'::jsonb", Some("\"{\\\"a\\\": 1}\"")),
            (3802, -1, "json_build_object('a', 1)", Some("\"{}\"")),
            (2950, -1, "gen_random_uuid()", Some("\"00000000-0000-0000-0000-000000000000\"")),
            (1082, -1, "'2024-01-02'::date", Some("19724")),
            (1082, -1, "CURRENT_DATE", Some("0")),
            (1083, 3, "'13:51:30.123'::time without time zone", Some("49890123")),
            (1083, -1, "LOCALTIME", Some("0")),
            (1114, -1, "'2024-01-02 03:04:05.123456'::timestamp without time zone", Some("1704164645123456")),
            (1114, -1, "(now() AT TIME ZONE 'utc'::text)", Some("0")),
            (1184, 3, "'2023-12-31 22:00:00.5+00'::timestamp with time zone", Some("\"2023-12-31T22:00:00.500Z\"")),
            (1184, 0, "now()", Some("\"1970-01-01T00:00:00Z\"")),
            (1184, -1, "(now() + '1 day'::interval)", Some("\"1970-01-01T00:00:00.000000Z\"")),
            (1186, -1, "'P1Y2M3DT4H5M6.78S'::interval", Some("37091106780000")),
            (1186, -1, "make_interval()", Some("0")),
            (1560, 1, "'1'::\"bit\"", Some("true")),
            (1560, 8, "'10000001'::\"bit\"", Some("\"gQ==\"")),
            (1562, -1, "'101'::\"bit\"", Some("\"BQ==\"")),
            (17, -1, "'\\x00ff'::bytea", None),
            (790, -1, "'$1.50'::money", None),
            (26, -1, "'5'::oid", None),
            (19, -1, "'n'::name", None),
        ] {
            assert_eq!(of(oid, modifier, expression).as_deref(), expected, "{expression}");
        }
    }

    #[test]
    fn labels() {
        let data_type = DataType::of(BaseType::Enum);
        let of =
            |expression| of_column(expression, &data_type, &Conversion::Text).map(|json| String::from_utf8(json.into()).unwrap());
        assert_eq!(of("'a \"quoted\", one'::mood").as_deref(), Some("\"a \\\"quoted\\\", one\""));
        assert_eq!(of("'it''s'::public.mood").as_deref(), Some("\"it's\""));
        assert_eq!(of("f()"), None);
        assert_eq!(of("lower('A'::text)::mood"), None);
    }

    proptest! {
        #[test]
        fn whatever_the_expression_the_default_is_json(
            expression in "\\(?([a-z_.]{0,4}\\()?('|''|[ -~é😀\n]{0,6}){0,4}(\\)|::[a-z]{1,5}){0,2}",
            oid in prop::sample::select(vec![16, 20, 25, 114, 700, 701, 1082, 1083, 1114, 1184, 1186, 1560, 1562, 1700, 2950]),
            modifier in prop::sample::select(vec![-1, 0, 1, 3, 393_222, 264_194]),
        ) {
            if let Some(json) = of(oid, modifier, &expression) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
            }
        }
    }

    #[test]
    fn strange_expressions_have_none() {
        for expression in ["", "'", "'a", "'a'''", "(", "f(", "NULL::integer"] {
            assert_eq!(of(23, -1, expression), None, "{expression}");
        }
    }
}
