//! The key by which a table can be read in pieces, while it is written to.

use std::fmt::Write;
use std::sync::Arc;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use waltap_error::Result;

use crate::catalog::{Table, quoted_identifier, quoted_literal};
use crate::refusal::{is_state, refused};

/// From this version on the version of the database's own collation can be asked for.
const KNOWS_DATABASE_COLLATION: u32 = 150_000;

/// A column of a key, and how its index orders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// The type that its literals are cast to, as SQL has it: that of the index's operators.
    pub type_name: String,
    /// The collation of the index, as SQL has it, where it is another one than the column's.
    pub collation: Option<String>,
    /// The version of the collation's rules, where there is one: when it changes, the order may.
    pub collation_version: Option<String>,
    /// Whether the index has the greatest value first.
    pub descending: bool,
    /// Whether the index has NULL first. There is none, but the planner does not use the index for another order.
    pub nulls_first: bool,
    /// The operators of the index's order.
    pub operators: KeyOperators,
}

/// `OPERATOR(schema.name)` each. By the name alone another one may be found: `>` of `citext` is not where our search path leads to, and
/// that of `text` takes its place without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOperators {
    /// `<`
    pub less: String,
    /// `<=`
    pub less_or_equal: String,
    /// `=`
    pub equal: String,
    /// `>=`
    pub greater_or_equal: String,
    /// `>`
    pub greater: String,
}

impl KeyColumn {
    /// The column in a comparison or an order.
    fn expression(&self) -> String {
        let mut expression = quoted_identifier(&self.name);
        if let Some(collation) = &self.collation {
            // Writing into a String cannot fail.
            let _ = write!(expression, " COLLATE {collation}");
        }
        expression
    }

    fn literal(&self, text: &str) -> String {
        format!("{}::{}", quoted_literal(text), self.type_name)
    }

    fn after(&self) -> &str {
        if self.descending { &self.operators.less } else { &self.operators.greater }
    }

    fn not_before(&self) -> &str {
        if self.descending { &self.operators.less_or_equal } else { &self.operators.greater_or_equal }
    }

    fn before(&self) -> &str {
        if self.descending { &self.operators.greater } else { &self.operators.less }
    }

    fn not_after(&self) -> &str {
        if self.descending { &self.operators.greater_or_equal } else { &self.operators.less_or_equal }
    }

    fn compare(&self, operator: &str, text: &str) -> String {
        format!("{} {operator} {}", self.expression(), self.literal(text))
    }
}

/// `ORDER BY` in the order of the index, or in the reverse one.
pub(super) fn order(key: &[KeyColumn], reverse: bool) -> String {
    let terms = key.iter().map(|column| {
        let operator = if column.descending == reverse { &column.operators.less } else { &column.operators.greater };
        let nulls = if column.nulls_first == reverse { "LAST" } else { "FIRST" };
        format!("{} USING {operator} NULLS {nulls}", column.expression())
    });
    terms.collect::<Vec<_>>().join(", ")
}

/// The condition for keys behind this one in the order of the index.
pub(super) fn after(key: &[KeyColumn], values: &[String]) -> String {
    compare(key, values, KeyColumn::after, KeyColumn::after, KeyColumn::not_before)
}

/// The condition for this key and those before it in the order of the index.
pub(super) fn up_to(key: &[KeyColumn], values: &[String]) -> String {
    compare(key, values, KeyColumn::not_after, KeyColumn::before, KeyColumn::not_after)
}

/// The condition for just these keys.
pub(super) fn among(key: &[KeyColumn], keys: &[Vec<String>]) -> String {
    let each = keys.iter().map(|values| {
        let equal = key.iter().zip(values).map(|(column, text)| column.compare(&column.operators.equal, text));
        format!("({})", equal.collect::<Vec<_>>().join(" AND "))
    });
    each.collect::<Vec<_>>().join(" OR ")
}

type Operator = fn(&KeyColumn) -> &str;

