//! A pattern on one name, and how lists of them are parted.

use globset::{GlobBuilder, GlobMatcher};
use waltap_error::{Code, Error, Result};

/// A pattern on one name: a glob (`*`, `?`, `[a-z]`, `{a,b}`), or a name in double quotes, which is taken as it stands.
///
/// Unlike SQL, a name without quotes is not folded to lower case: a glob that cannot say `Orders` would be of no use for log tables.
#[derive(Debug, Clone)]
pub(super) enum NamePattern {
    Exact(String),
    Glob(GlobMatcher),
}

impl NamePattern {
    pub(super) fn parse(text: &str, whole: &str) -> Result<Self> {
        if let Some(quoted) = text.strip_prefix('"') {
            let name =
                quoted.strip_suffix('"').filter(|_| text.len() > 1).ok_or_else(|| invalid(whole, "a quote is not closed"))?;
            return Ok(NamePattern::Exact(name.replace("\"\"", "\"")));
        }
        if text.is_empty() {
            return Err(invalid(whole, "a name is empty"));
        }
        // `literal_separator` off: a `/` in a name is a letter like any other.
        match GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build() {
            Ok(glob) => Ok(NamePattern::Glob(glob.compile_matcher())),
            Err(error) => Err(invalid(whole, "it is not a glob").source(error)),
        }
    }

    /// Whether it means one name only. `text` is what it was read from.
    pub(super) fn is_literal(&self, text: &str) -> bool {
        match self {
            NamePattern::Exact(_) => true,
            NamePattern::Glob(_) => !text.contains(['*', '?', '[', '{', '\\']),
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            NamePattern::Exact(exact) => exact == name,
            NamePattern::Glob(glob) => glob.is_match(name),
        }
    }
}

pub(super) fn invalid(pattern: &str, what: &str) -> Error {
    Error::configuration(Code::INVALID_VALUE, format!("the pattern `{pattern}` is not valid: {what}"))
        .remedy("write patterns as `schema.table`, for example `public.orders`, `sales.*` or `\"Sales\".\"Order.Items\"`")
}

/// Splits at `separator` outside double quotes and braces.
pub(super) fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut braces) = (Vec::new(), 0, false, 0usize);
    for (index, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '{' if !quoted => braces += 1,
            '}' if !quoted => braces = braces.saturating_sub(1),
            _ if character == separator && !quoted && braces == 0 => {
                parts.push(&text[start..index]);
                start = index + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Whether a quote is opened and not closed.
pub(super) fn has_open_quote(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'"').count() % 2 == 1
}

/// A text that may stand in double quotes, without them.
pub(super) fn unquoted(text: &str) -> String {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_owned(),
    }
}
