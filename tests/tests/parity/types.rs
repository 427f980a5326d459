//! A table for each type: nullable with its whole old row, and NOT NULL with its key alone.

use waltap_tests::{Result, Sql};

use crate::samples::{SAMPLES, Sample};

/// Added to the ids of the rows that are inserted while the stream runs.
const STREAMED: usize = 1000;

/// The id of the row that holds NULL.
const NULL_ROW: usize = 999;

/// The version of PostgreSQL that the test runs on, at least.
const MAJOR: u32 = 15;

/// Types that the samples of values do not need, but that Debezium tells apart.
pub(super) const SETUP: &str = "
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN moment AS timestamptz;
    CREATE DOMAIN moment3 AS timestamp(3);
    CREATE DOMAIN label AS varchar(10);
";

const fn sample(type_name: &'static str, values: &'static [&'static str]) -> Sample {
    Sample { type_name, since: 13, values }
}

/// Types with modifiers, arrays, and values on which Debezium's conversions turn.
const MORE: &[Sample] = &[
    sample("numeric(6,2)", &["1.10", "-1234.11", "0", "0.01"]),
    sample("numeric(5)", &["-129", "0", "99999"]),
    sample("numeric(38,10)", &["0.0000000001", "-1"]),
    sample("numeric(62,2)", &["123456789012345678901234567890123456789012345678901234567890.12"]),
    sample("decimal(8,4)", &["22.2200"]),
    sample("numeric", &["10.1111", "300.00", "0.0000001", "1e30", "-1e-7", "100", "1e7", "1e1000"]),
    sample("bit(1)", &["1", "0"]),
    sample("bit(8)", &["10000001", "00000000"]),
    sample("bit(64)", &["1000000000000000000000000000000000000000000000000000000000000001"]),
    sample("bit varying(1)", &["1", ""]),
    sample("bit varying(20)", &["11000000001", "0"]),
    sample("time(3)", &["13:51:30.123", "24:00:00"]),
    sample("time(4)", &["13:51:30.1234"]),
    sample("time(6)", &["13:51:30", "04:05:11.789"]),
    sample("timetz(3)", &["13:51:30.123+02", "23:00:00-05"]),
    sample("timestamp(0)", &["2018-06-20 15:13:16"]),
    sample("timestamp(2)", &["2018-06-20 15:13:16.12", "1969-12-31 23:59:59.99"]),
    sample("timestamp(3)", &["infinity", "-infinity"]),
    sample(
        "timestamp(6)",
        &["2018-06-20 15:13:16.1", "1969-12-31 23:59:59.999999", "2262-04-11 23:47:16.854775", "1677-09-21 00:12:44"],
    ),
    sample("timestamptz(0)", &["2016-11-04 13:51:30+00"]),
    sample("timestamptz(3)", &["2016-11-04 13:51:30.5+00"]),
    sample("timestamptz", &["0001-12-31 00:00:00+00 BC", "0001-01-01 00:00:00+00", "2016-11-04 13:51:30+02"]),
    sample("interval(3)", &["1.5 s"]),
    sample(
        "interval",
        &[
            "1 year 2 mons 3 days 4 hours 5 minutes 6.78 seconds",
            "-1 year -1 day -0.5 seconds",
            "-3 mons",
            "1 day -00:00:00.5",
            "2562047 hours",
            "30 minutes -1 years",
        ],
    ),
    sample(
        "double precision",
        &[
            "1",
            "1e20",
            "1e7",
            "12345678.5",
            "1.5e-7",
            "2e-323",
            "2.2250738585072014e-308",
            "9007199254740993",
            "123456789012345680",
        ],
    ),
    sample("real", &["1", "1e10", "16777216", "1.17549435e-38", "3.3554432e7", "2e-45"]),
    sample("daterange", &["empty", "(,)"]),
    sample("int8range", &["(1,5]"]),
    sample("point", &["(1,1)", "(1e300,-2e-20)"]),
    sample("path", &["((0,0),(1,1),(2,0))"]),
    sample("box", &["(0,3),(2,1)"]),
    sample("polygon", &["((0,0),(1,0),(0,1))"]),
    sample("line", &["{1,-2,3.5}"]),
    sample("refcursor", &["c"]),
    sample("positive", &["7"]),
    sample("moment", &["2024-01-01 00:00:00+00"]),
    sample("moment3", &["2024-01-01 00:00:00.5"]),
    sample("label", &["abc"]),
    sample("serial", &["7"]),
    sample("hstore", &["zebra=>1, a=>NULL, Aa=>\"q\\\"q\", BB=>x, key=>😀, \"\\n\"=>\"\\t\""]),
    sample("smallint[]", &["{1,NULL,-32768}"]),
    sample("bigint[]", &["{9223372036854775807}", "{}"]),
    sample("int[]", &["{1,2}", "[2:3]={1,2}", "{NULL}"]),
    sample("oid[]", &["{1,4294967295}"]),
    sample("real[]", &["{1.5,0.1,NaN}"]),
    sample("numeric(6,2)[]", &["{1.10,NULL}"]),
    sample("varchar(5)[]", &["{ab,NULL}"]),
    sample("char(3)[]", &["{ab}"]),
    sample("time[]", &["{13:51:30.5}"]),
    sample("timetz[]", &["{13:51:30+02}"]),
    sample("timestamp[]", &["{\"2018-06-20 15:13:16.945104\"}", "{infinity}"]),
    sample("timestamp(3)[]", &["{\"2018-06-20 15:13:16.945\"}"]),
    sample("json[]", &["{\"[1]\",NULL}"]),
    sample("inet[]", &["{192.168.0.1}"]),
    sample("cidr[]", &["{10.0.0.0/8}"]),
    sample("macaddr[]", &["{08:00:2b:01:02:03}"]),
    sample("citext[]", &["{A}"]),
    sample("ltree[]", &["{a.b}"]),
    sample("tsvector[]", &["{a}"]),
    sample("tstzrange[]", &["{\"[2024-01-01 00:00:00+00,)\"}"]),
    sample("name[]", &["{a}"]),
    sample("varbit[]", &["{101}"]),
    sample("bit(3)[]", &["{101,011}"]),
    sample("bit(1)[]", &["{1,0}"]),
    sample("mood[]", &["{sad,ok}"]),
    sample("xml[]", &["{<a/>}"]),
    sample("point[]", &["{\"(1,2)\"}"]),
    sample("circle[]", &["{\"<(1,1),2>\"}"]),
    sample("refcursor[]", &["{a}"]),
    sample("positive[]", &["{7}"]),
    sample("isbn", &["0-306-40615-2"]),
    sample("text", &["a\"b\\ é 漢 😀\n\u{1f} x", "\u{2028}</script>"]),
    sample("bytea", &["\\xfbff", "\\x010203"]),
    sample("jsonb", &["{\"b\":[1.50,null],\"a\":\"é😀\"}"]),
];

/// Values at which Debezium's snapshot ends in failure, so that the stream alone has them.
const NOT_IN_SNAPSHOT: &[(&str, &str)] = &[
    // Its driver looks for a cursor of that name.
    ("refcursor", "c"),
];

/// Debezium takes seconds for each of them (it strips zeros from the end of a number one by one), and there are dozens.
const TOO_SLOW: &[(&str, &str)] = &[("numeric", "1e130000")];

/// Those that the server has, with the numbers of their tables.
pub(super) fn tables() -> Vec<(usize, &'static Sample)> {
    let all = SAMPLES.iter().chain(MORE).enumerate();
    all.filter(|(_, sample)| sample.since <= MAJOR).collect()
}

/// The sample whose values a table holds.
pub(super) fn of_table(table: &str) -> Option<&'static Sample> {
    let number: usize = table.strip_prefix(['t', 'n'])?.parse().ok()?;
    SAMPLES.iter().chain(MORE).nth(number)
}

