//! Which columns of a table are in its events, and which of them masked.

use waltap_error::{Code, Error, Result};
use waltap_event::{Mask, Salt, Treatment};

use super::TablePattern;
use super::pattern::{NamePattern, has_open_quote, split_outside_quotes, unquoted};

/// What becomes of the columns of tables. Where nothing is said, every column is in the events as it is.
#[derive(Debug, Clone, Default)]
pub struct ColumnSelection {
    include: Vec<ColumnPattern>,
    exclude: Vec<ColumnPattern>,
    masks: Vec<(ColumnPattern, Mask)>,
}

/// Columns of tables: patterns on both.
#[derive(Debug, Clone)]
struct ColumnPattern {
    text: String,
    tables: TablePattern,
    column: NamePattern,
    /// Whether one column of one table is named.
    is_literal: bool,
}

/// The names of a table's columns.
pub(crate) struct TableColumns<'a> {
    pub(crate) schema: &'a str,
    pub(crate) table: &'a str,
    pub(crate) columns: Vec<&'a str>,
}

impl ColumnPattern {
    fn matches(&self, schema: &str, table: &str, column: &str) -> bool {
        self.tables.matches(schema, table) && self.column.matches(column)
    }
}

impl ColumnSelection {
    /// Keeps, of the tables that it is meant for, nothing but the columns named: `schema.table=column,column`, patterns all.
    pub fn include(&mut self, text: &str) -> Result<()> {
        self.include.extend(patterns(text)?);
        Ok(())
    }

    /// Leaves columns out: `schema.table=column,column`, patterns all.
    pub fn exclude(&mut self, text: &str) -> Result<()> {
        self.exclude.extend(patterns(text)?);
        Ok(())
    }

    /// Masks columns: `schema.table=column:hash,column:truncate:10,column:constant:"***"`. The first mask that fits a column is its mask.
    pub fn mask(&mut self, text: &str, salt: Option<&Salt>) -> Result<()> {
        let (tables, entries) = table_and_entries(text)?;
        for entry in entries {
            let parts: Vec<&str> = split_outside_quotes(entry, ':').into_iter().map(str::trim).collect();
            let (column, mask) = match parts[..] {
                [column, "hash"] => (column, Mask::Hash(salt.ok_or_else(|| no_salt(text))?.clone())),
                [column, "truncate", length] => {
                    let length = length.parse().map_err(|_| invalid(text, "the length to truncate to is not a whole number"))?;
                    (column, Mask::Truncate(length))
                }
                [column, "constant", ref constant @ ..] if !constant.is_empty() => {
                    let constant = constant.join(":");
                    // A stray brace or quote would have swallowed the entries that follow.
                    if !constant.starts_with('"') && constant.contains(['{', '}', '"']) {
                        return Err(invalid(text, "a constant with braces or quotes in it stands in double quotes"));
                    }
                    (column, Mask::Constant(unquoted(&constant)))
                }
                _ => return Err(invalid(text, "a mask is COLUMN:hash, COLUMN:truncate:LENGTH or COLUMN:constant:TEXT")),
            };
            self.masks.push((pattern(&tables, column, text)?, mask));
        }
        Ok(())
    }

    /// What becomes of a column.
    pub fn treatment(&self, schema: &str, table: &str, column: &str) -> Treatment {
        let matches = |pattern: &ColumnPattern| pattern.matches(schema, table, column);
        let mut choices = self.include.iter().filter(|pattern| pattern.tables.matches(schema, table)).peekable();
        let is_included = choices.peek().is_none() || choices.any(|pattern| pattern.column.matches(column));
        if !is_included || self.exclude.iter().any(matches) {
            return Treatment::Omit;
        }
        match self.masks.iter().find(|(pattern, _)| matches(pattern)) {
            Some((_, mask)) => Treatment::Mask(mask.clone()),
            None => Treatment::Keep,
        }
    }

    /// Whether every column is in the events as it is.
    pub fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty() && self.masks.is_empty()
    }

    /// The columns named in full that no table has, or not every table of that name. Patterns may well be meant for what is to come;
    /// a name that is not there is a slip of the pen, which would give away what was to be masked.
    pub(crate) fn unmatched<'a>(&'a self, tables: &[TableColumns<'_>]) -> Vec<&'a str> {
        let all = self.include.iter().chain(&self.exclude).chain(self.masks.iter().map(|(pattern, _)| pattern));
        let is_missing = |pattern: &&ColumnPattern| {
            let mut meant = tables.iter().filter(|table| pattern.tables.matches(table.schema, table.table)).peekable();
            let lacks_it = |table: &TableColumns<'_>| !table.columns.iter().any(|column| pattern.column.matches(column));
            pattern.is_literal && (meant.peek().is_none() || meant.any(lacks_it))
        };
        all.filter(is_missing).map(|pattern| pattern.text.as_str()).collect()
    }
}

fn patterns(text: &str) -> Result<Vec<ColumnPattern>> {
    let (tables, columns) = table_and_entries(text)?;
    columns.into_iter().map(|column| pattern(&tables, column, text)).collect()
}

