//! The text forms of PostgreSQL: what its output functions print, taken apart. Nothing here knows JSON.

pub(crate) mod array;
pub(crate) mod bytea;
pub(crate) mod date_time;
pub(crate) mod hstore;
pub(crate) mod interval;
pub(crate) mod money;

use crate::append::append_start;
use crate::scan::plain_length;

/// Appends the contents of a quoted string without its escapes: what follows a backslash stands for itself.
pub(crate) fn unescape(quoted: &[u8], out: &mut Vec<u8>) {
    let mut rest = quoted;
    loop {
        let length = plain_length(rest);
        append_start(rest, length, out);
        rest = match rest.get(length..).unwrap_or_default() {
            [b'\\', literal, after @ ..] | [literal, after @ ..] => {
                out.push(*literal);
                after
            }
            [] => return,
        };
    }
}

/// How long the quoted string is whose opening quote stands before `text`: up to its closing quote. Also whether there are escapes in it.
// Apart from the reading of what is not quoted.
#[inline(never)]
pub(crate) fn quoted_length(text: &[u8]) -> Option<(usize, bool)> {
    let mut escapes = false;
    let mut at = 0;
    loop {
        at += plain_length(text.get(at..)?);
        match text.get(at)? {
            b'"' => return Some((at, escapes)),
            b'\\' => {
                escapes = true;
                at += 2;
            }
            _ => at += 1,
        }
    }
}
