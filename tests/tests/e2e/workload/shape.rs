//! The kinds of tables.

use waltap_tests::{Postgres, Result};

/// Rows are numbered below this: few enough that the same key is inserted, changed, deleted and inserted again.
pub(super) const IDS: u64 = 400;

/// What a table is like. Each has the columns `id`, `n` and `note`, and some of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A number as key.
    Plain,
    /// A key of two columns.
    Composite,
    /// A text as key.
    TextKey,
    /// A value that is stored out of line, and that most updates do not touch.
    Big,
    /// No key at all: inserts and truncates only.
    Keyless,
    /// Partitioned; updates move rows from one partition to another.
    Partitioned,
    /// The whole old row as replica identity.
    Full,
    /// A unique index as replica identity.
    UniqueIndex,
}

const SHAPES: [Shape; 8] = [
    Shape::Plain,
    Shape::Composite,
    Shape::Big,
    Shape::TextKey,
    Shape::Keyless,
    Shape::Partitioned,
    Shape::Full,
    Shape::UniqueIndex,
];

/// A table of the workload.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) shape: Shape,
}

/// So many tables, dealt out to the databases, every shape in each.
pub(crate) fn members(databases: &[&str], tables: usize) -> Vec<Member> {
    let member = |number: usize| {
        let shape = SHAPES[number / databases.len() % SHAPES.len()];
        let table = format!("{shape:?}_{number}").to_lowercase();
        Member { database: databases[number % databases.len()].to_owned(), table, shape }
    };
    (0..tables).map(member).collect()
}

impl Member {
    /// Makes the table and fills it.
    pub(crate) async fn create(&self, postgres: &Postgres, rows: u64) -> Result {
        let sql = postgres.sql(&self.database).await?;
        sql.run(&self.definition()).await?;
        sql.run(&self.insert(1, rows, 7)).await
    }

    /// Whether rows can be updated and deleted: without a replica identity such changes are not published.
    pub(super) fn has_key(&self) -> bool {
        self.shape != Shape::Keyless
    }

    /// Inserts rows of these numbers, but for those that are there.
    pub(super) fn insert(&self, first: u64, last: u64, n: u64) -> String {
        let (columns, values) = match self.shape {
            Shape::Plain => ("id, at, flag", "g, '2026-01-01'::timestamptz + g * interval '61.000123 s', g % 2 = 0".to_owned()),
            Shape::Composite => (
                "id, part, doc",
                format!("g, 'part ' || g % 3, jsonb_build_object('n', {n}.50, 'list', array[1, g], 's', E'a\"\\n')"),
            ),
            Shape::TextKey => {
                ("id, price, at", format!("'k' || g, g * {n} / 1000.0, '2026-01-01'::timestamp + g * interval '1 h'"))
            }
            Shape::Big => ("id, body", format!("g, repeat(md5('{n}'), 150)")),
            Shape::Keyless => ("id", "g".to_owned()),
            Shape::Partitioned => ("id, region", "g, g % 4".to_owned()),
            Shape::Full => {
                ("id, tags, score, day", format!("g, array['a', 'b ' || g, NULL], g / {n}.0, '2026-01-01'::date + g::int"))
            }
            Shape::UniqueIndex => (
                "id, weight, data, span, token",
                format!("g, g / 3.0, decode(md5('{n}'), 'hex'), g * interval '1 day 1 s', md5(g::text)::uuid"),
            ),
        };
        let table = &self.table;
        format!(
            "INSERT INTO {table} ({columns}, n, note) SELECT {values}, {n}, 'note {n} of ' || g
             FROM generate_series({first}, {last}) g ON CONFLICT DO NOTHING"
        )
    }

    /// A row's number as it stands in the key.
    fn id(&self, id: u64) -> String {
        if self.shape == Shape::TextKey { format!("'k{id}'") } else { id.to_string() }
    }

