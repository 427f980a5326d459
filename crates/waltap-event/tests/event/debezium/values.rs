//! Values, by hand: those of the map of Debezium's JSON, what its source says where the map does not, and what is ours.

use waltap_event::debezium::Options;
use waltap_event::{BaseType, DataType, ExtensionType};
use waltap_pgoutput::Value;

use super::{array, built_in, json_of, options};

const BOOL: u32 = 16;
const BYTEA: u32 = 17;
const NAME: u32 = 19;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const OID: u32 = 26;
const JSON: u32 = 114;
const XML: u32 = 142;
const POINT: u32 = 600;
const LSEG: u32 = 601;
const PATH: u32 = 602;
const BOX: u32 = 603;
const POLYGON: u32 = 604;
const LINE: u32 = 628;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
const CIRCLE: u32 = 718;
const MONEY: u32 = 790;
const BPCHAR: u32 = 1042;
const VARCHAR: u32 = 1043;
const DATE: u32 = 1082;
const TIME: u32 = 1083;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const INTERVAL: u32 = 1186;
const TIMETZ: u32 = 1266;
const BIT: u32 = 1560;
const VARBIT: u32 = 1562;
const NUMERIC: u32 = 1700;
const UUID: u32 = 2950;
const TSQUERY: u32 = 3615;
const JSONB: u32 = 3802;

fn text(data_type: DataType, value: &str, options: Options) -> Option<String> {
    json_of(data_type, Value::Text(value.as_bytes()), options)
}

/// A built-in type with a modifier.
fn modified(oid: u32, modifier: i32) -> DataType {
    DataType { modifier, ..built_in(oid) }
}

fn numeric(precision: i32, scale: i32) -> DataType {
    modified(NUMERIC, (precision << 16 | scale & 0x7ff) + 4)
}

fn extension(extension: ExtensionType) -> DataType {
    DataType::of(BaseType::Extension(extension))
}

fn array_of(oid: u32) -> DataType {
    array(BaseType::BuiltIn(oid))
}

#[track_caller]
fn check(properties: &[(&str, &str)], data_type: &DataType, cases: &[(&str, &str)]) {
    for (value, expected) in cases {
        let json = text(data_type.clone(), value, options(properties));
        assert_eq!(json.as_deref(), Some(*expected), "{value} as {data_type:?} with {properties:?}");
    }
}

#[test]
fn booleans_and_numbers() {
    check(&[], &built_in(BOOL), &[("t", "true"), ("f", "false"), ("yes", "\"yes\"")]);
    check(&[], &built_in(INT2), &[("-32768", "-32768")]);
    check(&[], &built_in(INT4), &[("2147483647", "2147483647"), ("007", "\"007\"")]);
    check(&[], &built_in(INT8), &[("-9223372036854775808", "-9223372036854775808")]);
    check(&[], &built_in(OID), &[("4294967295", "4294967295")]);
    check(&[], &built_in(FLOAT4), &[("0.1", "0.1"), ("3.4028235e+38", "3.4028235E38"), ("1e+10", "1.0E10"), ("NaN", "\"NaN\"")]);
    let doubles = [
        ("0.1", "0.1"),
        ("1", "1.0"),
        ("-0", "-0.0"),
        ("1e+20", "1.0E20"),
        ("1.5e-07", "1.5E-7"),
        ("5e-324", "4.9E-324"),
        ("NaN", "\"NaN\""),
        ("Infinity", "\"Infinity\""),
        ("-Infinity", "\"-Infinity\""),
        ("much", "\"much\""),
    ];
    check(&[], &built_in(FLOAT8), &doubles);
}

