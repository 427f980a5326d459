//! Values made by chance, in the syntax of each type's input: within what the type holds, and often at its ends.

use waltap_tests::Random;

use super::makers::{
    array_of, bits, coordinate, date, decimal, document, float, hstore, in_composite, integer, interval, moment, moments, mood,
    near, numeric, pair, pairs, point, points, range, text, time, timestamp, word,
};

/// Makes a value of a type.
pub(super) type Make = fn(&mut Random) -> String;

/// A type, and how its values are made and compared.
pub(super) struct Generated {
    /// As in CREATE TABLE.
    pub(super) type_name: &'static str,
    /// The first major version that has the type.
    pub(super) since: u32,
    pub(super) make: Make,
    /// Whether the server's own `=` tells values of the type apart: some types have none, and of some it compares sizes.
    pub(super) has_equality: bool,
}

const fn of(type_name: &'static str, make: Make) -> Generated {
    Generated { type_name, since: 13, make, has_equality: true }
}

/// A type that is compared by its text alone.
const fn by_text(type_name: &'static str, make: Make) -> Generated {
    Generated { has_equality: false, ..of(type_name, make) }
}

const fn since(since: u32, generated: Generated) -> Generated {
    Generated { since, ..generated }
}

pub(super) const SCALARS: &[Generated] = &[
    of("smallint", |random| (random.number() as i16 >> random.below(16)).to_string()),
    of("integer", |random| integer(random).to_string()),
    of("bigint", |random| (random.number() as i64 >> random.below(64)).to_string()),
    of("boolean", |random| random.percent(50).to_string()),
    of("real", |random| {
        let any = f32::from_bits(random.number() as u32);
        let near = near(random);
        float(if random.percent(50) { any } else { near as f32 })
    }),
    of("double precision", |random| {
        let any = f64::from_bits(random.number());
        let near = near(random);
        float(if random.percent(50) { any } else { near })
    }),
    of("numeric", numeric),
    of("numeric(20,6)", |random| decimal(random, 14, 6)),
    of("money", |random| {
        let cents = random.number() as i64 >> random.below(64);
        format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
    }),
    of("text", |random| text(random, 40)),
    of("varchar(30)", |random| text(random, 12).chars().take(30).collect()),
    of("char(8)", |random| text(random, 3).chars().take(8).collect()),
    of("name", |random| {
        let name = text(random, 10);
        name.char_indices()
            .take_while(|(place, character)| place + character.len_utf8() <= 63)
            .map(|(_, character)| character)
            .collect()
    }),
    of("\"char\"", |random| match random.below(3) {
        0 => format!("\\{:03o}", 128 + random.below(128)),
        _ => char::from(32 + random.below(95) as u8).to_string(),
    }),
    of("bytea", |random| {
        let length = random.below(40) * random.below(60);
        format!("\\x{}", (0..length).map(|_| format!("{:02x}", random.below(256))).collect::<String>())
    }),
    of("uuid", |random| {
        let digits = format!("{:016x}{:016x}", random.number(), random.number());
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }),
    of("date", date),
    of("time", time),
    of("time(2)", time),
    of("timetz", |random| {
        let sign = if random.percent(50) { '+' } else { '-' };
        format!("{}{sign}{:02}:{:02}:{:02}", time(random), random.below(16), random.below(60), random.below(60))
    }),
    of("timestamp", timestamp),
    of("timestamp(3)", timestamp),
    of("timestamptz", |random| match random.below(20) {
        0 => "infinity".to_owned(),
        1 => "-infinity".to_owned(),
        _ => format!("{}{:+03}:{:02}", moment(random), random.below(29) as i64 - 14, random.below(60)),
    }),
    of("interval", interval),
    by_text("json", |random| document(random, 4, true)),
    of("jsonb", |random| document(random, 4, false)),
    by_text("jsonpath", |random| {
        let key = word(random);
        let end = ["", "[*]", ".size()", " ? (@ > 1.5)", "[0 to 2]", ".**"];
        format!("$.\"{key}\"{}", random.choose(&end).unwrap_or(&""))
    }),
    by_text("xml", |random| format!("<{0} b=\"{1}\">é &amp; {1}<c/></{0}>", word(random), word(random))),
    of("bit(12)", |random| bits(random, 12)),
    of("bit varying", |random| {
        let length = random.below(80);
        bits(random, length)
    }),
    of("inet", |random| {
        if random.percent(50) {
            let [a, b, c, d] = (random.number() as u32).to_be_bytes();
            return format!("{a}.{b}.{c}.{d}/{}", random.below(33));
        }
        let address = std::net::Ipv6Addr::from_bits(u128::from(random.number()) << random.below(64));
        format!("{address}/{}", random.below(129))
    }),
    of("cidr", |random| {
        let (bits, address) = (random.below(33) as u32, random.number() as u32);
        let [a, b, c, d] = (address & u32::MAX.checked_shl(32 - bits).unwrap_or(0)).to_be_bytes();
        format!("{a}.{b}.{c}.{d}/{bits}")
    }),
    of("macaddr", |random| pairs(random, 6)),
    of("macaddr8", |random| pairs(random, 8)),
    by_text("point", point),
    of("line", |random| format!("{{1,{},{}}}", coordinate(random), coordinate(random))),
    of("lseg", |random| format!("[{},{}]", point(random), point(random))),
    by_text("box", |random| format!("{},{}", point(random), point(random))),
    by_text("path", |random| {
        let points = points(random);
        if random.percent(50) { format!("[{points}]") } else { format!("({points})") }
    }),
    by_text("polygon", |random| format!("({})", points(random))),
    by_text("circle", |random| format!("<{},{}>", point(random), random.below(1_000))),
    of("tsvector", |random| {
        let mut lexeme = || {
            let lexeme = format!("x{}", text(random, 3)).replace('\\', "\\\\").replace('\'', "''");
            format!("'{lexeme}':{}{}", 1 + random.below(16_383), random.choose(&["A", "B", "C", ""]).unwrap_or(&""))
        };
        [lexeme(), lexeme(), lexeme()].join(" ")
    }),
    of("tsquery", |random| {
        let operator = ["&", "|", "<->", "<2>", "& !"];
        format!("'{}':*A {} '{}'", word(random), random.choose(&operator).unwrap_or(&"&"), word(random))
    }),
    of("oid", |random| (random.number() as u32).to_string()),
    of("xid", |random| (random.number() as u32).to_string()),
    of("xid8", |random| random.number().to_string()),
    of("cid", |random| (random.number() as u32).to_string()),
    of("tid", |random| format!("({},{})", random.number() as u32, random.number() as u16)),
    of("pg_lsn", |random| format!("{:X}/{:X}", random.number() as u32, random.number() as u32)),
    by_text("pg_snapshot", |random| {
        let first = 3 + random.below(1_000_000);
        format!("{first}:{}:{first},{}", first + 10, first + 1 + random.below(8))
    }),
    by_text("int2vector", |random| format!("{} {}", random.number() as i16, random.number() as i16)),
    of("oidvector", |random| format!("{} {}", random.number() as u32, random.number() as u32)),
    of("int4range", |random| {
        let low = integer(random) / 2;
        range(low.to_string(), (i64::from(low) + random.below(1 << 30) as i64).to_string(), random)
    }),
    of("int8range", |random| {
        let low = random.number() as i64 / 2;
        range(low.to_string(), (low + random.below(1 << 40) as i64).to_string(), random)
    }),
    of("numrange", |random| {
        let (low, high) = (decimal(random, 10, 5), random.below(1_000));
        range(format!("-{}", low.trim_start_matches('-')), format!("{high}.{:03}", random.below(1_000)), random)
    }),
    of("daterange", |random| {
        let low = random.below(2_000_000);
        let high = low + random.below(500_000);
        range(format!("J{low}"), format!("J{high}"), random)
    }),
    of("tsrange", moments),
    of("tstzrange", moments),
    of("float_range", |random| {
        let low = coordinate(random);
        range(low, "1e300".to_owned(), random)
    }),
    since(
        14,
        of("int4multirange", |random| {
            let parts = random.below(4);
            let range = |part| format!("[{},{})", part * 100, part * 100 + 1 + random.clone().below(99));
            format!("{{{}}}", (0..parts).map(range).collect::<Vec<_>>().join(","))
        }),
    ),
    since(14, of("datemultirange", |random| format!("{{[J{},J2451545),[J2460000,)}}", random.below(2_451_545)))),
    of("mood", mood),
    of("pair", pair),
    of("nest", |random| {
        let (single, first, second) = (pair(random), pair(random), pair(random));
        format!("({},{})", in_composite(&single), in_composite(&array_of(&[Some(first), None, Some(second)], ",")))
    }),
    of("price", |random| decimal(random, 8, 2).trim_start_matches('-').to_owned()),
    of("hstore", hstore),
    of("citext", |random| text(random, 20)),
    of("ltree", |random| (0..=random.below(5)).map(|_| word(random)).collect::<Vec<_>>().join(".")),
    of("cube", |random| format!("({}, {}),({}, {})", integer(random), coordinate(random), integer(random), coordinate(random))),
];

