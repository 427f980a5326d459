//! Documents that are embedded as they are.

use super::containers::{Container, Open};
use super::number;
use crate::append::append_start;
use crate::scan::{self, plain_length};

/// Appends the document without the white space between its tokens: line breaks would part a record in two for readers of lines. Numbers
/// and strings are kept to the letter, repeated keys are kept too.
///
/// Gives false, and appends nothing, when it is not a document that every reader takes: not JSON, nested too deep, or with an escaped half
/// of a surrogate pair (`"\ud800"`, which the json type allows).
pub(crate) fn write(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.reserve(text.len());
    let accepted = copy(text, out).is_some();
    if !accepted {
        out.truncate(start);
    }
    accepted
}

/// One value after another, without recursion: the document may have been made to overflow the stack.
// Apart from what writes other values, the elements of arrays among them, which would bear its weight.
#[inline(never)]
fn copy(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut open = Open::default();
    let mut tokens = Tokens { run: text, rest: text, out };
    tokens.skip_white_space();
    loop {
        // What a value is, its first byte tells.
        match tokens.rest {
            [b'{', ..] => {
                open.enter(Container::Object)?;
                tokens.accept(1)?;
                if !matches!(tokens.rest, [b'}', ..]) {
                    tokens.accept_key()?;
                    continue;
                }
            }
            [b'[', ..] => {
                open.enter(Container::Array)?;
                tokens.accept(1)?;
                if !matches!(tokens.rest, [b']', ..]) {
                    continue;
                }
            }
            [b'"', ..] => tokens.accept(string_length(tokens.rest)?)?,
            [b'-' | b'0'..=b'9', ..] => tokens.accept(number::length(tokens.rest)?)?,
            _ => tokens.accept(literal_length(tokens.rest)?)?,
        }
        // It may be the last one of some containers.
        loop {
            match tokens.rest {
                [b'}', ..] => open.leave(Container::Object)?,
                [b']', ..] => open.leave(Container::Array)?,
                [] => return open.is_empty().then(|| tokens.copy_accepted()),
                _ => break,
            }
            tokens.accept(1)?;
        }
        let [b',', ..] = tokens.rest else { return None };
        let container = open.innermost()?;
        tokens.accept(1)?;
        if container == Container::Object {
            tokens.accept_key()?;
        }
    }
}

/// Takes the text token by token.
struct Tokens<'t, 'o> {
    /// What is accepted and not yet copied begins here; it grows until there is white space to leave out.
    run: &'t [u8],
    rest: &'t [u8],
    out: &'o mut Vec<u8>,
}

impl Tokens<'_, '_> {
    /// Accepts so many bytes, and leaves out the white space behind them.
    #[inline(always)]
    fn accept(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        self.skip_white_space();
        Some(())
    }

    /// Accepts a key and the colon behind it.
    #[inline(always)]
    fn accept_key(&mut self) -> Option<()> {
        let [b'"', ..] = self.rest else { return None };
        self.accept(string_length(self.rest)?)?;
        let [b':', ..] = self.rest else { return None };
        self.accept(1)
    }

    #[inline(always)]
    fn skip_white_space(&mut self) {
        if let [b' ' | b'\t' | b'\n' | b'\r', after @ ..] = self.rest {
            self.copy_accepted();
            self.rest = after_white_space(after);
            self.run = self.rest;
        }
    }

    #[inline(always)]
    fn copy_accepted(&mut self) {
        append_start(self.run, self.run.len() - self.rest.len(), self.out);
    }
}

fn after_white_space(text: &[u8]) -> &[u8] {
    let count = text.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(text.len());
    text.get(count..).unwrap_or_default()
}

fn literal_length(text: &[u8]) -> Option<usize> {
    [&b"true"[..], b"false", b"null"].iter().find(|literal| text.starts_with(literal)).map(|literal| literal.len())
}

