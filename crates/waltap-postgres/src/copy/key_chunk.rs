//! A piece of a table between two keys, and what was read of it.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use waltap_pgoutput::Lsn;

use super::key_column::{KeyColumn, after, among, order, up_to};
use crate::catalog::{Table, VisibleTransactions, quoted_identifier};

/// Which rows of a table are to be read, and how many at most.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRange {
    /// The key that the table is read by: see [`super::chunk_key`].
    pub key: Arc<[KeyColumn]>,
    /// Where they stand.
    pub part: KeyPart,
    /// Which of them, as an SQL condition, beside the table's own row filter; `None` for all.
    pub condition: Option<String>,
    /// How many rows at most, at least one. With a condition, how many are looked at.
    pub rows: u64,
    /// About how many bytes at most: reading ends after the row that reaches them.
    pub bytes: u64,
}

/// Where rows stand. Values of keys are the text that COPY and the stream have, in the key's order.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyPart {
    /// Those behind a key, up to another with it, in the index's order; `None` for no bound.
    Range {
        /// The last key that was read.
        after: Option<Vec<String>>,
        /// The last key that is wanted.
        end: Option<Vec<String>>,
    },
    /// Those with just these keys, all at once: neither bound of the range counts.
    Keys(Vec<Vec<String>>),
}

/// What was read of a table, and when.
#[derive(Clone, Debug)]
pub struct KeyChunk {
    /// A place in the log before the rows were read.
    pub low: Lsn,
    /// A place in the log after. The table had the same shape from the reading on until here.
    pub high: Lsn,
    /// What the snapshot sees under which the rows were read. It may not see a transaction whose commit is before `low` in the log.
    pub visible: VisibleTransactions,
    /// The rows, in the order of the key.
    pub rows: Vec<ChunkRow>,
    /// How far the range was read; `None` when nothing was left of it, and for keys.
    pub last_key: Option<Vec<String>>,
    /// Whether nothing is left of the range behind it.
    pub at_end: bool,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkRow {
    /// Its line of COPY's text format, for [`super::RowParser`]: the published columns of the table.
    pub line: Bytes,
    /// Its key, as text.
    pub key: Vec<String>,
}

/// Part of a statement: from which relation, and which rows of it the table has at all.
fn source(table: &Table) -> String {
    // Children by inheritance are tables of their own; leaves are not, and are read through their root.
    format!("{}{}", if table.partitioned { "" } else { "ONLY " }, table.quoted())
}

/// Line breaks keep a comment at the end of a condition to itself.
fn own_lines(condition: &str) -> String {
    format!("(\n{condition}\n)")
}

fn names<'a>(columns: impl Iterator<Item = &'a str>) -> String {
    columns.map(quoted_identifier).collect::<Vec<_>>().join(", ")
}

fn key_names(key: &[KeyColumn]) -> String {
    names(key.iter().map(|column| column.name.as_str()))
}

impl KeyRange {
    /// Whether rows between two keys may be left out, so that the number of those that are read does not bound the work.
    pub(super) fn is_filtered(&self, table: &Table) -> bool {
        self.condition.is_some() || table.row_filter.is_some()
    }

    fn bounds(&self) -> Vec<String> {
        match &self.part {
            KeyPart::Range { after: from, end } => {
                let from = from.iter().map(|values| after(&self.key, values));
                from.chain(end.iter().map(|values| up_to(&self.key, values))).map(|bound| format!("({bound})")).collect()
            }
            KeyPart::Keys(keys) => vec![format!("({})", among(&self.key, keys))],
        }
    }

    /// Copies the rows out. `upper` is where a filtered range ends this time.
    pub fn copy_statement(&self, table: &Table, upper: Option<&[String]>) -> String {
        let columns = names(table.published_columns().map(|column| column.name.as_str()));
        let mut conditions = self.bounds();
        conditions.extend(upper.map(|values| format!("({})", up_to(&self.key, values))));
        conditions.extend(table.row_filter.iter().chain(&self.condition).map(|condition| own_lines(condition)));
        let mut statement = format!("COPY (SELECT {columns} FROM {}", source(table));
        // Writing into a String cannot fail.
        let _ = write!(statement, "{}", filter(&conditions));
        let _ = write!(statement, " ORDER BY {}", order(&self.key, false));
        if !self.is_filtered(table) && matches!(self.part, KeyPart::Range { .. }) {
            let _ = write!(statement, " LIMIT {}", self.rows.max(1));
        }
        statement.push_str(") TO STDOUT");
        statement
    }

