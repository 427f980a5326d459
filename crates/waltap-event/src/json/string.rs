//! Strings.

use simdutf8::basic::Utf8Error;

use crate::append::append_start;
use crate::scan::{plain_ascii_length, plain_length};

/// Appends the text as a string in quotes, if it is UTF-8; or else nothing.
pub(crate) fn write_checked(text: &[u8], out: &mut Vec<u8>) -> Result<(), Utf8Error> {
    write_checked_by(write_parts, text, out)
}

/// The same, with something else that writes what has to be escaped. One look at the text does for the start, or all, that needs neither that
/// nor to be looked at for whether it is UTF-8.
#[inline(always)]
pub(crate) fn write_checked_by(
    write_parts: impl FnOnce(&[u8], &mut Vec<u8>),
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Utf8Error> {
    let (plain, rest) = text.split_at(plain_ascii_length(text).min(text.len()));
    if !rest.is_empty() {
        simdutf8::basic::from_utf8(rest)?;
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(plain);
    if !rest.is_empty() {
        write_parts(rest, out);
    }
    out.push(b'"');
    Ok(())
}

/// Appends `text`, which is valid UTF-8, as a string in quotes.
pub(crate) fn write(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    write_parts(text, out);
    out.push(b'"');
}

fn write_parts(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        let length = plain_length(rest);
        append_start(rest, length, out);
        let Some((byte, after)) = rest.get(length..).and_then(<[u8]>::split_first) else { return };
        write_escaped(*byte, out);
        rest = after;
    }
}

fn write_escaped(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes() {
        assert_eq!(written("a\"b\\c\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}/é"), "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0000\\u001f\u{7f}/é\"");
    }

    proptest! {
        #[test]
        fn a_checked_string_is_the_same(text in prop_oneof![
            ".*".prop_map(String::into_bytes),
            "[a-z \"\\\\]{0,80}".prop_map(String::into_bytes),
            ("[ -~]{0,80}", "\\PC{0,5}", prop::collection::vec(any::<u8>(), 0..3)).prop_map(|(ascii, any, bytes)| [ascii.as_bytes(), any.as_bytes(), &bytes].concat()),
        ]) {
            let mut out = b"before".to_vec();
            let is_written = write_checked(&text, &mut out).is_ok();
            let expected = str::from_utf8(&text).map(written).ok();
            prop_assert_eq!(is_written, expected.is_some());
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("before{}", expected.unwrap_or_default()));
        }

        #[test]
        fn reads_back(text in ".*") {
            prop_assert_eq!(serde_json::from_str::<String>(&written(&text)).unwrap(), text);
        }
    }
}
