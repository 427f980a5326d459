//! From the JSON of an event to a text that PostgreSQL reads: what a consumer of the events would do.

use serde_json::Value;
use serde_json::value::RawValue;
use waltap_tests::{Failure, Result};

/// The text of a value for the input of its type; `None` for null. `type_name` is of the element where the type is an array's.
pub(crate) fn input(json: &RawValue, type_name: &str) -> Result<Option<String>> {
    let json = json.get();
    let (element, is_array) = match type_name.strip_suffix("[]") {
        Some(element) => (element, true),
        None if type_name == "tags" => ("text", true),
        None => (type_name, false),
    };
    match json {
        "null" if !matches!(type_name, "json" | "jsonb") => Ok(None),
        _ if is_array => array(json, element).map(Some),
        _ => scalar(json, type_name).map(Some),
    }
}

fn scalar(json: &str, type_name: &str) -> Result<String> {
    if matches!(type_name, "json" | "jsonb") {
        // A document that readers of JSON refuse, such as one with half of a surrogate pair, comes as its text in a string.
        let text: Option<String> = serde_json::from_str(json).ok();
        return Ok(text.filter(|text| text.contains("\\ud8")).unwrap_or_else(|| json.to_owned()));
    }
    match serde_json::from_str(json) {
        Ok(Value::String(text)) => from_text(text, type_name),
        Ok(Value::Object(entries)) if type_name == "hstore" => Ok(hstore(entries)),
        // Numbers and truths: their own digits, which a parsed number would not keep.
        Ok(Value::Number(_) | Value::Bool(_)) => Ok(json.to_owned()),
        _ => Err(Failure::new(format!("no value of {type_name}: {json}"))),
    }
}

fn from_text(text: String, type_name: &str) -> Result<String> {
    match type_name {
        "bytea" => Ok(format!("\\x{}", base64_to_hex(&text)?)),
        "date" | "timestamp" | "timestamp(3)" | "timestamptz" => Ok(era(&text)),
        _ => Ok(text),
    }
}

/// ISO 8601's years outside of 1 to 9999, as PostgreSQL writes them: `-0043-03-15` is `0044-03-15 BC`.
fn era(text: &str) -> String {
    if let Some(after) = text.strip_prefix('+') {
        return after.to_owned();
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let Some((year, rest)) = digits.split_once('-') else { return text.to_owned() };
    match year.parse::<i64>().map(|year| year * sign) {
        Ok(year) if year <= 0 => format!("{:04}-{rest} BC", 1 - year),
        _ => text.to_owned(),
    }
}

fn base64_to_hex(text: &str) -> Result<String> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut hex) = (0_u32, 0, String::new());
    for character in text.trim_end_matches('=').chars() {
        let digit = DIGITS.find(character).ok_or_else(|| Failure::new(format!("no base64: {text}")))?;
        bits = (bits << 6 | digit as u32) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            hex.push_str(&format!("{:02x}", bits >> count & 0xff));
        }
    }
    Ok(hex)
}

fn hstore(entries: serde_json::Map<String, Value>) -> String {
    let pairs = entries.into_iter().map(|(key, value)| match value {
        Value::String(value) => format!("{}=>{}", quoted(&key), quoted(&value)),
        _ => format!("{}=>NULL", quoted(&key)),
    });
    pairs.collect::<Vec<_>>().join(",")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An array's literal. Lower bounds are not in the JSON.
fn array(json: &str, element: &str) -> Result<String> {
    let items: Vec<&RawValue> = serde_json::from_str(json)?;
    let delimiter = if element == "box" { ";" } else { "," };
    let mut texts = Vec::new();
    for item in items {
        let item = item.get();
        texts.push(match item {
            _ if item.starts_with('[') && !matches!(element, "json" | "jsonb") => array(item, element)?,
            "null" => "NULL".to_owned(),
            _ => quoted(&scalar(item, element)?),
        });
    }
    Ok(format!("{{{}}}", texts.join(delimiter)))
}