/// Compares a key with values: by `last` where all columns but the last are equal, by `strict` where they are not. `loose` holds for the
/// first column whenever the whole does.
fn compare(key: &[KeyColumn], values: &[String], last: Operator, strict: Operator, loose: Operator) -> String {
    let pairs = || key.iter().zip(values);
    // One comparison of rows where all columns are ordered in the same way: an index finds its place by it, whatever the columns hold.
    if key.iter().all(|column| last(column) == last(&key[0]) && column.descending == key[0].descending) {
        let columns: Vec<String> = key.iter().map(KeyColumn::expression).collect();
        let literals: Vec<String> = pairs().map(|(column, text)| column.literal(text)).collect();
        let operator = key.first().map_or("", last);
        return match key.len() {
            1 => format!("{} {operator} {}", columns[0], literals[0]),
            _ => format!("({}) {operator} ({})", columns.join(", "), literals.join(", ")),
        };
    }
    let mut condition = String::new();
    for (place, (column, text)) in pairs().enumerate().collect::<Vec<_>>().into_iter().rev() {
        condition = match place + 1 == key.len() {
            true => column.compare(last(column), text),
            false => format!(
                "({} OR ({} AND {condition}))",
                column.compare(strict(column), text),
                column.compare(&column.operators.equal, text)
            ),
        };
    }
    match pairs().next() {
        // It says nothing new, and lets an index find the first column's place.
        Some((column, text)) => format!("{} AND {condition}", column.compare(loose(column), text)),
        None => condition,
    }
}

