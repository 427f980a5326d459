//! Values.

use waltap_pgoutput::Value;

use crate::Kind;
use crate::append::append_start;
use crate::json::{base64, containers, document, number, string};
use crate::scan;
use crate::text::array::{self, Token};
use crate::text::date_time::{self, Date, Time, write_date, write_date_of};
use crate::text::{bytea, hstore, money, unescape};

// The depth of a record's JSON: the envelope and its row, arrays in arrays, and a document within. serde_json's bound is the lowest.
const _: () = assert!(2 + crate::catalog::ARRAY_NESTING_MAX * array::DIMENSIONS_MAX + (containers::DEPTH_MAX as usize) < 128);

/// The text of a value is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is not valid UTF-8")]
pub struct NotUtf8;

/// Appends the JSON of one value; `scratch` is working space to be used again. An unchanged value, which has no JSON, becomes null.
///
/// Either the whole value is appended or, on an error, nothing. This is the part of the format that meets hostile input: a fuzzer need
/// look no further.
pub fn write_value(kind: &Kind, value: Value<'_>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    match value {
        Value::Text(text) => write_text(kind, text, scratch, out)?,
        other => write_other(other, out),
    }
    Ok(())
}

/// As [`write_value`], for text.
#[inline(always)]
pub(super) fn write_text(kind: &Kind, text: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    match kind {
        Kind::Text => return string::write_checked(text, out).map_err(|_| NotUtf8),
        Kind::Json | Kind::Array { .. } | Kind::Hstore => {}
        // What these accept is ASCII, so that the check for UTF-8 can be left out.
        scalar if write_scalar(scalar, text, out) => return Ok(()),
        _ => {}
    }
    if !is_utf8(text) {
        return Err(NotUtf8);
    }
    write_utf8(kind, text, scratch, out);
    Ok(())
}

/// As [`write_value`], for what is no text.
pub(super) fn write_other(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(_) | Value::Null | Value::Unchanged => out.extend_from_slice(b"null"),
        Value::Binary(bytes) => base64::write(bytes, out),
    }
}

/// Up to here simdutf8 looks at single bytes.
const SHORT_TEXT_BYTES_MAX: usize = 64;

pub(crate) fn is_utf8(text: &[u8]) -> bool {
    text.len() < SHORT_TEXT_BYTES_MAX && scan::is_ascii(text) || simdutf8::basic::from_utf8(text).is_ok()
}

/// Writes the text, which is valid UTF-8, as its kind, or else as it is.
fn write_utf8(kind: &Kind, text: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    let start = out.len();
    let written = match kind {
        Kind::Json => document::write(text, out),
        Kind::Array { element, delimiter } => write_array(element, *delimiter, text, scratch, out).is_ok(),
        Kind::Hstore => write_hstore(text, scratch, out).is_ok(),
        Kind::Text => false,
        _ => write_scalar(kind, text, out),
    };
    if !written {
        out.truncate(start);
        string::write(text, out);
    }
}