#[test]
fn decimals_in_each_mode() {
    let precise = [("1.10", "\"bg==\""), ("1234.11", "\"AeIT\""), ("-1234.11", "\"/h3t\""), ("0.00", "\"AA==\"")];
    check(&[], &numeric(6, 2), &precise);
    check(&[], &numeric(8, 4), &[("22.2200", "\"A2P4\"")]);
    check(&[], &numeric(5, 0), &[("-129", "\"/38=\"")]);
    check(&[], &numeric(4, -2), &[("12300", "\"ew==\"")]);
    // BigDecimal.unscaledValue().toByteArray() of these.
    check(&[], &numeric(39, 1), &[("-99999999999999999999999999999999999999.5", "\"/Q+vAWx2vFM7oJqpgAAAAAU=\"")]);
    let long = "123456789012345678901234567890123456789012345678901234567890.12";
    check(&[], &numeric(62, 2), &[(long, "\"B67HtelZe95RFND8JbLFwo0nATpe6JCgOhQ=\"")]);
    let variable = [("10.1111", r#"{"scale":4,"value":"AYr3"}"#), ("300.00", r#"{"scale":0,"value":"ASw="}"#)];
    check(&[], &built_in(NUMERIC), &variable);
    // Debezium stops at these.
    for data_type in [numeric(6, 2), built_in(NUMERIC)] {
        check(&[], &data_type, &[("NaN", "\"NaN\""), ("Infinity", "\"Infinity\"")]);
        let special = [("NaN", "\"NAN\""), ("Infinity", "\"POSITIVE_INFINITY\""), ("-Infinity", "\"NEGATIVE_INFINITY\"")];
        check(&[("decimal", "string")], &data_type, &special);
        check(&[("decimal", "string")], &data_type, &[("1.10", "\"1.10\""), ("0.0000001", "\"0.0000001\""), ("x", "\"x\"")]);
        check(&[("decimal", "double")], &data_type, &[("1.10", "1.1"), ("NaN", "\"NaN\""), ("-Infinity", "\"-Infinity\"")]);
    }
}

#[test]
fn money_in_each_mode() {
    let precise = [
        ("$1,234.11", "\"AeIT\""),
        ("-$92,233,720,368,547,758.08", "\"gAAAAAAAAAA=\""),
        ("$92,233,720,368,547,758.07", "\"f/////////8=\""),
        ("1.234,50 €", "\"1.234,50 €\""),
    ];
    check(&[], &built_in(MONEY), &precise);
    check(&[("decimal", "string")], &built_in(MONEY), &[("-$1,234.11", "\"-1234.11\"")]);
    check(&[("decimal", "double")], &built_in(MONEY), &[("-$1,234.10", "-1234.1")]);
}

#[test]
fn texts_and_their_like() {
    for oid in
        [18, NAME, TEXT, VARCHAR, BPCHAR, JSON, JSONB, XML, UUID, 869, 650, 829, 774, 3614, 3904, 3906, 3908, 3910, 3912, 3926]
    {
        check(&[], &built_in(oid), &[("a\"b\\ é", r#""a\"b\\ é""#), ("", "\"\"")]);
    }
    check(&[], &built_in(JSONB), &[(r#"{"a": [1]}"#, r#""{\"a\": [1]}""#)]);
    check(&[], &built_in(TEXT), &[("\u{1f}😀", r#""\u001F\uD83D\uDE00""#)]);
    for kind in [ExtensionType::Citext, ExtensionType::Ltree, ExtensionType::Isbn] {
        check(&[], &extension(kind), &[("Mixed", "\"Mixed\"")]);
    }
    check(&[], &DataType::of(BaseType::Enum), &[("so \"so\"", r#""so \"so\"""#)]);
}

#[test]
fn bits() {
    check(&[], &modified(BIT, 1), &[("1", "true"), ("0", "false")]);
    check(&[], &modified(VARBIT, 1), &[("1", "true"), ("", "\"\"")]);
    check(&[], &modified(BIT, 2), &[("11", "\"Aw==\""), ("00", "\"\""), ("2", "\"2\"")]);
    check(&[], &modified(VARBIT, 5), &[("101", "\"BQ==\"")]);
    // Low byte first: 0x0180.
    check(&[], &built_in(VARBIT), &[("00000110000000", "\"gAE=\"")]);
    let long = format!("1{}", "0".repeat(8 * 1_000));
    let json = text(built_in(VARBIT), &long, options(&[])).unwrap();
    assert_eq!(json, format!("\"{}E=\"", "A".repeat(1_334)));
}

#[test]
fn bytes_in_each_mode() {
    let value = "\\xfbff01";
    for (mode, expected) in
        [("bytes", "\"+/8B\""), ("base64", "\"+/8B\""), ("base64-url-safe", "\"-_8B\""), ("hex", "\"fbff01\"")]
    {
        check(&[("binary", mode)], &built_in(BYTEA), &[(value, expected), ("\\x", "\"\""), ("\\xf", r#""\\xf""#)]);
        check(&[("binary", mode)], &array_of(BYTEA), &[(r#"{"\\xfbff01",NULL}"#, &format!("[{expected},null]"))]);
    }
}

#[test]
fn dates_in_each_mode() {
    // LocalDate.of(…).toEpochDay()
    let days = [
        ("2016-11-04", "17109"),
        ("1969-12-31", "-1"),
        ("0044-03-15 BC", "-735160"),
        ("5874897-12-31", "2145042905"),
        ("infinity", "2146033979"),
        ("-infinity", "-2147472691"),
        ("11/04/2016", "\"11/04/2016\""),
    ];
    for mode in ["adaptive", "adaptive_time_microseconds", "connect", "microseconds", "nanoseconds"] {
        check(&[("time", mode)], &built_in(DATE), &days);
    }
    let iso = [("2017-09-15", "\"2017-09-15Z\""), ("0044-03-15 BC", "\"-0043-03-15Z\""), ("10000-01-01", "\"+10000-01-01Z\"")];
    check(&[("time", "isostring")], &built_in(DATE), &iso);
}

#[test]
fn times_in_each_mode() {
    let time = "13:51:30.123456";
    for (mode, modifier, expected, midnight) in [
        ("adaptive", -1, "49890123456", "86400000000"),
        ("adaptive", 6, "49890123456", "86400000000"),
        ("adaptive", 4, "49890123456", "86400000000"),
        ("adaptive", 3, "49890123", "86400000"),
        ("adaptive_time_microseconds", 3, "49890123456", "86400000000"),
        ("connect", -1, "49890123", "86400000"),
        ("microseconds", 0, "49890123456", "86400000000"),
        ("nanoseconds", 0, "49890123456000", "86400000000000"),
        ("isostring", -1, "\"13:51:30.123456Z\"", "\"24:00:00Z\""),
    ] {
        check(&[("time", mode)], &modified(TIME, modifier), &[(time, expected), ("24:00:00", midnight), ("noon", "\"noon\"")]);
    }
    check(&[], &built_in(TIME), &[("13:51:30", "49890000000")]);
}

#[test]
fn timestamps_in_each_mode() {
    let micros = [
        ("2018-06-20 15:13:16.945104", "1529507596945104"),
        ("0001-01-01 00:00:00", "-62135596800000000"),
        ("1969-12-31 23:59:59.999999", "-1"),
        ("infinity", "9223372036854775807"),
        ("-infinity", "-9223372036854775808"),
        // Past what 64 bits hold as microseconds since 1970.
        ("294276-12-31 23:59:59.999999", "\"294276-12-31 23:59:59.999999\""),
    ];
    check(&[], &built_in(TIMESTAMP), &micros);
    check(&[("time", "microseconds")], &modified(TIMESTAMP, 0), &micros);
    let millis = [
        ("2018-06-20 15:13:16.945", "1529507596945"),
        ("1969-12-31 23:59:59.999", "-1"),
        ("294276-12-31 23:59:59", "9224318015999000"),
        ("infinity", "9223372036825200000"),
        ("-infinity", "-9223372036832400000"),
    ];
    check(&[], &modified(TIMESTAMP, 3), &millis);
    check(&[("time", "adaptive_time_microseconds")], &modified(TIMESTAMP, 3), &millis);
    check(&[("time", "connect")], &built_in(TIMESTAMP), &millis);
    let nanos = [
        ("2018-06-20 15:13:16.945104", "1529507596945104000"),
        ("infinity", "9223372036854775807"),
        ("-infinity", "-9223372036854775808"),
        ("1677-01-01 00:00:00", "\"1677-01-01 00:00:00\""),
        ("2263-01-01 00:00:00", "\"2263-01-01 00:00:00\""),
    ];
    check(&[("time", "nanoseconds")], &built_in(TIMESTAMP), &nanos);
    let iso = [
        ("2019-07-09 02:28:57.1234", "\"2019-07-09T02:28:57.1234Z\""),
        ("2019-07-09 02:28:57", "\"2019-07-09T02:28:57Z\""),
        ("0044-03-15 00:00:00 BC", "\"-0043-03-15T00:00:00Z\""),
        ("infinity", "\"+292278994-08-16T23:00:00Z\""),
        ("-infinity", "\"-292275055-05-16T23:00:00Z\""),
    ];
    check(&[("time", "isostring")], &built_in(TIMESTAMP), &iso);
    check(&[("time", "isostring")], &modified(TIMESTAMP, 2), &iso);
}

#[test]
fn times_with_zones_are_strings_in_every_mode() {
    for mode in ["adaptive", "connect", "isostring", "nanoseconds"] {
        let zoned = [
            ("2016-11-04 11:51:30.123456+00", "\"2016-11-04T11:51:30.123456Z\""),
            ("2016-11-04 11:51:30+00", "\"2016-11-04T11:51:30.000000Z\""),
            ("2024-03-01 00:30:00.25+05:30", "\"2024-02-29T19:00:00.250000Z\""),
            ("21016-11-04 06:51:30.123456+00", "\"+21016-11-04T06:51:30.123456Z\""),
            ("4714-12-31 23:59:59.999999+00 BC", "\"-4713-12-31T23:59:59.999999Z\""),
            ("0001-12-31 00:00:00+00 BC", "\"0000-12-31T00:00:00.000000Z\""),
            ("infinity", "\"infinity\""),
            ("-infinity", "\"-infinity\""),
            ("tomorrow", "\"tomorrow\""),
        ];
        check(&[("time", mode)], &built_in(TIMESTAMPTZ), &zoned);
        check(&[("time", mode)], &modified(TIMESTAMPTZ, 2), &[("2016-11-04 11:51:30.1+00", "\"2016-11-04T11:51:30.10Z\"")]);
        check(&[("time", mode)], &modified(TIMESTAMPTZ, 0), &[("2016-11-04 11:51:30+00", "\"2016-11-04T11:51:30Z\"")]);
        let times = [
            ("11:51:30.123789+00", "\"11:51:30.123789Z\""),
            ("13:51:30+02", "\"11:51:30Z\""),
            ("01:00:00.5+05:30", "\"19:30:00.5Z\""),
            ("24:00:00+00", "\"24:00:00Z\""),
            ("24:00:00+02", "\"22:00:00Z\""),
        ];
        check(&[("time", mode)], &built_in(TIMETZ), &times);
    }
}

#[test]
fn intervals_in_each_mode() {
    // Those with fractions from MicroDuration's own arithmetic.
    let micros = [
        ("P1Y", "31557600000000"),
        ("P1Y2M3DT4H5M6.78S", "37091106780000"),
        ("P-1Y-1DT-0.5S", "-31644000500000"),
        ("PT0.000003S", "3"),
        ("PT2562047788H", "9223372036800000000"),
        ("PT0S", "0"),
        ("infinity", "\"infinity\""),
    ];
    check(&[], &built_in(INTERVAL), &micros);
    let texts = [
        ("P1Y2M3DT4H5M6.78S", "\"P1Y2M3DT4H5M6.78S\""),
        ("PT0S", "\"P0Y0M0DT0H0M0S\""),
        ("P-1DT2H", "\"P0Y0M-1DT2H0M0S\""),
        ("PT-0.000003S", "\"P0Y0M0DT0H0M-0.000003S\""),
        ("1 day", "\"1 day\""),
    ];
    check(&[("interval", "string")], &built_in(INTERVAL), &texts);
}

#[test]
fn hstores_in_each_mode_and_in_javas_order() {
    let hstore = extension(ExtensionType::Hstore);
    check(&[("hstore", "map")], &hstore, &[("", "{}"), (r#""key"=>"val""#, r#"{"key":"val"}"#), ("key", "\"key\"")]);
    check(&[], &hstore, &[("", "\"{}\""), (r#""key"=>"val""#, r#""{\"key\":\"val\"}""#)]);
    let value = r#""zebra"=>"1", "a"=>NULL, "Aa"=>"q\"q", "key"=>"😀""#;
    let map = r#"{"zebra":"1","Aa":"q\"q","a":null,"key":"\uD83D\uDE00"}"#;
    check(&[("hstore", "map")], &hstore, &[(value, map)]);
    // The string holds Java's characters, of which the outer JSON escapes those beyond the basic plane, once.
    let document = r#""{\"zebra\":\"1\",\"Aa\":\"q\\\"q\",\"a\":null,\"key\":\"\uD83D\uDE00\"}""#;
    check(&[], &hstore, &[(value, document)]);
}

#[test]
fn shapes() {
    let point = r#"{"x":1.0,"y":1.0,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAPA/","srid":null}"#;
    check(&[], &built_in(POINT), &[("(1,1)", point), ("(1)", "\"(1)\""), ("(a,b)", "\"(a,b)\"")]);
    check(&[], &built_in(CIRCLE), &[("<(1,1),2.5>", &format!(r#"{{"center":{point},"radius":2.5}}"#))]);
    check(&[], &built_in(LINE), &[("{1,-2,3.5}", r#"{"a":1.0,"b":-2.0,"c":3.5}"#)]);
    // struct.pack('<BI…', 1, 2 or 3, …) in base64.
    let segment = "AQIAAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAA8D8=";
    let geometry = |wkb: &str, extensions: &str| format!(r#"{{"wkb":"{wkb}","srid":null,"extensions":{{{extensions}}}}}"#);
    check(&[], &built_in(LSEG), &[("[(0,0),(1,1)]", &geometry(segment, r#""type":"lseg""#))]);
    check(&[], &built_in(PATH), &[("[(0,0),(1,1)]", &geometry(segment, r#""type":"path","closed":"false""#))]);
    check(&[], &built_in(PATH), &[("((0,0),(1,1))", &geometry(segment, r#""type":"path","closed":"true""#))]);
    let square = "AQMAAAABAAAABQAAAAAAAAAAAPA/AAAAAAAA8D8AAAAAAADwPwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8D8AAAAAAADwPwAAAAAAAPA/";
    check(&[], &built_in(BOX), &[("(1,1),(0,0)", &geometry(square, r#""type":"box""#))]);
    let triangle = "AQMAAAABAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADwPwAAAAAAAAAAAAAAAAAAAAAAAAAAAADwPwAAAAAAAAAAAAAAAAAAAAA=";
    check(&[], &built_in(POLYGON), &[("((0,0),(1,0),(0,1))", &geometry(triangle, r#""type":"polygon""#))]);
    check(&[], &built_in(POLYGON), &[("((0,0),(1,0),(0,1),(0,0))", &geometry(triangle, r#""type":"polygon""#))]);
    let boxes = DataType::of(BaseType::Array { element: Box::new(BaseType::BuiltIn(BOX)), delimiter: b';' });
    let square = geometry(square, r#""type":"box""#);
    check(&[], &boxes, &[("{(1,1),(0,0);(1,1),(0,0)}", &format!("[{square},{square}]"))]);
}

#[test]
fn extensions_shapes_and_vectors() {
    for (kind, extensions) in [(ExtensionType::Geometry, ",\"extensions\":null"), (ExtensionType::Geography, "")] {
        let located = format!(r#"{{"wkb":"AQEAACBzDAAAHHxhMlXeZUB4eqUsQ1xCwA==","srid":3187{extensions}}}"#);
        let empty = format!(r#"{{"wkb":"AQcAAAAAAAAA","srid":null{extensions}}}"#);
        let geometries = [
            ("0101000020730C00001C7C613255DE6540787AA52C435C42C0", located.as_str()),
            ("010700000000000000", &empty),
            ("0107000000 00000000", "\"0107000000 00000000\""),
            ("0101000020", "\"0101000020\""),
        ];
        check(&[], &extension(kind), &geometries);
    }
    check(&[], &extension(ExtensionType::Vector), &[("[1,2.5,-3]", "[1.0,2.5,-3.0]"), ("[]", "[]"), ("[1,]", "\"[1,]\"")]);
    check(&[], &extension(ExtensionType::HalfVector), &[("[1,0.099975586]", "[1.0,0.099975586]")]);
    let sparse = [
        ("{1:1.5,3:2}/3000", r#"{"dimensions":3000,"vector":[[1,1.5],[3,2.0]]}"#),
        ("{}/5", r#"{"dimensions":5,"vector":[]}"#),
        // SparseDoubleVector.fromLogical of this.
        ("{1:1.5,3:2,17:4,16:5,40:1}/3000", r#"{"dimensions":3000,"vector":[[16,5.0],[40,1.0],[1,1.5],[17,4.0],[3,2.0]]}"#),
        ("{1:x}/5", "\"{1:x}/5\""),
    ];
    check(&[], &extension(ExtensionType::SparseVector), &sparse);
}

#[test]
fn sparse_vectors_have_the_order_of_a_java_map_made_for_so_many() {
    // What `new HashMap<Short, …>(count)` gave for the keys (number * 37 + 5) % 100.
    for order in [
        &[5][..],
        &[5, 42, 79],
        &[16, 42, 5, 79],
        &[16, 42, 90, 5, 53, 79],
        &[16, 64, 1, 5, 53, 38, 42, 90, 27, 75, 12, 79],
        &[64, 1, 5, 38, 42, 75, 12, 79, 16, 49, 53, 90, 27],
    ] {
        let places: Vec<String> = (0..order.len()).map(|number| format!("{}:1", (number * 37 + 5) % 100)).collect();
        let value = format!("{{{}}}/100", places.join(","));
        let expected: Vec<String> = order.iter().map(|place: &u32| format!("[{place},1.0]")).collect();
        let expected = format!(r#"{{"dimensions":100,"vector":[{}]}}"#, expected.join(","));
        check(&[], &extension(ExtensionType::SparseVector), &[(&value, &expected)]);
    }
}

#[test]
fn arrays_have_their_elements_forms() {
    check(&[], &array_of(INT4), &[("{1,NULL,-3}", "[1,null,-3]"), ("{}", "[]"), ("[2:3]={1,2}", "[1,2]"), ("{1", "\"{1\"")]);
    check(&[], &array_of(INT4), &[("{{1,2},{3,NULL}}", "[[1,2],[3,null]]")]);
    check(&[], &array_of(TEXT), &[(r#"{a,"b \"c\"",NULL,"NULL"}"#, r#"["a","b \"c\"",null,"NULL"]"#)]);
    check(&[], &array_of(BOOL), &[("{t,f}", "[true,false]")]);
    check(&[], &array_of(DATE), &[(r#"{2016-11-04,"0044-03-15 BC"}"#, "[17109,-735160]")]);
    let numerics = DataType { modifier: (6 << 16 | 2) + 4, ..array_of(NUMERIC) };
    check(&[], &numerics, &[("{1.10,NULL}", "[\"bg==\",null]")]);
    check(&[], &array_of(TIMESTAMPTZ), &[(r#"{"2016-11-04 11:51:30+00"}"#, "[\"2016-11-04T11:51:30.000000Z\"]")]);
    check(&[], &array_of(JSONB), &[(r#"{"{\"a\": 1}"}"#, r#"["{\"a\": 1}"]"#)]);
    check(&[], &array(BaseType::Enum), &[("{sad,NULL}", "[\"sad\",null]")]);
    check(&[], &array(BaseType::Extension(ExtensionType::Hstore)), &[(r#"{"\"a\"=>\"1\""}"#, r#"["{\"a\":\"1\"}"]"#)]);
}

#[test]
fn what_debezium_does_not_know_is_left_out_or_the_bytes_of_its_text() {
    for data_type in [DataType::default(), built_in(TSQUERY), built_in(1790)] {
        assert_eq!(text(data_type.clone(), "x", options(&[])), None, "{data_type:?}");
        assert_eq!(text(data_type.clone(), "x", options(&[("unknown", "true")])).unwrap(), "\"eA==\"");
        assert_eq!(text(data_type, "x", options(&[("unknown", "true"), ("binary", "hex")])).unwrap(), "\"78\"");
    }
    for element in [BaseType::Other, BaseType::BuiltIn(TSQUERY)] {
        assert_eq!(text(array(element.clone()), "{x}", options(&[])), None);
        assert_eq!(text(array(element), "{x,NULL}", options(&[("unknown", "true")])).unwrap(), "[\"eA==\",null]");
    }
    for oid in [MONEY, NAME, INTERVAL, VARBIT, XML, POINT, 1790] {
        assert_eq!(text(array_of(oid), "{x}", options(&[("unknown", "true")])), None, "{oid}");
    }
}

#[test]
fn what_was_not_touched_is_the_placeholder_of_its_type() {
    let placeholder = "\"__debezium_unavailable_value\"";
    let bytes = "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"";
    let list = "[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]";
    let unchanged = |data_type, properties: &[(&str, &str)]| json_of(data_type, Value::Unchanged, options(properties)).unwrap();
    for oid in [TEXT, VARCHAR, JSON, JSONB, XML, NUMERIC] {
        assert_eq!(unchanged(built_in(oid), &[]), placeholder);
    }
    assert_eq!(unchanged(built_in(BYTEA), &[]), bytes);
    assert_eq!(unchanged(built_in(BYTEA), &[("binary", "hex")]), placeholder);
    for oid in [TEXT, VARCHAR, BPCHAR, JSON, JSONB] {
        assert_eq!(unchanged(array_of(oid), &[]), format!("[{placeholder}]"));
    }
    assert_eq!(unchanged(array_of(BYTEA), &[]), format!("[{bytes}]"));
    for oid in [INT4, INT8, DATE] {
        assert_eq!(unchanged(array_of(oid), &[]), list);
    }
    assert_eq!(unchanged(array_of(UUID), &[]), "[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]");
    let hstore = extension(ExtensionType::Hstore);
    assert_eq!(unchanged(hstore.clone(), &[("hstore", "map")]), format!("{{{placeholder}:{placeholder}}}"));
    assert_eq!(unchanged(hstore, &[("unavailable", "x")]), r#""{\"x\":\"x\"}""#);
    assert_eq!(unchanged(array_of(INT4), &[("unavailable", "hex:80ff7f")]), "[-128,-1,127]");
    assert_eq!(unchanged(built_in(BYTEA), &[("unavailable", "hex:80ff7f")]), "\"gP9/\"");
}