/// The key by which a table can be read in pieces while it is written to; `None` where there is none, and its rows have to be read under
/// an exported snapshot.
///
/// It takes an index that makes an update or a delete in the stream tell which row it was, so that a row that was read can be held
/// against it: the identity's, or the primary key. Every column of it must be in the rows, and every leaf of a partitioned table must
/// tell it too, and write a log at all.
pub async fn chunk_key(client: &Client, table: &Table, version_num: u32) -> Result<Option<Arc<[KeyColumn]>>> {
    let told_by_leaves = table.uneven_leaves().next().is_none() && !table.leaves.iter().any(|leaf| leaf.foreign || leaf.unlogged);
    if !told_by_leaves {
        return Ok(None);
    }
    let doing = || format!("reading the key of the table {}", table.display_name());
    let database_collation = match version_num >= KNOWS_DATABASE_COLLATION {
        true => "(SELECT pg_database_collation_actual_version(d.oid) FROM pg_database d WHERE d.datname = current_database())",
        false => "NULL",
    };
    let query = KEY_COLUMNS.replace("{database_collation}", database_collation);
    let rows = client.query(&query, &[&table.oid]).await.map_err(|error| refused(doing(), error))?;
    let mut key = Vec::with_capacity(rows.len());
    for row in rows {
        key.push(key_column(&row).map_err(|error| refused(doing(), error))?);
    }
    let is_read = |column: &KeyColumn| table.published_columns().any(|published| published.name == column.name);
    if key.is_empty() || !key.iter().all(is_read) {
        return Ok(None);
    }
    // What the planner fails on cannot be read by a query at all. Missing rights are for the reading to tell.
    let only = if table.partitioned { "" } else { "ONLY " };
    match client.batch_execute(&format!("SELECT FROM {only}{} LIMIT 0", table.quoted())).await {
        Err(error) if may_pass(&error) => Err(refused(doing(), error)),
        Err(error) if error.as_db_error().is_some() && !is_state(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Ok(None),
        _ => Ok(Some(key.into())),
    }
}

/// Whether a refusal says nothing of the table: it is locked, or the statement or the session was ended.
fn may_pass(error: &tokio_postgres::Error) -> bool {
    is_state(error, &SqlState::LOCK_NOT_AVAILABLE)
        || is_state(error, &SqlState::T_R_DEADLOCK_DETECTED)
        || error.code().is_some_and(|state| state.code().starts_with("57"))
}

fn key_column(row: &tokio_postgres::Row) -> Result<KeyColumn, tokio_postgres::Error> {
    Ok(KeyColumn {
        name: row.try_get("name")?,
        type_name: row.try_get("type_name")?,
        collation: row.try_get("collation_name")?,
        collation_version: row.try_get("collation_version")?,
        descending: row.try_get("descending")?,
        nulls_first: row.try_get("nulls_first")?,
        operators: KeyOperators {
            less: row.try_get("less")?,
            less_or_equal: row.try_get("less_or_equal")?,
            equal: row.try_get("equal")?,
            greater_or_equal: row.try_get("greater_or_equal")?,
            greater: row.try_get("greater")?,
        },
    })
}

/// The columns of the index with their order. Operators are those of a btree's five strategies (`pg_amop`), for the type that the index
/// has them for; where that is one of many (`anyarray`), literals are of the column's own type. Types are named by schema and name: `bit`
/// alone means one bit.
const KEY_COLUMNS: &str = "
SELECT a.attname::text AS name,
       format('%I.%I', tn.nspname, t.typname) AS type_name,
       CASE WHEN k.coll <> 0 AND k.coll <> a.attcollation THEN format('%I.%I', cn.nspname, co.collname) END AS collation_name,
       CASE WHEN k.coll = 100 THEN {database_collation}
            WHEN k.coll <> 0 THEN pg_collation_actual_version(k.coll) END AS collation_version,
       (k.opt & 1) <> 0 AS descending,
       (k.opt & 2) <> 0 AS nulls_first,
       o.names[1] AS less, o.names[2] AS less_or_equal, o.names[3] AS equal, o.names[4] AS greater_or_equal, o.names[5] AS greater
FROM pg_class c
JOIN pg_index x
  ON x.indrelid = c.oid
 AND ((c.relreplident <> 'i' AND x.indisprimary) OR (c.relreplident = 'i' AND x.indisreplident))
 AND x.indisvalid AND x.indislive AND x.indisunique AND x.indimmediate AND x.indpred IS NULL
JOIN pg_class ic ON ic.oid = x.indexrelid
JOIN pg_am am ON am.oid = ic.relam AND am.amname = 'btree'
CROSS JOIN LATERAL unnest(x.indkey::int2[], x.indcollation::oid[], x.indclass::oid[], x.indoption::int2[])
  WITH ORDINALITY AS k (attnum, coll, class, opt, place)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
JOIN pg_opclass oc ON oc.oid = k.class
JOIN pg_type it ON it.oid = oc.opcintype
JOIN pg_type t ON t.oid = CASE WHEN it.typtype = 'p' THEN a.atttypid ELSE it.oid END
JOIN pg_namespace tn ON tn.oid = t.typnamespace
LEFT JOIN pg_collation co ON co.oid = k.coll
LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
CROSS JOIN LATERAL (
  SELECT array_agg(format('OPERATOR(%I.%s)', n.nspname, op.oprname) ORDER BY amop.amopstrategy) AS names
  FROM pg_amop amop JOIN pg_operator op ON op.oid = amop.amopopr JOIN pg_namespace n ON n.oid = op.oprnamespace
  WHERE amop.amopfamily = oc.opcfamily AND amop.amoplefttype = oc.opcintype AND amop.amoprighttype = oc.opcintype
    AND amop.amopstrategy BETWEEN 1 AND 5 AND amop.amoppurpose = 's') o
WHERE c.oid = $1 AND k.place <= x.indnkeyatts
ORDER BY k.place";

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A column of such a type whose operators are in `pg_catalog`.
    pub(in super::super) fn key_column(name: &str, type_name: &str) -> KeyColumn {
        let operator = |name: &str| format!("OPERATOR(pg_catalog.{name})");
        KeyColumn {
            name: name.to_owned(),
            type_name: format!("pg_catalog.{type_name}"),
            collation: None,
            collation_version: None,
            descending: false,
            nulls_first: false,
            operators: KeyOperators {
                less: operator("<"),
                less_or_equal: operator("<="),
                equal: operator("="),
                greater_or_equal: operator(">="),
                greater: operator(">"),
            },
        }
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn one_way_of_ordering_is_one_comparison() {
        let key = [key_column("a", "int4"), key_column("b\"", "text")];
        assert_eq!(
            after(&key, &texts(&["1", "it's"])),
            r#"("a", "b""") OPERATOR(pg_catalog.>) ('1'::pg_catalog.int4, 'it''s'::pg_catalog.text)"#
        );
        assert_eq!(up_to(&key[..1], &texts(&["1"])), r#""a" OPERATOR(pg_catalog.<=) '1'::pg_catalog.int4"#);
        assert_eq!(
            order(&key[..1], false) + "; " + &order(&key[..1], true),
            r#""a" USING OPERATOR(pg_catalog.<) NULLS LAST; "a" USING OPERATOR(pg_catalog.>) NULLS FIRST"#
        );
    }

    #[test]
    fn mixed_orders_are_compared_column_by_column() {
        let mut key = [key_column("a", "int4"), key_column("b", "int4")];
        key[1].descending = true;
        key[1].nulls_first = true;
        let values = texts(&["1", "2"]);
        let plain =
            |text: String| text.replace("OPERATOR(pg_catalog.", "").replace("::pg_catalog.int4", "").replace([')', '('], "");
        assert_eq!(plain(after(&key, &values)), r#""a" >= '1' AND "a" > '1' OR "a" = '1' AND "b" < '2'"#);
        assert_eq!(plain(up_to(&key, &values)), r#""a" <= '1' AND "a" < '1' OR "a" = '1' AND "b" >= '2'"#);
        assert_eq!(plain(order(&key, false)), r#""a" USING < NULLS LAST, "b" USING > NULLS FIRST"#);
        assert_eq!(plain(among(&key, &[values])), r#""a" = '1' AND "b" = '2'"#);
    }
}
