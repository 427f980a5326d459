//! The tables of the source, and their rows as canonical text.

use super::canonical;
use crate::{Result, Sql};

/// How a column's value is written in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JSON scalar.
    Scalar,
    /// A json or jsonb document.
    Json,
    /// A JSON array.
    Array,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How its value is written.
    pub kind: Kind,
    /// The SQL expression of its canonical text.
    expression: String,
}

/// A table that a capture of everything captures.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns, as they are now.
    pub columns: Vec<Column>,
    /// Whether its rows are those of its partitions.
    pub partitioned: bool,
}

/// User tables: ordinary ones and the roots of partitioned ones, permanent ones only.
const TABLES: &str = "SELECT n.nspname, c.relname, c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
    AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1, 2";

/// The user tables of a database.
pub async fn tables(sql: &Sql) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for row in sql.rows(TABLES).await? {
        let mut fields = row.into_iter().flatten();
        let (Some(schema), Some(name), Some(oid), Some(kind)) = (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        // Generated columns are not published.
        let columns = sql
            .rows(&format!(
                "SELECT attname, quote_ident(attname), typname, typcategory FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                 WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
            ))
            .await?;
        let columns = columns.into_iter().filter_map(|row| {
            let mut fields = row.into_iter().flatten();
            Some(column(fields.next()?, &fields.next()?, &fields.next()?, &fields.next()?))
        });
        tables.push(Table { schema, name, columns: columns.collect(), partitioned: kind == "p" });
    }
    Ok(tables)
}

fn column(name: String, quoted: &str, type_name: &str, category: &str) -> Column {
    let (kind, expression) = match type_name {
        "json" | "jsonb" => (Kind::Json, format!("{quoted}::text")),
        "timestamp" => (Kind::Scalar, format!("replace({quoted}::text, ' ', 'T')")),
        "timestamptz" => (Kind::Scalar, format!("replace(replace({quoted}::text, ' ', 'T'), '+00', 'Z')")),
        "bytea" => (Kind::Scalar, format!("translate(encode({quoted}, 'base64'), E'\\n', '')")),
        "money" => (Kind::Scalar, format!("{quoted}::numeric::text")),
        _ if category == "A" => (Kind::Array, format!("array_to_json({quoted})::text")),
        _ => (Kind::Scalar, format!("{quoted}::text")),
    };
    Column { name, kind, expression }
}

impl Table {
    /// Its topic, by the default template: what Kafka does not allow becomes `_`.
    pub fn topic(&self, database: &str) -> String {
        let is_legal = |character: char| character.is_ascii_alphanumeric() || ".-".contains(character);
        let name = format!("{database}.{}.{}", self.schema, self.name);
        name.chars().map(|character| if is_legal(character) { character } else { '_' }).collect()
    }

    /// What to select its rows from: those of tables that inherit from it are not its own.
    pub fn relation(&self) -> String {
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let only = if self.partitioned { "" } else { "ONLY " };
        format!("{only}{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// All of its rows, sorted.
    pub async fn rows(&self, sql: &Sql) -> Result<Vec<Vec<Option<String>>>> {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.expression.as_str()).collect();
        let query = format!("SELECT {} FROM {}", columns.join(", "), self.relation());
        let mut rows = sql.rows(&query).await?;
        for row in &mut rows {
            for (column, value) in self.columns.iter().zip(row) {
                if let Some(text) = value {
                    *text = canonical::of_source(text, column.kind)?;
                }
            }
        }
        rows.sort_unstable();
        Ok(rows)
    }
}