fn table_and_entries(text: &str) -> Result<(TablePattern, Vec<&str>)> {
    let mut parts = split_outside_quotes(text, '=').into_iter();
    let tables = parts.next().unwrap_or_default();
    if parts.next().is_none() {
        return Err(invalid(text, "it is not of the form schema.table=column,column"));
    }
    if has_open_quote(text) {
        return Err(invalid(text, "a quote is not closed"));
    }
    // A constant may hold the sign too.
    let entries = text[tables.len() + 1..].trim();
    Ok((TablePattern::parse(tables)?, split_outside_quotes(entries, ',').into_iter().map(str::trim).collect()))
}

fn pattern(tables: &TablePattern, column: &str, whole: &str) -> Result<ColumnPattern> {
    let text = format!("{}={column}", tables.as_str());
    let name = NamePattern::parse(column, whole)?;
    let is_literal = tables.is_literal() && name.is_literal(column);
    Ok(ColumnPattern { text, tables: tables.clone(), column: name, is_literal })
}

fn invalid(text: &str, what: &str) -> Error {
    Error::configuration(Code::INVALID_VALUE, format!("the columns `{text}` are not valid: {what}")).remedy(
        "for example `public.customers=email` or, to mask, `public.customers=email:hash,note:truncate:20,card:constant:\"***\"`",
    )
}

fn no_salt(text: &str) -> Error {
    Error::configuration(Code::INVALID_VALUE, format!("the mask `{text}` is a hash, and there is no salt"))
        .remedy("give --mask-salt-file a file with a secret in it: without one, a hash is undone by trying values")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(include: &[&str], exclude: &[&str], masks: &[&str]) -> ColumnSelection {
        let mut selection = ColumnSelection::default();
        include.iter().for_each(|text| selection.include(text).unwrap());
        exclude.iter().for_each(|text| selection.exclude(text).unwrap());
        masks.iter().for_each(|text| selection.mask(text, Salt::new(b"salt").as_ref()).unwrap());
        selection
    }

    #[test]
    fn only_the_tables_that_are_meant_lose_columns() {
        let columns = selection(&["public.customers=id,name"], &["*=secret_*"], &[]);
        let treatment = |table: &str, column: &str| columns.treatment("public", table, column);
        assert_eq!(treatment("customers", "id"), Treatment::Keep);
        assert_eq!(treatment("customers", "email"), Treatment::Omit);
        assert_eq!(treatment("orders", "email"), Treatment::Keep);
        assert_eq!(treatment("orders", "secret_note"), Treatment::Omit);
    }

    #[test]
    fn the_first_mask_that_fits_is_the_mask() {
        let masks = [
            "public.c=email:hash,note:truncate:3",
            "*=\"a:b\":constant:\"x,\"\"y\"",
            "*=n*:constant:u=v:w",
            "*=empty:constant:",
            "*=odd : constant:constant",
        ];
        let columns = selection(&[], &[], &masks);
        let mask = |column: &str| match columns.treatment("public", "c", column) {
            Treatment::Mask(mask) => mask,
            other => panic!("{column}: {other:?}"),
        };
        assert_eq!(mask("email"), Mask::Hash(Salt::new(b"salt").unwrap()));
        assert_eq!(mask("note"), Mask::Truncate(3));
        assert_eq!(mask("a:b"), Mask::Constant("x,\"y".to_owned()));
        assert_eq!(mask("nothing"), Mask::Constant("u=v:w".to_owned()));
        assert_eq!(mask("odd"), Mask::Constant("constant".to_owned()));
        assert_eq!(mask("empty"), Mask::Constant(String::new()));
        assert_eq!(columns.treatment("public", "c", "id"), Treatment::Keep);
    }

    #[test]
    fn what_is_no_choice_of_columns_is_refused() {
        for bad in ["public.c", "public.c=", "=a", "a.b.c=d"] {
            assert_eq!(patterns(bad).unwrap_err().code(), Code::INVALID_VALUE, "{bad}");
        }
        for bad in [
            "c=a",
            "c=a:b",
            "c=a:truncate",
            "c=a:truncate:x",
            "c=a:truncate:-1",
            "c=a:constant",
            "c=a:hash:b",
            "c=:hash",
            "c=a:constant:{,b:hash",
            "c=a:constant:\",b:hash",
            "c=a:constant:{,b:constant:}",
        ] {
            let refused = ColumnSelection::default().mask(bad, Salt::new(b"salt").as_ref());
            assert_eq!(refused.unwrap_err().code(), Code::INVALID_VALUE, "{bad}");
        }
        assert!(ColumnSelection::default().mask("c=a:hash", None).unwrap_err().message().contains("no salt"));
    }

    #[test]
    fn names_that_are_not_there_are_told() {
        let columns =
            selection(&["public.c=id"], &["public.c=gone", "*=gone", "c=pass*"], &["\"C.c\"=\"x*\":constant:x", "c=emial:hash"]);
        let table = |schema, columns: &[&'static str]| TableColumns { schema, table: "c", columns: columns.to_vec() };
        let tables = [table("public", &["id", "email"])];
        assert_eq!(columns.unmatched(&tables), ["public.c=gone", "\"C.c\"=\"x*\"", "c=emial"]);
        // The same name in another schema, or another database, without the column.
        let columns = selection(&[], &["c=email"], &[]);
        assert!(columns.unmatched(&tables).is_empty());
        assert_eq!(columns.unmatched(&[table("public", &["email"]), table("sales", &["e_mail"])]), ["c=email"]);
    }
}