/// How long the string at the start is, quotes included.
#[inline(always)]
fn string_length(text: &[u8]) -> Option<usize> {
    let contents = text.get(1..)?;
    match scan::place_in_first_word(contents) {
        // As most keys and many values end.
        Some(place) if contents.get(place) == Some(&b'"') => Some(place + 2),
        _ => any_string_length(text),
    }
}

fn any_string_length(text: &[u8]) -> Option<usize> {
    let mut rest = text.get(1..)?;
    loop {
        rest = rest.get(plain_length(rest)..)?;
        rest = match rest {
            [b'"', after @ ..] => return Some(text.len() - after.len()),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', after @ ..] => after,
            [b'\\', b'u', after @ ..] => after_unicode_escape(after)?,
            // The end, a control character, or an escape that there is not.
            _ => return None,
        };
    }
}

/// What follows the digits of a `\u` escape, and the other half of a pair if they are the first half of one.
fn after_unicode_escape(text: &[u8]) -> Option<&[u8]> {
    let (unit, after) = four_digits(text)?;
    match unit {
        0xd800..=0xdbff => {
            let (low, after) = four_digits(after.strip_prefix(b"\\u")?)?;
            (0xdc00..=0xdfff).contains(&low).then_some(after)
        }
        0xdc00..=0xdfff => None,
        _ => Some(after),
    }
}

fn four_digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, after) = text.split_first_chunk::<4>()?;
    let unit = digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))?;
    Some((unit, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::json::containers::DEPTH_MAX;

    fn embedded(text: &str) -> Option<String> {
        let mut out = b"before".to_vec();
        let accepted = write(text.as_bytes(), &mut out);
        let out = String::from_utf8(out).unwrap();
        let appended = out.strip_prefix("before").unwrap();
        assert!(accepted || appended.is_empty());
        accepted.then(|| appended.to_owned())
    }

    #[test]
    fn white_space_goes_and_all_else_stays() {
        let text =
            " {\"a b\" : [ 1.50 , -0, 1E+400,\r\n\t{ } , [ ] ],\n\"a b\":\"x \\n \\u00e9 \\ud83d\\ude00 é\" , \"\":null}\n";
        let compact = "{\"a b\":[1.50,-0,1E+400,{},[]],\"a b\":\"x \\n \\u00e9 \\ud83d\\ude00 é\",\"\":null}";
        assert_eq!(embedded(text).as_deref(), Some(compact));
        for scalar in ["1", "\"\"", "true", "false", "null", "-1.5e5", "123456789012345678901234567890.000"] {
            assert_eq!(embedded(scalar).as_deref(), Some(scalar));
        }
    }

    #[test]
    fn what_is_not_a_document_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[",
            "]",
            "[1",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{1:2}",
            "[1}",
            "{\"a\":1]",
            "1 2",
            "1,2",
            "tru",
            "truex",
            "nul",
            "\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u123",
            "\"a\nb\"",
            "\"\\ud800\"",
            "\"\\ud800x\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "01",
            "1.",
            "+1",
            "NaN",
            "\u{c}1",
            "[1]]",
            "\u{feff}1",
        ] {
            assert_eq!(embedded(text), None, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(embedded(&nested(DEPTH_MAX as usize)).is_some());
        assert!(embedded(&nested(DEPTH_MAX as usize + 1)).is_none());
        assert!(embedded(&"[".repeat(1_000_000)).is_none());
        let mixed = format!("{}1{}", "{\"a\":[".repeat(50), "]}".repeat(50));
        assert_eq!(embedded(&mixed).as_deref(), Some(mixed.as_str()));
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(".*", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn documents_are_kept(document in document()) {
            let compact = document.to_string();
            prop_assert_eq!(embedded(&compact), Some(compact.clone()));
            prop_assert_eq!(embedded(&serde_json::to_string_pretty(&document).unwrap()), Some(compact));
        }

        #[test]
        fn what_a_parser_refuses_is_refused(text in "[\\[\\]{}\",:0-9a-u\\\\ .eE+-]{0,12}") {
            prop_assert_eq!(embedded(&text).is_some(), serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
