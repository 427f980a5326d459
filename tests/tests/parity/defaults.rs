//! Defaults of columns: which of them Debezium understands, and what it makes of them.

use waltap_tests::{Result, Sql};

/// The table of all of them: of each two columns, `v` that may be null and `w` that may not, and the number of its place here.
pub(super) const TABLE: &str = "all_defaults";

/// A type and an expression.
const DEFAULTS: &[(&str, &str)] = &[
    ("int", "7"),
    ("int", "-7"),
    ("int", "'8'::int"),
    ("int", "3 + 4"),
    ("int", "length('abc')"),
    ("int", "nextval('numbers')"),
    ("int", "COALESCE(1, 2)"),
    ("int", "EXTRACT(year FROM now())"),
    ("bigint", "9223372036854775807"),
    ("bigint", "5"),
    ("bigint", "5::bigint"),
    ("bigint", "txid_current()"),
    ("smallint", "'5'"),
    ("smallint", "-3"),
    ("text", "'x'"),
    ("text", "'it''s'"),
    ("text", "now()"),
    ("text", "current_user"),
    ("text", "'a' || 'b'"),
    ("text", "upper('q')"),
    ("text", "''"),
    ("text", "E'new\\nline'"),
    ("text", "'1234'::int::text"),
    ("text", "'now()'"),
    ("text", "'é😀'"),
    ("text", "'a\\b'"),
    ("text", "own()"),
    ("text", "\"Other\".own()"),
    ("text", "format('%s-%s', 'a', 'b')"),
    ("text", "CASE WHEN true THEN 'a' ELSE 'b' END"),
    ("varchar(10)", "'v'"),
    ("char(5)", "'c'"),
    ("boolean", "true"),
    ("boolean", "false"),
    ("boolean", "'t'::boolean"),
    ("boolean", "1 = 1"),
    ("numeric(6,2)", "1.5"),
    ("numeric(6,2)", "-1.5"),
    ("numeric(6,2)", "2"),
    ("numeric(6,2)", "1.500"),
    ("numeric(6,2)", "1.239"),
    ("numeric(6,2)", "random()"),
    ("numeric(5)", "5"),
    ("numeric(5)", "1.5"),
    ("numeric", "1.50"),
    ("numeric", "100"),
    ("numeric", "'NaN'"),
    ("numeric", "random()"),
    ("numeric", "1e3"),
    ("numeric(3,-2)", "12300"),
    ("real", "1.5"),
    ("real", "0"),
    ("real", "'NaN'"),
    ("double precision", "2.5"),
    ("double precision", "1e100"),
    ("double precision", "random()"),
    ("double precision", "-1"),
    ("double precision", "'-Infinity'"),
    ("json", "'{\"a\":1}'"),
    ("jsonb", "'{\"a\": 1}'"),
    ("jsonb", "jsonb_build_object('a', 1)"),
    ("xml", "'<a/>'"),
    ("uuid", "gen_random_uuid()"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    ("date", "'2024-01-02'"),
    ("date", "current_date"),
    ("date", "now()"),
    ("date", "'0044-03-15 BC'"),
    ("date", "'infinity'"),
    ("time", "'13:51:30.123'"),
    ("time", "localtime"),
    ("time(3)", "'13:51:30.123'"),
    ("time", "'24:00:00'"),
    ("timestamp", "'2024-01-02 03:04:05.123456'"),
    ("timestamp", "now()"),
    ("timestamp", "localtimestamp"),
    ("timestamp", "now() AT TIME ZONE 'utc'"),
    ("timestamp(3)", "'2024-01-02 03:04:05.123'"),
    ("timestamp", "'infinity'"),
    ("timestamptz", "'2024-01-01 00:00:00+00'"),
    ("timestamptz", "now()"),
    ("timestamptz", "current_timestamp"),
    ("timestamptz", "now() + '1 day'"),
    ("timestamptz(3)", "'2024-01-01 00:00:00.5+02'"),
    ("timestamptz(0)", "now()"),
    ("timestamptz", "'0044-03-15 00:00:00+00 BC'"),
    ("timestamptz", "'20000-01-01 00:00:00+00'"),
    ("timestamptz", "'-infinity'"),
    ("interval", "'1 day'"),
    ("interval", "'1 year 2 mons 3 days 4 hours 5 minutes 6.78 seconds'"),
    ("interval", "make_interval()"),
    ("bit(1)", "B'1'"),
    ("bit(1)", "'0'"),
    ("bit(8)", "B'10000001'"),
    ("bit varying(5)", "B'101'"),
    ("varbit", "B'1'"),
    ("mood", "'ok'"),
    ("mood", "'a \"quoted\", one'"),
    ("bytea", "'\\x00ff'"),
    ("money", "'1.50'"),
    ("timetz", "'13:51:30+02'"),
    ("inet", "'10.0.0.1'"),
    ("int[]", "'{1,2}'"),
    ("text[]", "ARRAY['a']"),
    ("hstore", "'a=>1'"),
    ("citext", "'c'"),
    ("ltree", "'a.b'"),
    ("price", "1.5"),
    ("positive", "3"),
    ("label", "'l'"),
    ("moment", "now()"),
    ("point", "'(1,2)'"),
    ("oid", "5"),
    ("\"char\"", "'c'"),
    ("tsvector", "'a'"),
    ("int4range", "'[1,2)'"),
];

/// The type and the default of a column of [`TABLE`].
pub(super) fn of_column(column: &str) -> Option<(&'static str, &'static str)> {
    DEFAULTS.get(column.strip_prefix(['v', 'w'])?.parse::<usize>().ok()?).copied()
}

/// What the rows have instead of a default that is a value at which the two differ: that is another matter.
fn plain_value(default: (&str, &str)) -> Option<&'static str> {
    match default {
        ("numeric", "'NaN'") => Some("1"),
        ("date", "'0044-03-15 BC'" | "'infinity'") | ("timestamp", "'infinity'") | ("timestamptz", "'-infinity'") => {
            Some("'2024-01-01'")
        }
        ("time", "'24:00:00'") => Some("'12:00'"),
        _ => None,
    }
}

