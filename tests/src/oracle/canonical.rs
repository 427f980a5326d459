//! One text for one value, whether it comes from the source or from an event.

use serde_json::Value;

use super::source::Kind;
use crate::Result;

/// The text of a value as it stood in an event; None for null.
pub(super) fn of_event(json: &str, kind: Kind) -> Result<Option<String>> {
    match kind {
        _ if json == "null" => Ok(None),
        Kind::Json => Ok(Some(minify(json))),
        Kind::Array => array(json).map(Some),
        Kind::Scalar if json.starts_with('"') => Ok(Some(serde_json::from_str(json)?)),
        // Numbers are compared by their own digits, and booleans read as PostgreSQL casts them.
        Kind::Scalar => Ok(Some(json.to_owned())),
    }
}

/// The text of a value as the source gave it, by the expression of its column.
pub(super) fn of_source(text: &str, kind: Kind) -> Result<String> {
    match kind {
        Kind::Scalar => Ok(text.to_owned()),
        Kind::Json => Ok(minify(text)),
        Kind::Array => array(text),
    }
}

/// Takes white space out, but for strings: digits and the order of keys stay.
fn minify(json: &str) -> String {
    let mut minified = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else {
            if character.is_ascii_whitespace() {
                continue;
            }
            in_string = character == '"';
        }
        minified.push(character);
    }
    minified
}

/// An array with every element as text: PostgreSQL's own JSON has numeric as numbers, an event as strings.
fn array(json: &str) -> Result<String> {
    fn texts(value: Value) -> Value {
        match value {
            Value::Array(elements) => Value::Array(elements.into_iter().map(texts).collect()),
            Value::Number(number) => Value::String(number.to_string()),
            Value::Bool(truth) => Value::String(truth.to_string()),
            other => other,
        }
    }
    Ok(texts(serde_json::from_str(json)?).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text() {
        assert_eq!(of_event("null", Kind::Scalar).unwrap(), None);
        assert_eq!(of_event("\"null\"", Kind::Scalar).unwrap().unwrap(), "null");
        assert_eq!(of_event("12.50", Kind::Scalar).unwrap().unwrap(), "12.50");
        assert_eq!(of_event("\"a\\u00e9\\n\"", Kind::Scalar).unwrap().unwrap(), "aé\n");
        assert_eq!(of_event("{\"a\":[1.10,\" \\\" x\"]}", Kind::Json).unwrap().unwrap(), "{\"a\":[1.10,\" \\\" x\"]}");
        assert_eq!(of_source("{\"a\": [1.10, \" \\\" x\"]}", Kind::Json).unwrap(), "{\"a\":[1.10,\" \\\" x\"]}");
        assert_eq!(
            of_source("[[1,2],[3,null]]", Kind::Array).unwrap(),
            of_event("[[\"1\",2],[3,null]]", Kind::Array).unwrap().unwrap()
        );
    }
}
