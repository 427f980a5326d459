//! Parting a table into pieces that can be read side by side.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use tokio_postgres::Client;
use waltap_error::Result;

use crate::catalog::{Generated, Leaf, Table, quoted_identifier, quoted_name};
use crate::refusal::refused;

/// Scans of ctid ranges came with this version; before it such a condition reads the whole table for each range.
pub const TID_RANGE_VERSION: u32 = 140_000;

/// The pages of a range, `from` included and `to` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    /// The first page.
    pub from: u32,
    /// The page after the last; `None` for the end of the table, however far it has grown.
    pub to: Option<u32>,
}

/// A piece of a table, read by one COPY.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The table whose rows they are: the root of a partitioned one.
    pub table_oid: u32,
    /// The relation that is read: the table itself, or a leaf.
    pub relation_oid: u32,
    /// Its quoted name.
    pub relation: String,
    /// Whether children by inheritance are left out: they are tables of their own.
    pub only: bool,
    /// The columns that are read, by their unquoted names, in the order of the stream's relation messages.
    pub columns: Arc<[String]>,
    /// Whether one of the columns is generated, which COPY reads from a query alone.
    pub computed: bool,
    /// Which rows are read, as an SQL condition; `None` for all.
    pub row_filter: Option<String>,
    /// The pages that are read; `None` for the whole relation.
    pub pages: Option<PageRange>,
    /// Whether the rows that were written first come first, as far as the system columns tell: by the age of their transaction, then by the
    /// command in it, then by place.
    pub oldest_first: bool,
    /// How many rows to expect, as far as the planner knows.
    pub rows_estimated: Option<u64>,
}

impl Chunk {
    /// The statement that copies it out, in the text format.
    ///
    /// A relation is copied as such where that can be said: the copy of a query asks the planner, which looks into the functions of the
    /// relation's indexes, and fails where one of them names something without its schema, since our search path does not lead there.
    pub fn copy_statement(&self) -> String {
        let mut columns = String::new();
        for (index, column) in self.columns.iter().enumerate() {
            columns.push_str(if index > 0 { ", " } else { "" });
            columns.push_str(&quoted_identifier(column));
        }
        if self.is_whole_relation() {
            return format!("COPY {} ({columns}) TO STDOUT", self.relation);
        }
        let only = if self.only { "ONLY " } else { "" };
        let mut statement = format!("COPY (SELECT {columns} FROM {only}{}", self.relation);
        let mut conditions = Vec::new();
        if let Some(PageRange { from, to }) = self.pages {
            conditions.push(format!("ctid >= '({from},0)'::tid"));
            conditions.extend(to.map(|to| format!("ctid < '({to},0)'::tid")));
        }
        conditions.extend(self.row_filter.as_ref().map(|filter| format!("({filter})")));
        if !conditions.is_empty() {
            // Writing into a String cannot fail.
            let _ = write!(statement, " WHERE {}", conditions.join(" AND "));
        }
        if self.oldest_first {
            statement.push_str(" ORDER BY age(xmin) DESC, cmin::text::int8, ctid");
        }
        statement.push_str(") TO STDOUT");
        statement
    }

    /// Whether COPY can name it: all rows of one relation, and some columns. Children by inheritance it leaves out by itself.
    fn is_whole_relation(&self) -> bool {
        self.only
            && !self.computed
            && !self.oldest_first
            && self.pages.is_none()
            && self.row_filter.is_none()
            && !self.columns.is_empty()
    }
}

/// The true number of pages of a table, or of each leaf, by OID. The statistics of the catalog may be old or not there at all, and
/// pieces of equal size need the truth. Takes a moment's ACCESS SHARE lock, as the copy itself does.
pub async fn measure(client: &Client, table: &Table) -> Result<HashMap<u32, u64>> {
    let oids: Vec<u32> = match table.partitioned {
        true => table.leaves.iter().filter(|leaf| !leaf.foreign).map(|leaf| leaf.oid).collect(),
        false => vec![table.oid],
    };
    let doing = || format!("measuring the table {}", table.display_name());
    let rows = client
        .query(
            "SELECT oid, coalesce(pg_relation_size(oid), 0) / current_setting('block_size')::int8 AS pages
             FROM unnest($1::oid[]) AS oid",
            &[&oids],
        )
        .await
        .map_err(|error| refused(doing(), error))?;
    rows.iter()
        .map(|row| Ok((row.try_get("oid")?, u64::try_from(row.try_get::<_, i64>("pages")?).unwrap_or(0))))
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(|error| refused(doing(), error))
}