/// The element types of arrays: those that the encoder tells apart, and those whose text needs quotes.
pub(super) const ELEMENTS: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "boolean",
    "real",
    "double precision",
    "numeric",
    "money",
    "text",
    "varchar(30)",
    "char(8)",
    "name",
    "\"char\"",
    "bytea",
    "uuid",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "jsonb",
    "bit(12)",
    "inet",
    "macaddr",
    "point",
    "box",
    "path",
    "oid",
    "pg_lsn",
    "int4range",
    "daterange",
    "tstzrange",
    "mood",
    "pair",
    "price",
    "hstore",
    "citext",
];

/// An array of one to six dimensions with nulls among its elements, and sometimes with bounds of its own.
pub(super) fn array(random: &mut Random, element: &Generated) -> String {
    if random.percent(10) {
        return "{}".to_owned();
    }
    // In an array of documents, what is an array in JSON may be a dimension or a document: its reader has to know.
    let dimensions = if element.type_name == "jsonb" { 1 } else { 1 + random.below(6).min(random.below(6)) };
    let lengths: Vec<u64> = (0..dimensions).map(|_| 1 + random.below(3)).collect();
    let delimiter = if element.type_name == "box" { ";" } else { "," };
    let array = nested(random, element, &lengths, delimiter);
    if !random.percent(20) {
        return array;
    }
    let bounds = lengths.iter().map(|length| {
        let low = random.below(2_000) as i64 - 1_000;
        format!("[{low}:{}]", low + *length as i64 - 1)
    });
    format!("{}={array}", bounds.collect::<String>())
}

fn nested(random: &mut Random, element: &Generated, lengths: &[u64], delimiter: &str) -> String {
    let Some((length, inner)) = lengths.split_first() else { return (element.make)(random) };
    if inner.is_empty() {
        let items: Vec<Option<String>> = (0..*length).map(|_| (!random.percent(20)).then(|| not_null(random, element))).collect();
        return array_of(&items, delimiter);
    }
    let items: Vec<String> = (0..*length).map(|_| nested(random, element, inner, delimiter)).collect();
    format!("{{{}}}", items.join(delimiter))
}

/// The document `null` and no document are one in the JSON of an array.
fn not_null(random: &mut Random, element: &Generated) -> String {
    match (element.make)(random) {
        null if null.trim() == "null" && element.type_name == "jsonb" => "{}".to_owned(),
        value => value,
    }
}
