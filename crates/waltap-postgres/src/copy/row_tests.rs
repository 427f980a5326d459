use proptest::prelude::*;
use waltap_pgoutput::Value;

use super::row::{RowError, RowParser, lines};

/// Writes a value as the server does (CopyAttributeOutText).
fn encode(value: Option<&[u8]>, into: &mut Vec<u8>) {
    let Some(value) = value else { return into.extend_from_slice(br"\N") };
    for byte in value {
        let escape = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            other => {
                into.push(*other);
                continue;
            }
        };
        into.extend_from_slice(&[b'\\', escape]);
    }
}

fn encode_row(row: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            line.push(b'\t');
        }
        encode(value.as_deref(), &mut line);
    }
    line
}

fn parse(columns: usize, line: &[u8]) -> Result<Vec<Option<Vec<u8>>>, RowError> {
    let mut parser = RowParser::new(columns);
    let row = parser.parse(line)?;
    let owned = row.iter().map(|value| match value {
        Value::Text(text) => Some(text.to_vec()),
        _ => None,
    });
    Ok(owned.collect())
}

fn text(text: &[u8]) -> Option<Vec<u8>> {
    Some(text.to_vec())
}

#[test]
fn every_escape_is_undone_as_the_server_undoes_it() {
    for (line, expected) in [
        (&br"\b\f\n\r\t\v\\"[..], &b"\x08\x0c\n\r\t\x0b\\"[..]),
        (br"a\101\1012\60\0601", b"aAA2001"),
        (br"\x41\x4\x4z\xg\x", b"A\x04\x04zxgx"),
        (br"\777", b"\xff"),
        (br"\q\.", b"q."),
        (br"end\", b"end\\"),
        (br"\\N", br"\N"),
        (br"\N ", b"N "),
    ] {
        assert_eq!(parse(1, line), Ok(vec![text(expected)]), "{}", String::from_utf8_lossy(line));
    }
    assert_eq!(parse(3, b"\\N\t\t\\N"), Ok(vec![None, text(b""), None]));
}

#[test]
fn the_width_is_checked() {
    assert_eq!(parse(0, b""), Ok(vec![]));
    assert_eq!(parse(1, b""), Ok(vec![text(b"")]));
    assert_eq!(parse(1, b"a\n"), Ok(vec![text(b"a")]));
    assert_eq!(parse(2, b"a"), Err(RowError { expected: 2, found: 1 }));
    assert_eq!(parse(2, b"a\tb\tc"), Err(RowError { expected: 2, found: 3 }));
    assert_eq!(parse(0, b"a"), Err(RowError { expected: 0, found: 1 }));
}

#[test]
fn lines_end_with_breaks_and_the_end_of_data_is_none() {
    let parted = |bytes: &'static [u8]| lines(bytes).collect::<Vec<_>>();
    assert_eq!(parted(b"a\n\nb\n"), [&b"a"[..], b"", b"b"]);
    assert_eq!(parted(b"a\nb"), [b"a", b"b"]);
    assert_eq!(parted(b"\n"), [b""]);
    assert_eq!(parted(b"a\n\\.\n"), [b"a"]);
    assert!(parted(b"").is_empty());
}

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    // Bytes that mean something to the format come up often.
    let byte = prop_oneof![Just(b'\\'), Just(b'\t'), Just(b'\n'), Just(b'N'), Just(b'x'), Just(b'0'), Just(b'.'), any::<u8>()];
    prop::option::of(prop::collection::vec(byte, 0..20))
}

proptest! {
    #[test]
    fn what_is_written_is_read(rows in prop::collection::vec(prop::collection::vec(value(), 3), 0..6)) {
        // One parser for all rows: nothing of one row shows in the next.
        let mut parser = RowParser::new(3);
        let bytes: Vec<u8> = rows.iter().flat_map(|row| [encode_row(row), vec![b'\n']].concat()).collect();
        let mut read = Vec::new();
        for line in lines(&bytes) {
            let row = parser.parse(line).expect("three columns");
            prop_assert_eq!(row.len(), 3);
            read.push(row.iter().map(|value| match value {
                Value::Text(text) => Some(text.to_vec()),
                _ => None,
            }).collect::<Vec<_>>());
        }
        prop_assert_eq!(read, rows);
    }

    #[test]
    fn no_input_panics(line in prop::collection::vec(any::<u8>(), 0..40), columns in 0_usize..5) {
        let tabs = line.strip_suffix(b"\n").unwrap_or(&line).iter().filter(|byte| **byte == b'\t').count();
        match parse(columns, &line) {
            Ok(row) => prop_assert_eq!(row.len(), columns),
            Err(error) => prop_assert!(error.found == tabs + 1 && error.found != columns),
        }
    }
}