/// Takes the relations out of the counts that the planner fails on, so that they are read in one piece, without it. Only those that would be
/// parted are asked about.
pub async fn keep_plannable(client: &Client, table: &Table, pages: &mut HashMap<u32, u64>, pages_max: u32) {
    let leaves = table.leaves.iter().map(|leaf| (leaf.oid, leaf.quoted()));
    for (oid, relation) in leaves.chain([(table.oid, table.quoted())]) {
        if pages.get(&oid).is_some_and(|pages| *pages > u64::from(pages_max)) {
            // Why is of no interest here: if the relation cannot be read at all, reading it tells.
            if client.batch_execute(&format!("SELECT FROM ONLY {relation} LIMIT 0")).await.is_err() {
                pages.remove(&oid);
            }
        }
    }
}

/// Parts a table into chunks of about `pages_max` pages each (zero counts as one), from the page counts of [`measure`].
///
/// A partitioned table is read leaf by leaf with the root's columns where our role may read every leaf, and through the root otherwise.
/// Together the chunks hold each row of the snapshot exactly once, whatever the counts are: the last range of a relation has no end.
pub fn plan_chunks(table: &Table, pages: &HashMap<u32, u64>, version_num: u32, pages_max: u32) -> Vec<Chunk> {
    let columns: Arc<[String]> = table.published_columns().map(|column| column.name.clone()).collect();
    let computed = table.published_columns().any(|column| column.generated != Generated::No);
    let whole = |relation_oid, relation: String, only, rows_estimated| Chunk {
        table_oid: table.oid,
        relation_oid,
        relation,
        only,
        columns: Arc::clone(&columns),
        computed,
        row_filter: table.row_filter.clone(),
        pages: None,
        oldest_first: false,
        rows_estimated,
    };
    if !table.partitioned {
        let chunk = whole(table.oid, table.quoted(), true, table.rows_estimated);
        return part(chunk, pages.get(&table.oid).copied(), version_num, pages_max);
    }
    if table.leaves.iter().any(|leaf| !readable_directly(leaf)) {
        // Privileges of the root are enough to read through it. Its ctids are not those of one relation, so it is read in one piece.
        return vec![whole(table.oid, table.quoted(), false, table.rows_estimated)];
    }
    let leaf_chunks = table.leaves.iter().flat_map(|leaf| {
        let chunk = whole(leaf.oid, quoted_name(&leaf.schema, &leaf.name), !leaf.foreign, leaf.rows_estimated);
        match leaf.foreign {
            true => vec![chunk],
            false => part(chunk, pages.get(&leaf.oid).copied(), version_num, pages_max),
        }
    });
    leaf_chunks.collect()
}

/// A leaf has privileges and policies of its own, which count only when it is named in the query.
fn readable_directly(leaf: &Leaf) -> bool {
    leaf.may_select && !leaf.row_security
}

fn part(chunk: Chunk, pages: Option<u64>, version_num: u32, pages_max: u32) -> Vec<Chunk> {
    // A relation has fewer than 2^32 pages.
    let pages = u32::try_from(pages.unwrap_or(0)).unwrap_or(u32::MAX);
    let pages_max = pages_max.max(1);
    if version_num < TID_RANGE_VERSION || pages <= pages_max {
        return vec![chunk];
    }
    let count = pages.div_ceil(pages_max);
    let rows_estimated = chunk.rows_estimated.map(|rows| rows / u64::from(count));
    (0..count)
        .map(|index| {
            let to = (index + 1 < count).then(|| (index + 1) * pages_max);
            Chunk { pages: Some(PageRange { from: index * pages_max, to }), rows_estimated, ..chunk.clone() }
        })
        .collect()
}
