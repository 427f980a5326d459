//! Strings.

use crate::append::append_start;
use crate::scan::{is_plain_ascii, plain_length};

/// Appends the text as a string in quotes if nothing in it has to be escaped, nor looked at for whether it is UTF-8: as most short texts are.
pub(crate) fn write_if_plain_ascii(text: &[u8], out: &mut Vec<u8>) -> bool {
    let plain = is_plain_ascii(text);
    if plain {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    }
    plain
}

/// Appends `text`, which is valid UTF-8, as a string in quotes.
pub(crate) fn write(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    loop {
        let length = plain_length(rest);
        append_start(rest, length, out);
        let Some((byte, after)) = rest.get(length..).and_then(<[u8]>::split_first) else { break };
        write_escaped(*byte, out);
        rest = after;
    }
    out.push(b'"');
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
        fn reads_back(text in ".*") {
            prop_assert_eq!(serde_json::from_str::<String>(&written(&text)).unwrap(), text);
        }
    }
}
