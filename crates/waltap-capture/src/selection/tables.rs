//! Which tables.

use waltap_error::Result;

use super::pattern::{NamePattern, invalid, split_outside_quotes};

/// A pattern on `schema.table`.
#[derive(Debug, Clone)]
pub struct TablePattern {
    text: String,
    schema: NamePattern,
    table: NamePattern,
}

impl TablePattern {
    /// Reads `schema.table`; a name alone means any schema.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (schema, table) = match split_outside_quotes(text, '.')[..] {
            [table] => ("*", table),
            [schema, table] => (schema, table),
            _ => return Err(invalid(text, "it has more than one dot outside quotes")),
        };
        Ok(TablePattern {
            text: text.to_owned(),
            schema: NamePattern::parse(schema, text)?,
            table: NamePattern::parse(table, text)?,
        })
    }

    /// Reads patterns; each entry may hold several, parted by commas.
    pub fn parse_list<S: AsRef<str>>(entries: &[S]) -> Result<Vec<Self>> {
        entries.iter().flat_map(|entry| split_outside_quotes(entry.as_ref(), ',')).map(Self::parse).collect()
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it means one table only, but for the schema, which may be left open.
    pub(super) fn is_literal(&self) -> bool {
        let parts = split_outside_quotes(&self.text, '.');
        let patterns = [&self.schema, &self.table];
        parts.iter().rev().zip(patterns.iter().rev()).all(|(text, pattern)| pattern.is_literal(text))
    }

    /// Whether the table is meant.
    pub fn matches(&self, schema: &str, table: &str) -> bool {
        self.schema.matches(schema) && self.table.matches(table)
    }
}

/// Which tables of a database are captured.
#[derive(Debug, Clone, Default)]
pub struct TableSelection {
    include: Vec<TablePattern>,
    exclude: Vec<TablePattern>,
}

impl TableSelection {
    /// Reads lists of patterns; each entry may hold several, parted by commas. No `include` means every table.
    pub fn parse<S: AsRef<str>>(include: &[S], exclude: &[S]) -> Result<Self> {
        Ok(TableSelection { include: TablePattern::parse_list(include)?, exclude: TablePattern::parse_list(exclude)? })
    }

    /// Whether the table is captured.
    pub fn matches(&self, schema: &str, table: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|pattern| pattern.matches(schema, table)))
            && !self.exclude.iter().any(|pattern| pattern.matches(schema, table))
    }

    /// The patterns that say which tables are wanted. None: all of them.
    pub fn included(&self) -> &[TablePattern] {
        &self.include
    }

    /// Whether every table is wanted.
    pub fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use waltap_error::Code;

    use super::*;

    #[test]
    fn no_pattern_means_every_table() {
        let all = TableSelection::parse::<&str>(&[], &[]).unwrap();
        assert!(all.matches("public", "orders"));
    }

    #[test]
    fn globs_quotes_and_exclusions() {
        let selection = TableSelection::parse(&["public.orders,sales.*", "\"Odd.Schema\".\"A,b\"\"c\""], &["*.audit_*"]).unwrap();
        assert!(selection.matches("public", "orders"));
        assert!(!selection.matches("public", "orders2"));
        assert!(selection.matches("sales", "anything"));
        assert!(!selection.matches("sales", "audit_log"));
        assert!(selection.matches("Odd.Schema", "A,b\"c"));
        assert!(TableSelection::parse(&["orders"], &[]).unwrap().matches("any", "orders"));
        assert!(TableSelection::parse(&["{a,b}.t"], &[]).unwrap().matches("b", "t"));
    }

    #[test]
    fn bad_patterns_name_themselves() {
        for bad in ["a.b.c", "\"open", "", "public.", "[", "\""] {
            let error = TableSelection::parse(&[bad], &[]).unwrap_err();
            assert_eq!(error.code(), Code::INVALID_VALUE, "{bad}");
            assert!(error.message().contains(&format!("`{bad}`")), "{error}");
        }
    }
}