/// The statement for a row of defaults.
fn insert(id: usize) -> String {
    let (mut columns, mut values) = (String::from("id"), id.to_string());
    for (number, default) in DEFAULTS.iter().enumerate() {
        if let Some(value) = plain_value(*default) {
            columns.push_str(&format!(", v{number}, w{number}"));
            values.push_str(&format!(", {value}, {value}"));
        }
    }
    format!("INSERT INTO {TABLE} ({columns}) VALUES ({values})")
}

/// Makes the table, with a row for the snapshot.
pub(super) async fn create(sql: &Sql) -> Result {
    let columns = DEFAULTS.iter().enumerate().map(|(number, (type_name, default))| {
        format!(", v{number} {type_name} DEFAULT ({default}), w{number} {type_name} NOT NULL DEFAULT ({default})")
    });
    let columns: String = columns.collect();
    sql.run(&format!(
        "CREATE SEQUENCE numbers;
         CREATE FUNCTION own() RETURNS text LANGUAGE sql AS 'SELECT ''x''::text';
         CREATE FUNCTION \"Other\".own() RETURNS text LANGUAGE sql AS 'SELECT ''x''::text';
         CREATE TABLE {TABLE} (id int PRIMARY KEY{columns});
         CREATE TABLE null_default (id int PRIMARY KEY, v varchar(10) DEFAULT NULL);
         CREATE TABLE serials (id serial PRIMARY KEY, b bigserial, s smallserial, i int GENERATED BY DEFAULT AS IDENTITY);
         CREATE TABLE uuid_key (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), v text);
         {};
         INSERT INTO null_default VALUES (1, NULL), (2, DEFAULT);
         INSERT INTO serials DEFAULT VALUES;
         INSERT INTO uuid_key DEFAULT VALUES;",
        insert(1)
    ))
    .await
}

/// A row of defaults, one of nulls, and their end.
pub(super) async fn change(sql: &Sql) -> Result {
    let nulls: String = (0..DEFAULTS.len()).map(|number| format!(", v{number} = NULL")).collect();
    sql.run(&format!(
        "{};
         UPDATE {TABLE} SET id = id{nulls} WHERE id = 2;
         DELETE FROM {TABLE} WHERE id = 2;
         INSERT INTO serials DEFAULT VALUES;
         DELETE FROM serials;
         INSERT INTO uuid_key DEFAULT VALUES;
         DELETE FROM uuid_key;",
        insert(2)
    ))
    .await
}