/// Writes kinds that are ASCII and have no parts. Gives false, and appends nothing, for others and for text that is not as its kind promises.
#[inline(always)]
fn write_scalar(kind: &Kind, text: &[u8], out: &mut Vec<u8>) -> bool {
    match kind {
        Kind::Boolean => {
            let literal = match text {
                b"t" => &b"true"[..],
                b"f" => b"false",
                _ => return false,
            };
            out.extend_from_slice(literal);
            true
        }
        Kind::Integer if number::is_integer(text) => {
            out.extend_from_slice(text);
            true
        }
        Kind::Float if number::is_number(text) => {
            out.extend_from_slice(text);
            true
        }
        Kind::Money => write_money(text, out),
        Kind::Date => date_time::date(text).map(|date| quoted(out, |out| write_date_of(text, date, out))).is_some(),
        Kind::Timestamp => write_timestamp(text, out).is_some(),
        Kind::TimestampTz => write_timestamp_at_utc(text, out).is_some(),
        Kind::TimeTz => write_time_with_offset(text, out).is_some(),
        Kind::Bytea => write_bytea(text, out).is_some(),
        Kind::Char => write_high_char(text, out),
        _ => false,
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn write_money(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.push(b'"');
    if money::write_plain(text, out) {
        out.push(b'"');
        true
    } else {
        out.truncate(start);
        false
    }
}

fn write_timestamp(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (date, time) = date_time::timestamp(text)?;
    write_as_read(text, date, time, b"\"", out);
    Some(())
}

fn write_timestamp_at_utc(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (date, time, offset) = date_time::timestamp_with_offset(text)?;
    if offset == 0 {
        write_as_read(text, date, time, b"Z\"", out);
        return Some(());
    }
    quoted(out, |out| {
        let (date, second) = date_time::at_utc(date, time, offset);
        write_date(date, out);
        out.push(b'T');
        date_time::write_time_of_day(second, out);
        if !time.fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(time.fraction);
        }
        out.push(b'Z');
    });
    Some(())
}

/// Appends a timestamp that was read from this text, with the same offset, in a string; `end` has the closing quote.
pub(crate) fn write_as_read<const N: usize>(text: &[u8], date: Date, time: Time<'_>, end: &[u8; N], out: &mut Vec<u8>) {
    match date_time::as_written(text, date) {
        Some((date, [_space, time_and_more @ ..])) => {
            let [year @ .., _, month_tens, month_ones, _, day_tens, day_ones] = *date;
            let [a, b, c, d] = year;
            out.extend_from_slice(&[b'"', a, b, c, d, b'-', month_tens, month_ones, b'-', day_tens, day_ones, b'T']);
            append_start(time_and_more, time.text.len(), out);
        }
        _ => {
            out.push(b'"');
            write_date(date, out);
            out.push(b'T');
            out.extend_from_slice(time.text);
        }
    }
    out.extend_from_slice(end);
}

/// PostgreSQL leaves out minutes of zero, on which many readers insist.
fn write_time_with_offset(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (time, offset) = date_time::time_with_offset(text)?;
    let hours_alone = offset.len() == b"+00".len();
    quoted(out, |out| {
        out.extend_from_slice(time.text);
        out.extend_from_slice(offset);
        out.extend_from_slice(if hours_alone { b":00" } else { b"" });
    });
    Some(())
}

fn write_bytea(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let digits = bytea::digits(text)?;
    let mut valid = true;
    quoted(out, |out| {
        out.reserve(digits.len() / 3 * 4 + 4);
        let mut piece = [0; base64::PIECE];
        for digits in digits.chunks(base64::PIECE) {
            let piece = piece.get_mut(..digits.len()).unwrap_or_default();
            valid &= bytea::decode(digits, piece);
            base64::write_piece(piece, out);
        }
    });
    if !valid {
        out.truncate(start);
    }
    valid.then_some(())
}

/// A `"char"` past ASCII, as PostgreSQL 16 and later print it: `\` and three octal digits. Before 16 the bare byte is sent, which is not UTF-8.
fn write_high_char(text: &[u8], out: &mut Vec<u8>) -> bool {
    let [byte @ 0x80..=0xff] = text else { return false };
    let octal = |shift: u8| b'0' + (byte >> shift & 7);
    string::write(&[b'\\', octal(6), octal(3), octal(0)], out);
    true
}

fn write_array(
    element: &Kind,
    delimiter: u8,
    text: &[u8],
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), array::Malformed> {
    let mut lexer = array::Lexer::new(text, delimiter);
    while let Some(token) = lexer.next_token()? {
        match token {
            Token::Open => out.push(b'['),
            Token::Close => out.push(b']'),
            Token::Delimiter => out.push(b','),
            Token::Null => out.extend_from_slice(b"null"),
            Token::Element(text) => write_utf8(element, text, scratch, out),
            Token::Escaped(quoted) => with_unescaped(quoted, scratch, |text, scratch| write_utf8(element, text, scratch, out)),
        }
    }
    Ok(())
}

fn write_hstore(text: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), hstore::Malformed> {
    let mut write_string = |quoted: hstore::Quoted<'_>, out: &mut Vec<u8>| {
        if quoted.escapes {
            with_unescaped(quoted.text, scratch, |text, _| string::write(text, out));
        } else {
            string::write(quoted.text, out);
        }
    };
    let mut pairs = hstore::Pairs::new(text);
    let mut mark = b'{';
    while let Some((key, value)) = pairs.next_pair()? {
        out.push(mark);
        mark = b',';
        write_string(key, out);
        out.push(b':');
        match value {
            Some(value) => write_string(value, out),
            None => out.extend_from_slice(b"null"),
        }
    }
    if mark == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
    Ok(())
}

/// Hands over the text without its escapes, in the scratch space. What is nested within gets an empty one of its own.
fn with_unescaped(quoted: &[u8], scratch: &mut Vec<u8>, write: impl FnOnce(&[u8], &mut Vec<u8>)) {
    let mut text = std::mem::take(scratch);
    text.clear();
    unescape(quoted, &mut text);
    write(&text, scratch);
    *scratch = text;
}