    /// Updates a row, and in one of some cases its own columns too.
    pub(super) fn update(&self, id: u64, n: u64) -> String {
        let own = match self.shape {
            Shape::Plain => ", flag = NOT flag",
            Shape::Composite => ", doc = doc || '{\"more\": [1e3, null, {}]}'",
            Shape::TextKey => ", price = -price",
            Shape::Big => ", body = repeat(md5(note), 151)",
            Shape::Partitioned => ", region = (region + 1) % 4",
            Shape::Full => ", tags = tags || 'x'::text, score = score * 1.1",
            Shape::UniqueIndex => ", data = data || '\\x00ff', span = NULL",
            Shape::Keyless => "",
        };
        let own = if n.is_multiple_of(4) { own } else { "" };
        let (table, id) = (&self.table, self.id(id));
        format!("UPDATE {table} SET n = {n}, note = 'note {n}'{own} WHERE id = {id}")
    }

    /// Gives a row another key; fails when that one is taken.
    pub(super) fn change_key(&self, id: u64, other: u64) -> String {
        format!("UPDATE {} SET id = {} WHERE id = {}", self.table, self.id(other), self.id(id))
    }

    pub(super) fn delete(&self, id: u64) -> String {
        format!("DELETE FROM {} WHERE id = {}", self.table, self.id(id))
    }

    /// Changes the table's columns, and uses what is new. `number` is never the same twice.
    pub(super) fn alter(&self, number: u64) -> String {
        let table = &self.table;
        match number % 4 {
            // Without a default: the rows that are there get no event, and a consumer could not know their value.
            0 | 1 => format!("ALTER TABLE {table} ADD COLUMN extra_{number} text; {}", self.insert_extra(number)),
            2 => format!("ALTER TABLE {table} DROP COLUMN IF EXISTS extra_{}", number - 2),
            _ => format!("ALTER TABLE {table} ALTER COLUMN n TYPE {}", if number % 8 < 4 { "bigint" } else { "numeric" }),
        }
    }

    fn insert_extra(&self, number: u64) -> String {
        if !self.has_key() {
            return format!("INSERT INTO {} (id, extra_{number}) VALUES ({number}, 'extra')", self.table);
        }
        format!("UPDATE {} SET extra_{number} = 'extra' WHERE n % 5 = 0", self.table)
    }

    fn definition(&self) -> String {
        let table = &self.table;
        match self.shape {
            Shape::Plain => format!("CREATE TABLE {table} (id bigint PRIMARY KEY, n int, note text, at timestamptz, flag boolean)"),
            Shape::Composite => format!("CREATE TABLE {table} (id bigint, part text, n int, note text, doc jsonb, PRIMARY KEY (part, id))"),
            Shape::TextKey => format!("CREATE TABLE {table} (id text PRIMARY KEY, n int, note text, price numeric(14, 3), at timestamp)"),
            Shape::Big => format!(
                "CREATE TABLE {table} (id bigint PRIMARY KEY, n int, note text, body text);
                 ALTER TABLE {table} ALTER body SET STORAGE EXTERNAL"
            ),
            Shape::Keyless => format!("CREATE TABLE {table} (id bigint, n int, note text)"),
            Shape::Partitioned => format!(
                "CREATE TABLE {table} (id bigint, region int, n int, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
                 CREATE TABLE {table}_0 PARTITION OF {table} FOR VALUES IN (0);
                 CREATE TABLE {table}_1 PARTITION OF {table} FOR VALUES IN (1);
                 CREATE TABLE {table}_2 PARTITION OF {table} DEFAULT"
            ),
            Shape::Full => format!(
                "CREATE TABLE {table} (id bigint PRIMARY KEY, n int, note text, tags text[], score float8, day date);
                 ALTER TABLE {table} REPLICA IDENTITY FULL"
            ),
            Shape::UniqueIndex => format!(
                "CREATE TABLE {table} (id bigint NOT NULL, n int, note text, weight real, data bytea, span interval, token uuid);
                 CREATE UNIQUE INDEX {table}_id ON {table} (id);
                 ALTER TABLE {table} REPLICA IDENTITY USING INDEX {table}_id"
            ),
        }
    }
}
