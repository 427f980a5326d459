//! Texts that a real server printed, and their JSON. `tests/fixtures/values.sql` says how they were made.

use waltap_event::native::write_value;
use waltap_event::{TypeCatalog, TypeDescription};
use waltap_pgoutput::Value;

const FIXTURE: &str = include_str!("../fixtures/values.tsv");

/// The lines of one sort, each with its fields as COPY wrote them.
pub(crate) fn lines(fixture: &'static str, sort: &'static str) -> impl Iterator<Item = Vec<String>> {
    fixture.lines().filter_map(move |line| {
        let mut fields = line.split('\t').map(unescape);
        (fields.next()? == sort).then(|| fields.collect())
    })
}

fn unescape(field: &str) -> String {
    let mut text = String::new();
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                other => other,
            },
            other => other,
        });
    }
    text
}

pub(crate) fn catalog(fixture: &'static str) -> TypeCatalog {
    let mut catalog = TypeCatalog::new();
    for line in lines(fixture, "type") {
        let [oid, name, typtype, element, base, modifier, delimiter, category] = line.as_slice() else { panic!("{line:?}") };
        catalog.insert(TypeDescription {
            oid: oid.parse().unwrap(),
            name,
            typtype: typtype.parse().unwrap(),
            element: element.parse().unwrap(),
            base: base.parse().unwrap(),
            modifier: modifier.parse().unwrap(),
            delimiter: delimiter.parse().unwrap(),
            category: category.parse().unwrap(),
        });
    }
    catalog
}

fn json_of(catalog: &TypeCatalog, oid: u32, text: &[u8]) -> String {
    let mut out = Vec::new();
    write_value(&catalog.kind(oid), Value::Text(text), &mut Vec::new(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn values_of_a_server_have_the_json_expected_of_them() {
    let catalog = catalog(FIXTURE);
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines(FIXTURE, "value") {
        let [oid, name, text, expected] = line.as_slice() else { panic!("{line:?}") };
        let json = json_of(&catalog, oid.parse().unwrap(), text.as_bytes());
        serde_json::from_str::<serde_json::Value>(&json).unwrap_or_else(|error| panic!("{name} {text}: {json}: {error}"));
        if json != *expected {
            wrong.push(format!("{name} {text}: expected {expected}, got {json}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "{count} values");
}

#[test]
fn texts_that_the_pinned_session_settings_do_not_give_are_kept() {
    let catalog = TypeCatalog::new();
    for (oid, text, expected) in [
        // A moment with an offset is brought to UTC, across days, years, the leap day and the era.
        (1184, "2024-03-01 00:30:00.25+05:30", r#""2024-02-29T19:00:00.25Z""#),
        (1184, "2023-12-31 23:59:59-08", r#""2024-01-01T07:59:59Z""#),
        (1184, "0001-01-01 00:00:00+00:00:01", r#""0000-12-31T23:59:59Z""#),
        (1184, "0001-12-31 23:59:59-00:00:01 BC", r#""0001-01-01T00:00:00Z""#),
        (1184, "9999-12-31 23:59:59-05:53:28", r#""+10000-01-01T05:53:27Z""#),
        (1184, "Thu Nov 21 09:06:40 2024 UTC", r#""Thu Nov 21 09:06:40 2024 UTC""#),
        (1082, "11/21/2024", r#""11/21/2024""#),
        (16, "true", r#""true""#),
        (17, "a\\000\\\\", r#""a\\000\\\\""#),
        (790, "1.234,50 €", r#""1.234,50 €""#),
        (23, "007", r#""007""#),
        (23, "", r#""""#),
        (1007, "{1,}", r#""{1,}""#),
        (1007, "{1,x}", r#"[1,"x"]"#),
        (3802, "{", r#""{""#),
        // What neither catalog nor table knows.
        (99_999, "\"x\"", r#""\"x\"""#),
    ] {
        assert_eq!(json_of(&catalog, oid, text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn documents_too_deep_for_readers_are_strings() {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(json_of(&TypeCatalog::new(), 3802, deep.as_bytes()), deep);
    let deeper = format!("[{deep}]");
    assert_eq!(json_of(&TypeCatalog::new(), 3802, deeper.as_bytes()), format!("\"{deeper}\""));
}

#[test]
fn long_values_are_whole() {
    let catalog = TypeCatalog::new();
    let digits = "1234567890".repeat(13_107) + "." + &"0987654321".repeat(1_638);
    assert_eq!(json_of(&catalog, 1700, digits.as_bytes()), format!("\"{digits}\""));
    assert_eq!(json_of(&catalog, 3802, digits.as_bytes()), digits);
    let bytes = "\\x".to_owned() + &"ff00".repeat(100_000);
    assert_eq!(json_of(&catalog, 17, bytes.as_bytes()).len(), 2 + (200_000_usize).div_ceil(3) * 4);
}

#[test]
fn a_char_past_ascii_is_octal_as_newer_servers_print_it() {
    assert_eq!(json_of(&TypeCatalog::new(), 18, b"\xe9"), r#""\\351""#);
    assert_eq!(json_of(&TypeCatalog::new(), 18, b"\\351"), r#""\\351""#);
}

#[test]
fn what_is_not_utf8_is_refused_and_leaves_nothing() {
    for oid in [25, 23, 3802, 1009, 1184, 1700] {
        let mut out = b"before".to_vec();
        let written = write_value(&TypeCatalog::new().kind(oid), Value::Text(b"{\"a\xff\"}"), &mut Vec::new(), &mut out);
        assert!(written.is_err(), "{oid}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn binary_values_are_base64() {
    let mut out = Vec::new();
    write_value(&TypeCatalog::new().kind(23), Value::Binary(&[0, 0, 0, 7]), &mut Vec::new(), &mut out).unwrap();
    assert_eq!(out, b"\"AAAABw==\"");
}
