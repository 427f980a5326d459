//! The same bytes that waltap's `native` format has for a row of the benchmark's table, written by hand for this one table.

use std::time::{SystemTime, UNIX_EPOCH};

/// Writes the records of one table, in a buffer that is used again.
pub(crate) struct Writer {
    before_row: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
    scratch: Vec<u8>,
}

impl Writer {
    /// All that stands before a row is the same in every record, but for the time: waltap's says when it was written.
    pub(crate) fn new(database: &str, table: &str, lsn: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let before_row = format!(
            "{{\"op\":\"r\",\"ts_ms\":{now},\"source\":{{\"db\":\"{database}\",\"schema\":\"public\",\"table\":\"{table}\",\"txid\":null,\
             \"lsn\":\"{lsn}\",\"commit_lsn\":\"{lsn}\",\"seq\":null,\"ts_ms\":{now},\"snapshot\":true}},\"before\":null,\"after\":{{\"id\":"
        );
        Writer { before_row: before_row.into_bytes(), key: Vec::new(), value: Vec::new(), scratch: Vec::new() }
    }

    /// The key and the value of a line of COPY: `id bigint, a int, b text, c timestamptz, d numeric, e jsonb`. None: it has other columns.
    pub(crate) fn write(&mut self, line: &[u8]) -> Option<(&[u8], &[u8])> {
        let mut columns = line.strip_suffix(b"\n")?.split(|byte| *byte == b'\t');
        let (id, a, b) = (columns.next()?, columns.next()?, columns.next()?);
        let (c, d, e) = (columns.next()?, columns.next()?, columns.next()?);
        self.key.clear();
        self.key.extend_from_slice(b"{\"id\":");
        self.key.extend_from_slice(id);
        self.key.push(b'}');
        let out = &mut self.value;
        out.clear();
        out.extend_from_slice(&self.before_row);
        out.extend_from_slice(id);
        out.extend_from_slice(b",\"a\":");
        or_null(a, out, |a, out| out.extend_from_slice(a));
        out.extend_from_slice(b",\"b\":");
        let scratch = &mut self.scratch;
        or_null(b, out, |b, out| write_string(unescaped(b, scratch), out));
        out.extend_from_slice(b",\"c\":");
        or_null(c, out, write_time);
        out.extend_from_slice(b",\"d\":");
        or_null(d, out, |d, out| {
            out.push(b'"');
            out.extend_from_slice(d);
            out.push(b'"');
        });
        out.extend_from_slice(b",\"e\":");
        or_null(e, out, |e, out| write_document(unescaped(e, scratch), out));
        out.extend_from_slice(b"}}");
        Some((&self.key, &self.value))
    }
}

fn or_null(value: &[u8], out: &mut Vec<u8>, write: impl FnOnce(&[u8], &mut Vec<u8>)) {
    if value == b"\\N" { out.extend_from_slice(b"null") } else { write(value, out) }
}

/// What COPY's text stands for (the manual, COPY, text format).
fn unescaped<'a>(value: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if !value.contains(&b'\\') {
        return value;
    }
    scratch.clear();
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        scratch.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 11,
                Some(other) => *other,
                None => b'\\',
            },
            byte => *byte,
        });
    }
    scratch
}

fn write_string(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if value.iter().fold(true, |is_plain, byte| is_plain & (*byte >= 0x20) & (*byte != b'"') & (*byte != b'\\')) {
        out.extend_from_slice(value);
    } else {
        for byte in value {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                byte => out.push(*byte),
            }
        }
    }
    out.push(b'"');
}

/// `2026-11-22 12:04:40.95+00` becomes `"2026-11-22T12:04:40.95Z"`: the session is at UTC.
fn write_time(value: &[u8], out: &mut Vec<u8>) {
    let local = value.strip_suffix(b"+00").unwrap_or(value);
    out.push(b'"');
    let start = out.len();
    out.extend_from_slice(local);
    if let Some(between) = out.get_mut(start + 10) {
        *between = b'T';
    }
    out.extend_from_slice(b"Z\"");
}

/// JSON without the spaces that jsonb has between values.
fn write_document(value: &[u8], out: &mut Vec<u8>) {
    let (mut is_string, mut is_escaped) = (false, false);
    for byte in value {
        if is_string || *byte != b' ' {
            out.push(*byte);
        }
        is_string ^= *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_as_waltap_writes_it() {
        let mut writer = Writer::new("bench", "bench", "0/15272E0");
        let line = b"1\t-2\tc4 \\\\ \"\\t\t2026-11-22 12:04:40.950756+00\t0.01\t{\"k\": 1, \"s\": \"v 1\"}\n";
        let (key, value) = writer.write(line).unwrap();
        assert_eq!(key, b"{\"id\":1}");
        let value = String::from_utf8(value.to_vec()).unwrap();
        let row =
            r#""after":{"id":1,"a":-2,"b":"c4 \\ \"\t","c":"2026-11-22T12:04:40.950756Z","d":"0.01","e":{"k":1,"s":"v 1"}}}"#;
        assert!(value.ends_with(row), "{value}");
        assert!(serde_json::from_str::<serde_json::Value>(&value).is_ok());
    }

    #[test]
    fn a_null_is_a_null() {
        let mut writer = Writer::new("bench", "bench", "0/0");
        let (_, value) = writer.write(b"1\t\\N\t\\N\t\\N\t\\N\t\\N\n").unwrap();
        assert!(value.ends_with(br#"{"id":1,"a":null,"b":null,"c":null,"d":null,"e":null}}"#));
    }
}
