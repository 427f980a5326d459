//! Which databases and tables a capture wants: globs on `schema.table`, with quoted names as in SQL.

use globset::{GlobBuilder, GlobMatcher};
use waltap_error::{Code, Error, Result};

/// A pattern on one name: a glob (`*`, `?`, `[a-z]`, `{a,b}`), or a name in double quotes, which is taken as it stands.
///
/// Unlike SQL, a name without quotes is not folded to lower case: a glob that cannot say `Orders` would be of no use for log tables.
#[derive(Debug, Clone)]
enum NamePattern {
    Exact(String),
    Glob(GlobMatcher),
}

impl NamePattern {
    fn parse(text: &str, whole: &str) -> Result<Self> {
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

    fn matches(&self, name: &str) -> bool {
        match self {
            NamePattern::Exact(exact) => exact == name,
            NamePattern::Glob(glob) => glob.is_match(name),
        }
    }
}

fn invalid(pattern: &str, what: &str) -> Error {
    Error::configuration(Code::INVALID_VALUE, format!("the pattern `{pattern}` is not valid: {what}"))
        .remedy("write patterns as `schema.table`, for example `public.orders`, `sales.*` or `\"Sales\".\"Order.Items\"`")
}

/// Splits at `separator` outside double quotes and braces.
fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
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

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
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
        let patterns = |list: &[S]| -> Result<Vec<TablePattern>> {
            list.iter().flat_map(|entry| split_outside_quotes(entry.as_ref(), ',')).map(TablePattern::parse).collect()
        };
        Ok(TableSelection { include: patterns(include)?, exclude: patterns(exclude)? })
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

/// Which databases of a server are captured.
#[derive(Debug, Clone, Default)]
pub struct DatabaseSelection {
    include: Vec<(String, NamePattern)>,
}

impl DatabaseSelection {
    /// Reads a list of patterns on names; each entry may hold several, parted by commas. None means every database.
    pub fn parse<S: AsRef<str>>(include: &[S]) -> Result<Self> {
        let include = include
            .iter()
            .flat_map(|entry| split_outside_quotes(entry.as_ref(), ','))
            .map(|text| Ok((text.trim().to_owned(), NamePattern::parse(text.trim(), text)?)))
            .collect::<Result<_>>()?;
        Ok(DatabaseSelection { include })
    }

    /// Whether the database is captured.
    pub fn matches(&self, database: &str) -> bool {
        self.include.is_empty() || self.include.iter().any(|(_, pattern)| pattern.matches(database))
    }

    /// The patterns, as they were written, that match none of the names.
    pub fn unmatched<'a>(&'a self, databases: &[&str]) -> Vec<&'a str> {
        let matches_none = |pattern: &NamePattern| !databases.iter().any(|database| pattern.matches(database));
        self.include.iter().filter(|(_, pattern)| matches_none(pattern)).map(|(text, _)| text.as_str()).collect()
    }
}

/// A record key of the user's choice: `schema.table=column,column`.
#[derive(Debug, Clone)]
pub struct KeyChoice {
    tables: TablePattern,
    columns: Vec<String>,
}

impl KeyChoice {
    /// Reads `schema.table=column,column`; the table may be a pattern, columns may be quoted.
    pub fn parse(text: &str) -> Result<Self> {
        let [tables, columns] = split_outside_quotes(text, '=')[..] else {
            return Err(Error::configuration(
                Code::INVALID_VALUE,
                format!("the key `{text}` is not of the form schema.table=column,column"),
            ));
        };
        let columns = split_outside_quotes(columns, ',')
            .into_iter()
            .map(|column| match NamePattern::parse(column.trim(), text)? {
                NamePattern::Exact(name) => Ok(name),
                NamePattern::Glob(_) => Ok(column.trim().to_owned()),
            })
            .collect::<Result<_>>()?;
        Ok(KeyChoice { tables: TablePattern::parse(tables)?, columns })
    }

    /// The tables that it is meant for.
    pub fn tables(&self) -> &TablePattern {
        &self.tables
    }

    /// The columns of the key, when the choice is meant for this table.
    pub fn columns_of(&self, schema: &str, table: &str) -> Option<&[String]> {
        self.tables.matches(schema, table).then_some(&self.columns[..])
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn databases_that_match_nothing_are_named() {
        let selection = DatabaseSelection::parse(&["shop,crm_*"]).unwrap();
        assert!(selection.matches("crm_eu") && selection.matches("shop") && !selection.matches("postgres"));
        assert_eq!(selection.unmatched(&["shop", "postgres"]), ["crm_*"]);
    }

    #[test]
    fn keys_of_the_users_choice() {
        let key = KeyChoice::parse("public.*=tenant,\"Order Id\"").unwrap();
        assert_eq!(key.columns_of("public", "orders").unwrap(), ["tenant", "Order Id"]);
        assert!(key.columns_of("sales", "orders").is_none());
        assert!(KeyChoice::parse("public.orders").is_err());
    }
}
