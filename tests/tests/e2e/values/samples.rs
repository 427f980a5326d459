//! Values of every type that PostgreSQL has, the ugly ones above all.

/// A type and values of it, in the syntax of its input.
pub(super) struct Sample {
    /// As in CREATE TABLE.
    pub(super) type_name: &'static str,
    /// The first major version that has the type, or these values of it.
    pub(super) since: u32,
    pub(super) values: &'static [&'static str],
}

const fn sample(type_name: &'static str, values: &'static [&'static str]) -> Sample {
    Sample { type_name, since: 13, values }
}

const fn since(since: u32, type_name: &'static str, values: &'static [&'static str]) -> Sample {
    Sample { type_name, since, values }
}

/// What the samples need: types of the user's own, and extensions that come with PostgreSQL.
pub(super) const SETUP: &str = r#"
    CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION cube; CREATE EXTENSION isn;
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'a "quoted", one', 'ü');
    CREATE TYPE pair AS (n int, "Text" text);
    CREATE TYPE nest AS (p pair, ps pair[]);
    CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0);
    CREATE DOMAIN tags AS text[];
    CREATE DOMAIN price_of_price AS price;
    CREATE TYPE float_range AS RANGE (subtype = float8);
"#;

pub(super) const SAMPLES: &[Sample] = &[
    sample("smallint", &["-32768", "0", "32767"]),
    sample("integer", &["-2147483648", "-1", "2147483647"]),
    sample("bigint", &["-9223372036854775808", "9007199254740993", "9223372036854775807"]),
    sample("boolean", &["true", "false"]),
    sample("real", &["0", "-0", "1.17549435e-38", "3.4028235e38", "0.1", "NaN", "Infinity", "-Infinity", "1e-45"]),
    sample(
        "double precision",
        &["0", "-0", "5e-324", "1.7976931348623157e308", "0.1", "0.30000000000000004", "NaN", "Infinity", "-Infinity"],
    ),
    sample(
        "numeric",
        &[
            "0",
            "-0.00",
            "1.10",
            "NaN",
            "12345678901234567890.123456789012345678901234567890",
            "1e130000",
            "1e-16383",
            "-1e-16383",
        ],
    ),
    since(14, "numeric", &["Infinity", "-Infinity"]),
    sample("numeric(1000,500)", &["1", "-99999999999999999999.5"]),
    since(15, "numeric(3,-2)", &["12345"]),
    since(15, "numeric(3,5)", &["0.00999"]),
    sample("money", &["0", "-92233720368547758.08", "1234567.89", "92233720368547758.07"]),
    sample(
        "text",
        &["", " ", "null", "NULL", "\u{1}\u{1f}\u{7f}", "tab\there\nnew\r", "\"'\\/", "\\N", "\\.", "ünïcode 𝄞 \u{2028}\u{feff}"],
    ),
    sample("varchar(5)", &["", "äöü", "12345"]),
    sample("char(5)", &["", "ab", "äöüab"]),
    sample("name", &["", "aName"]),
    sample("\"char\"", &["", "a", "\"", "\\", "\\377", "\\200"]),
    sample("bytea", &["\\x", "\\x00", "\\x00ff5c27", "\\xdeadbeef00"]),
    sample("uuid", &["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    sample(
        "date",
        &["2024-02-29", "0001-01-01", "0044-03-15 BC", "4713-01-01 BC", "10000-01-01", "5874897-12-31", "infinity", "-infinity"],
    ),
    sample("time", &["00:00:00", "24:00:00", "23:59:59.999999", "12:00:00.5"]),
    sample("time(0)", &["12:00:00.5"]),
    sample("timetz", &["00:00:00+00", "24:00:00-15:59", "12:34:56.789+05:30", "01:02:03-00:00:30"]),
    sample(
        "timestamp",
        &[
            "2024-11-21 09:06:40.123456",
            "1970-01-01 00:00:00",
            "0001-01-01 00:00:00",
            "0001-12-31 23:59:59.999999 BC",
            "4713-01-01 00:00:00 BC",
            "10000-01-01 00:00:00",
            "294276-12-31 23:59:59.999999",
            "infinity",
            "-infinity",
        ],
    ),
    sample("timestamp(3)", &["2024-11-21 09:06:40.1239"]),
    sample(
        "timestamptz",
        &[
            "2024-11-21 09:06:40.123456+02",
            "1883-11-18 12:03:57-04:56:02",
            "0044-03-15 12:00:00+00 BC",
            "294276-12-31 23:59:59.999999+00",
            "infinity",
            "-infinity",
        ],
    ),
    sample(
        "interval",
        &["0", "1 year 2 mons -3 days 04:05:06.789", "-178000000 years", "178000000 years", "-00:00:00.000001", "1 day -1 s"],
    ),
    since(17, "interval", &["infinity", "-infinity"]),
    sample(
        "json",
        &[
            "{}",
            "[ 1,  2 ]",
            "\"\\u00e9\\ud834\\udd1e\"",
            "{\"a\" : 1.10, \"a\": 1e400}",
            "null",
            "\"\\ud800\"",
            "\"\\u0000\"",
            "12345678901234567890.0",
        ],
    ),
    sample(
        "jsonb",
        &["{}", "[1,2,{\"b\":null}]", "{\"a\": 1.10, \"\": \"\\\"\\n\"}", "null", "1e100", "12345678901234567890.000"],
    ),
    sample("jsonpath", &["$", "$.a[*] ? (@.b > 1)"]),
    sample("xml", &["<a>ü &amp; \"b\"</a>", "text only"]),
    sample("bit(3)", &["101"]),
    sample("bit varying", &["", "1", "0101010101"]),
    sample("inet", &["192.168.0.1", "192.168.0.1/24", "::1", "2001:db8::/32"]),
    sample("cidr", &["10.0.0.0/8", "::/0"]),
    sample("macaddr", &["08:00:2b:01:02:03"]),
    sample("macaddr8", &["08:00:2b:01:02:03:04:05"]),
    sample("point", &["(1.5,-2)", "(NaN,Infinity)"]),
    sample("line", &["{1,2,3}"]),
    sample("lseg", &["[(0,0),(1,1)]"]),
    sample("box", &["(1,1),(0,0)"]),
    sample("path", &["((0,0),(1,1))", "[(0,0),(1,1)]"]),
    sample("polygon", &["((0,0),(1,1),(1,0))"]),
    sample("circle", &["<(0,0),2.5>"]),
    sample("tsvector", &["", "'a':1A,2B 'it''s':3 'back\\\\slash'"]),
    sample("tsquery", &["'a' & !('b' | 'c':*)", "'x' <-> 'y'"]),
    sample("oid", &["0", "4294967295"]),
    sample("xid", &["0", "4294967295"]),
    sample("xid8", &["18446744073709551615"]),
    sample("cid", &["4294967295"]),
    sample("tid", &["(4294967295,65535)"]),
    sample("regclass", &["pg_class", "\"Odd.Name\""]),
    sample("regtype", &["integer", "mood"]),
    sample("regprocedure", &["lower(text)"]),
    sample("regrole", &["postgres"]),
    sample("pg_lsn", &["0/0", "FFFFFFFF/FFFFFFFF"]),
    sample("pg_snapshot", &["10:20:10,14,15"]),
    sample("txid_snapshot", &["10:20:10,14,15"]),
    sample("int2vector", &["1 2 3"]),
    sample("oidvector", &["", "1 4294967295"]),
    sample("int4range", &["empty", "[1,5)", "(,)", "[,7)"]),
    sample("numrange", &["[1.10,2.200]", "empty"]),
    sample("tsrange", &["[\"2024-01-01 00:00:00\",infinity)", "[\"0044-03-15 00:00:00 BC\",)"]),
    sample("tstzrange", &["[\"2024-01-01 00:00:00+02\",\"2024-06-01 00:00:00+02\"]"]),
    sample("daterange", &["[2024-01-01,2024-02-01)"]),
    sample("float_range", &["[0.1,NaN)"]),
    since(14, "int4multirange", &["{}", "{[1,5),[7,9)}"]),
    since(14, "tstzmultirange", &["{[\"2024-01-01 00:00:00+00\",\"2024-06-01 00:00:00+00\")}"]),
    sample("mood", &["sad", "a \"quoted\", one", "ü"]),
    sample("pair", &["(,)", "(1,\"a \"\"b\"\", c\")", "(7,\"\")"]),
    sample("nest", &["(\"(1,x)\",\"{\"\"(2,y)\"\",NULL}\")"]),
    sample("price", &["12.50"]),
    sample("price_of_price", &["12.50"]),
    sample("tags", &["{a,\"b c\",NULL,\"NULL\",\"\"}"]),
    sample("hstore", &["", "a=>1", "\"a b\"=>\"c\\\"d\", n=>NULL, \"\"=>\"\", \"ü\"=>\"\\\\\""]),
    sample("citext", &["CaSe"]),
    sample("ltree", &["Top.Science.Astronomy"]),
    sample("lquery", &["*.foo.*{1,2}"]),
    sample("cube", &["(1, 2),(3, 4)"]),
    sample("isbn13", &["978-0-393-04002-9"]),
    sample("int[]", &["{}", "{1,NULL,-3}", "{{1,2},{3,4}}", "[0:1]={5,6}", "[-1:0][2:2]={{7},{8}}", "{{{{{{9}}}}}}"]),
    sample("text[]", &["{}", "{\"\",NULL,\"NULL\",null,\"a,b\",\"q\\\"\\\\\",\"{}\",\" sp \"}", "{\"ü\\n\"}"]),
    sample("numeric[]", &["{1.10,NaN,1e100}"]),
    sample("boolean[]", &["{t,f,NULL}"]),
    sample("bytea[]", &["{\"\\\\x00ff\",NULL,\"\\\\x\"}"]),
    sample("float8[]", &["{1.5,NaN,-Infinity}"]),
    sample("timestamptz[]", &["{\"2024-11-21 09:06:40.1+02\",infinity,NULL}"]),
    sample("date[]", &["{2024-02-29,\"0044-03-15 BC\"}"]),
    // The document `null` and no document are one in JSON.
    sample("jsonb[]", &["{\"{\\\"a\\\": [1, 2]}\",NULL}"]),
    sample("box[]", &["{(1,1),(0,0);(3,3),(2,2)}"]),
    sample("money[]", &["{$1.50,NULL}"]),
    sample("uuid[]", &["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"]),
    sample("mood[]", &["{sad,NULL,\"a \\\"quoted\\\", one\"}"]),
    sample("pair[]", &["{\"(1,x)\",NULL}"]),
    sample("price[]", &["{1.00,NULL}"]),
    sample("hstore[]", &["{\"\\\"a\\\"=>\\\"1\\\"\",NULL}"]),
    sample("interval[]", &["{P1D,NULL}"]),
    sample("\"char\"[]", &["{a,NULL,\"\\\\377\"}"]),
    sample("int4range[]", &["{\"[1,5)\",empty}"]),
];
