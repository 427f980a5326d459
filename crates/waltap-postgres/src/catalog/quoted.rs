//! Names and literals as SQL takes them. Always quoted: a name that needs no quotes today may be a keyword tomorrow.

use postgres_protocol::escape::{escape_identifier, escape_literal};

/// `"name"`.
pub fn quoted_identifier(name: &str) -> String {
    escape_identifier(name)
}

/// `'text'`.
pub fn quoted_literal(text: &str) -> String {
    // The library puts a space before an E'' literal, so that it can follow a keyword.
    escape_literal(text).trim_start().to_owned()
}

/// `"schema"."name"`.
pub fn quoted_name(schema: &str, name: &str) -> String {
    format!("{}.{}", escape_identifier(schema), escape_identifier(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quoted_name("a\"b", "C d"), r#""a""b"."C d""#);
        assert_eq!(quoted_literal("it's"), "'it''s'");
        assert_eq!(quoted_literal("a\\b"), r"E'a\\b'");
    }
}
