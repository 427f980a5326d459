//! Rows of topics and rows of tables, compared by PostgreSQL.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;
use serde_json::value::RawValue;
use waltap_tests::oracle::{self, Rows, Table};
use waltap_tests::{Postgres, Result, Sql, Topics, ensure};

use super::types::Types;
use crate::values::input::input;

/// What the comparison of one table found.
#[derive(Debug)]
pub(super) struct Report {
    /// `schema.table`.
    pub(super) table: String,
    pub(super) rows: i64,
    pub(super) missing: i64,
    pub(super) surplus: i64,
}

impl Report {
    pub(super) fn is_equal(&self) -> bool {
        self.missing == 0 && self.surplus == 0
    }
}

/// Puts the rows that the topics of a database give into tables beside the source's, by the input functions of their types, and has
/// PostgreSQL compare both. Nobody may capture the database any more.
pub(super) async fn compare(postgres: &Postgres, topics: &Topics, database: &str) -> Result<Vec<Report>> {
    let existing: BTreeSet<String> = topics.names().await?.into_iter().collect();
    let sql = postgres.sql(database).await?;
    let types = Types::read(&sql).await?;
    let tables = oracle::tables(&sql).await?;
    let file = postgres.make_folder("rebuilt")?.join("rows.copy");
    sql.run("CREATE SCHEMA kit_rebuilt").await?;
    let mut reports = Vec::new();
    for (number, table) in tables.iter().enumerate() {
        let name = format!("{}.{}", table.schema, table.name);
        let topic = table.topic(database);
        let rows = if existing.contains(&topic) { oracle::read(topics, &topic).await?.rows } else { Rows::default() };
        let rebuilt = format!("kit_rebuilt.t{number}");
        let columns = columns(&sql, &types, table).await?;
        let names: Vec<&str> = columns.iter().map(|column| column.quoted.as_str()).collect();
        sql.run(&format!("CREATE TABLE {rebuilt} AS SELECT {} FROM {} WITH NO DATA", names.join(", "), table.relation())).await?;
        fs::write(&file, copy_text(&rows, &columns).map_err(|failure| failure.while_doing(&name))?)?;
        sql.run(&format!("COPY {rebuilt} FROM '{}'", file.display())).await.map_err(|failure| failure.while_doing(&name))?;
        let texts: Vec<String> = columns.iter().map(Column::text).collect();
        let select = |relation: &str| format!("SELECT ROW({})::text AS r FROM {relation}", texts.join(", "));
        let counts = sql
            .rows(&format!(
                "WITH source AS ({}), rebuilt AS ({})
                 SELECT (SELECT count(*) FROM source), (SELECT count(*) FROM (SELECT r FROM source EXCEPT ALL SELECT r FROM rebuilt) x),
                        (SELECT count(*) FROM (SELECT r FROM rebuilt EXCEPT ALL SELECT r FROM source) x)",
                select(&table.relation()),
                select(&rebuilt)
            ))
            .await?;
        let counts: Vec<i64> =
            counts.into_iter().flatten().flatten().map(|count| count.parse()).collect::<std::result::Result<_, _>>()?;
        ensure!(counts.len() == 3, "{name}: {counts:?}");
        reports.push(Report { table: name, rows: counts[0], missing: counts[1], surplus: counts[2] });
    }
    sql.run("SET client_min_messages = error; DROP SCHEMA kit_rebuilt CASCADE").await?;
    Ok(reports)
}

struct Column {
    name: String,
    quoted: String,
    input_name: String,
}

impl Column {
    /// Its value as PostgreSQL's text. What the JSON does not tell is taken off: lower bounds of arrays, white space of json.
    fn text(&self) -> String {
        let Column { quoted, input_name, .. } = self;
        match input_name.as_str() {
            "json" => format!("regexp_replace({quoted}::text, '\\s', '', 'g')"),
            name if name.ends_with("[]") => format!("regexp_replace({quoted}::text, '^(\\[[-0-9:]+\\])+=', '')"),
            _ => format!("{quoted}::text"),
        }
    }
}

async fn columns(sql: &Sql, types: &Types, table: &Table) -> Result<Vec<Column>> {
    let relation = table.relation();
    let relation = relation.trim_start_matches("ONLY ").replace('\'', "''");
    let rows = sql
        .rows(&format!(
            "SELECT attname, quote_ident(attname), atttypid FROM pg_attribute
             WHERE attrelid = '{relation}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
        ))
        .await?;
    let column = |row: Vec<Option<String>>| {
        let mut row = row.into_iter().flatten();
        let (name, quoted) = (row.next().unwrap_or_default(), row.next().unwrap_or_default());
        Ok(Column { name, quoted, input_name: types.input_name(row.next().unwrap_or_default().parse()?)? })
    };
    rows.into_iter().map(column).collect()
}

/// Rows as COPY reads them.
fn copy_text(rows: &Rows, columns: &[Column]) -> Result<String> {
    let mut copy = String::new();
    for row in rows.iter() {
        for (index, column) in columns.iter().enumerate() {
            copy.push_str(if index > 0 { "\t" } else { "" });
            let text = match row.get(&column.name) {
                Some(json) => input(&RawValue::from_string(json.clone())?, &column.input_name)?,
                // It was added later, without a default.
                None => None,
            };
            match text {
                None => copy.push_str("\\N"),
                Some(text) => {
                    let escaped = text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r");
                    copy.push_str(&escaped);
                }
            }
        }
        copy.push('\n');
    }
    Ok(copy)
}

/// The rows that came into each topic of a database, as they stand in the events, sorted; by `schema.table`. Columns are put into the order
/// of their names: a dump and its restoring put inherited ones first.
pub(super) fn afters(topics: &Topics, names: &[String], database: &str, op: &str) -> Result<BTreeMap<String, Vec<String>>> {
    #[derive(Deserialize)]
    struct Event<'a> {
        op: &'a str,
        #[serde(borrow)]
        after: BTreeMap<Cow<'a, str>, &'a RawValue>,
    }
    let beginning = format!("{database}.");
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.starts_with(&beginning)).collect();
    let mut afters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    topics.visit(&names, &mut |record| {
        let Some(value) = &record.value else { return Ok(()) };
        let event: Event<'_> = serde_json::from_str(value)?;
        ensure!(event.op == op, "{} in {}", event.op, record.topic);
        let table = record.topic.trim_start_matches(&beginning).to_owned();
        afters.entry(table).or_default().push(format!("{:?}", event.after));
        Ok(())
    })?;
    afters.values_mut().for_each(|rows| rows.sort_unstable());
    Ok(afters)
}
