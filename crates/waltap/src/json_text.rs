//! JSON as text: embedded and laid out without being understood, so that every digit of a number stays as it is.

use serde::de::IgnoredAny;

/// What stands for bytes in a line of JSON: themselves when they are JSON, else a JSON string.
///
/// Bytes that are not UTF-8 either lose what cannot be shown: this is for looking.
pub(crate) fn embed(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
            // A line end in valid JSON stands between tokens, where a space does as well.
            text.trim().replace(['\n', '\r'], " ")
        }
        Ok(text) => quoted(text),
        Err(_) => quoted(&String::from_utf8_lossy(bytes)),
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Lays valid JSON out over several lines.
pub(crate) fn pretty(json: &str) -> String {
    let mut laid_out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            laid_out.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '"' => {
                in_string = true;
                laid_out.push('"');
            }
            '{' | '[' => {
                laid_out.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(closing) => laid_out.push(closing),
                    None => {
                        depth += 1;
                        new_line(&mut laid_out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut laid_out, depth);
                laid_out.push(character);
            }
            ',' => {
                laid_out.push(',');
                new_line(&mut laid_out, depth);
            }
            ':' => laid_out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => laid_out.push(other),
        }
    }
    laid_out
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_embedded_to_the_digit_and_the_rest_is_quoted() {
        assert_eq!(embed(b"{\"a\": 1.10000000000000000000000000001}"), "{\"a\": 1.10000000000000000000000000001}");
        assert_eq!(embed(b"{\n\"a\":\r\n1}"), "{ \"a\":  1}");
        assert_eq!(embed(b"plain \"text\""), "\"plain \\\"text\\\"\"");
        assert_eq!(embed(b"\xff"), "\"\u{fffd}\"");
        assert_eq!(embed(b""), "\"\"");
    }

    #[test]
    fn json_is_laid_out() {
        assert_eq!(
            pretty(r#"{"a":[1,2.50],"b":{},"c":[ ],"d":"x:{\"}\\","e":null}"#),
            "{\n  \"a\": [\n    1,\n    2.50\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": \"x:{\\\"}\\\\\",\n  \"e\": null\n}"
        );
    }
}