/// The value in the row of this key.
pub(super) fn value_of(sample: &Sample, key: &str) -> Option<&'static str> {
    let id: usize = key.strip_prefix("{\"id\":")?.strip_suffix('}')?.parse().ok()?;
    sample.values.get(id % STREAMED).copied()
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Makes the tables, with the rows of the snapshot.
pub(super) async fn create(sql: &Sql, samples: &[(usize, &Sample)]) -> Result {
    sql.run("CREATE TABLE \"Odd.Name\" (id int PRIMARY KEY)").await?;
    for (number, sample) in samples {
        let type_name = sample.type_name;
        let mut statements = format!(
            "CREATE TABLE t{number} (id int PRIMARY KEY, v {type_name}); ALTER TABLE t{number} REPLICA IDENTITY FULL;
             CREATE TABLE n{number} (id int PRIMARY KEY, v {type_name} NOT NULL);"
        );
        if type_name != "serial" {
            statements.push_str(&format!("INSERT INTO t{number} VALUES ({NULL_ROW}, NULL);"));
        }
        for (id, value) in sample.values.iter().enumerate() {
            if NOT_IN_SNAPSHOT.contains(&(type_name, value)) || TOO_SLOW.contains(&(type_name, value)) {
                continue;
            }
            statements.push_str(&format!("INSERT INTO t{number} VALUES ({id}, {});", literal(value)));
        }
        sql.run(&statements).await?;
    }
    Ok(())
}

/// The changes: of each row an insert, an update and a delete.
pub(super) async fn change(sql: &Sql, samples: &[(usize, &Sample)]) -> Result {
    for (number, sample) in samples {
        let table = format!("t{number}");
        let mut absent = String::new();
        for (id, value) in
            sample.values.iter().enumerate().filter(|(_, value)| NOT_IN_SNAPSHOT.contains(&(sample.type_name, value)))
        {
            absent.push_str(&format!("INSERT INTO {table} VALUES ({}, {});", STREAMED + id, literal(value)));
        }
        sql.run(&format!(
            "{absent} INSERT INTO {table} SELECT id + {STREAMED}, v FROM {table} WHERE id < {STREAMED} ORDER BY id;
             INSERT INTO n{number} SELECT id, v FROM {table} WHERE id >= {STREAMED} AND v IS NOT NULL ORDER BY id;"
        ))
        .await?;
        sql.run(&format!("UPDATE {table} SET v = v WHERE id >= {STREAMED}; DELETE FROM {table} WHERE id >= {STREAMED}")).await?;
        sql.run(&format!("DELETE FROM n{number}")).await?;
    }
    Ok(())
}