    /// Copies out the key of the last row that a filtered range looks at this time, if it has so many.
    pub(super) fn upper_statement(&self, table: &Table) -> String {
        format!(
            "COPY (SELECT {} FROM {}{} ORDER BY {} OFFSET {} LIMIT 1) TO STDOUT",
            key_names(&self.key),
            source(table),
            filter(&self.bounds()),
            order(&self.key, false),
            self.rows.max(1) - 1
        )
    }
}

/// Copies out the last key of a table in the order of the index.
pub(super) fn greatest_statement(table: &Table, key: &[KeyColumn]) -> String {
    format!("COPY (SELECT {} FROM {} ORDER BY {} LIMIT 1) TO STDOUT", key_names(key), source(table), order(key, true))
}

/// What a condition has to be good for: standing alone between parentheses, and also between brackets, which one that closes our
/// parentheses and opens others cannot.
pub(super) fn condition_statements(table: &Table, condition: &str) -> [String; 2] {
    let source = source(table);
    [format!("SELECT FROM {source} WHERE {}", own_lines(condition)), format!("SELECT ARRAY[\n{condition}\n] FROM {source}")]
}

fn filter(conditions: &[String]) -> String {
    match conditions {
        [] => String::new(),
        conditions => format!(" WHERE {}", conditions.join(" AND ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::key_column::tests::key_column;
    use super::*;
    use crate::catalog::tests::table;

    fn range(part: KeyPart, condition: Option<&str>) -> KeyRange {
        let key: Arc<[KeyColumn]> = [key_column("id", "int4")].into();
        KeyRange { key, part, condition: condition.map(str::to_owned), rows: 10, bytes: 1 }
    }

    #[test]
    fn statements_name_the_relation_the_bounds_and_the_order() {
        let mut table = table("t");
        let bound = |id: &str| Some(vec![id.to_owned()]);
        let plain = |text: String| text.replace("OPERATOR(pg_catalog.", "(").replace("pg_catalog.", "");
        let all = range(KeyPart::Range { after: None, end: None }, None);
        assert_eq!(
            plain(all.copy_statement(&table, None)),
            r#"COPY (SELECT "id", "body" FROM ONLY "public"."t" ORDER BY "id" USING (<) NULLS LAST LIMIT 10) TO STDOUT"#
        );
        table.partitioned = true;
        let some = range(KeyPart::Range { after: bound("3"), end: bound("9") }, Some("body <> 'x' -- not these"));
        assert_eq!(
            plain(some.copy_statement(&table, Some(&["7".to_owned()]))),
            "COPY (SELECT \"id\", \"body\" FROM \"public\".\"t\" WHERE (\"id\" (>) '3'::int4) AND (\"id\" (<=) '9'::int4) \
             AND (\"id\" (<=) '7'::int4) AND (\nbody <> 'x' -- not these\n) ORDER BY \"id\" USING (<) NULLS LAST) TO STDOUT"
        );
        assert_eq!(
            plain(some.upper_statement(&table)),
            "COPY (SELECT \"id\" FROM \"public\".\"t\" WHERE (\"id\" (>) '3'::int4) AND (\"id\" (<=) '9'::int4) \
             ORDER BY \"id\" USING (<) NULLS LAST OFFSET 9 LIMIT 1) TO STDOUT"
        );
        let named = range(KeyPart::Keys(vec![vec!["1".to_owned()], vec!["2".to_owned()]]), None);
        assert!(
            plain(named.copy_statement(&table, None)).contains(r#"WHERE (("id" (=) '1'::int4) OR ("id" (=) '2'::int4)) ORDER"#)
        );
    }
}
