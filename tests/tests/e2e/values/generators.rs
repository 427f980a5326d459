//! Values made by chance, in the syntax of each type's input: within what the type holds, and often at its ends.

use waltap_tests::Random;

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

fn array_of(items: &[Option<String>], delimiter: &str) -> String {
    let item = |item: &Option<String>| item.as_deref().map_or("NULL".to_owned(), quoted);
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(delimiter))
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn in_composite(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
}

/// Pieces of text that are something to one of the languages on the way.
const PIECES: [&str; 36] = [
    "a",
    "Z",
    "0",
    " ",
    "\"",
    "'",
    "\\",
    "/",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ";",
    ":",
    "=>",
    "NULL",
    "null",
    "\\u0000",
    "\\ud800",
    "\n",
    "\r",
    "\t",
    "\u{1}",
    "\u{8}",
    "\u{1f}",
    "\u{7f}",
    "é",
    "漢",
    "😀",
    "\u{2028}",
    "\u{feff}",
    "\u{ffff}",
    "\u{10ffff}",
];

/// Text of up to so many pieces; it may be empty.
fn text(random: &mut Random, pieces_max: u64) -> String {
    let count = random.below(pieces_max + 1);
    (0..count).filter_map(|_| random.choose(&PIECES).copied()).collect()
}

/// A few letters.
fn word(random: &mut Random) -> String {
    (0..=random.below(8)).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}

fn integer(random: &mut Random) -> i32 {
    random.number() as i32 >> random.below(32)
}

/// A number as people write them.
fn near(random: &mut Random) -> f64 {
    match random.below(2) {
        0 => random.below(1_000_000) as f64 / 64.0 - 5_000.0,
        _ => random.below(10_000) as f64,
    }
}

fn float(number: impl Into<f64> + std::fmt::LowerExp + Copy) -> String {
    match number.into() {
        wide if wide.is_nan() => "NaN".to_owned(),
        wide if wide.is_infinite() => if wide > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        _ => format!("{number:e}"),
    }
}

/// Mostly short; now and then as long as the type goes: 131072 digits before the point and 16383 behind it.
fn numeric(random: &mut Random) -> String {
    match random.below(40) {
        0 => "NaN".to_owned(),
        1 => format!("{}.{}", digits(random, 131_072), digits(random, 16_383)),
        2 => format!("0.{}", digits(random, 16_383)),
        3..=8 => decimal(random, 300, 300),
        _ => decimal(random, 25, 20),
    }
}

/// A decimal of up to so many digits on either side, zeros at its end too.
fn decimal(random: &mut Random, whole: u64, fraction: u64) -> String {
    let sign = if random.percent(50) { "-" } else { "" };
    let (whole, fraction) = (random.below(whole + 1), random.below(fraction + 1));
    let zeros = "0".repeat(random.below(fraction + 1) as usize);
    let fraction = digits(random, fraction - zeros.len() as u64) + &zeros;
    format!("{sign}0{}{}{fraction}", digits(random, whole), if fraction.is_empty() { "" } else { "." })
}

fn digits(random: &mut Random, count: u64) -> String {
    (0..count).map(|_| char::from(b'0' + random.below(10) as u8)).collect()
}

/// The first Julian day past what date holds, and timestamp.
const DATES_END: u64 = 2_147_483_494;
const TIMESTAMPS_END: u64 = 109_203_528;

/// A Julian day, which the server reads: of our times, of all times, or at the ends.
fn day(random: &mut Random, end: u64) -> u64 {
    match random.below(10) {
        0 => random.below(400),
        1 => end - 1 - random.below(400),
        // Around the first year, and around the year 10000.
        2 => 1_721_426 - 500 + random.below(1_000),
        3 => 5_373_484 - 500 + random.below(1_000),
        4..=5 => random.below(end),
        _ => 2_440_588 + random.below(30_000),
    }
}

fn date(random: &mut Random) -> String {
    match random.below(20) {
        0 => "infinity".to_owned(),
        1 => "-infinity".to_owned(),
        _ => format!("J{}", day(random, DATES_END)),
    }
}

fn time(random: &mut Random) -> String {
    if random.percent(10) {
        return "24:00:00".to_owned();
    }
    let fraction = match random.below(3) {
        0 => String::new(),
        _ => format!(".{}", random.below(1_000_000)),
    };
    format!("{:02}:{:02}:{:02}{fraction}", random.below(24), random.below(60), random.below(60))
}

/// Two days from the ends, so that an offset does not lead beyond them.
fn moment(random: &mut Random) -> String {
    format!("J{} {}", 2 + day(random, TIMESTAMPS_END - 4), time(random))
}

fn timestamp(random: &mut Random) -> String {
    match random.below(20) {
        0 => "infinity".to_owned(),
        1 => "-infinity".to_owned(),
        _ => moment(random),
    }
}

fn moments(random: &mut Random) -> String {
    let (low, high) = (random.below(2_451_545), 2_451_545 + random.below(1_000_000));
    let (low, high) = (format!("J{low} {}", time(random)), format!("J{high} {}", time(random)));
    range(in_composite(&low), in_composite(&high), random)
}

/// A range with either bound in or out, or without it.
fn range(low: String, high: String, random: &mut Random) -> String {
    let open = random.choose(&["[", "("]).unwrap_or(&"[");
    let close = random.choose(&["]", ")"]).unwrap_or(&")");
    match random.below(8) {
        0 => "empty".to_owned(),
        1 => format!("{open},{high}{close}"),
        2 => format!("{open}{low},{close}"),
        3 => "(,)".to_owned(),
        _ => format!("{open}{low},{high}{close}"),
    }
}

fn interval(random: &mut Random) -> String {
    let mut part = |bound: u64, unit: &str| match random.below(3) {
        0 => String::new(),
        _ => format!("{}{unit}", random.below(bound * 2) as i64 - bound as i64),
    };
    let date = [part(100_000_000, "Y"), part(12, "M"), part(1_000_000_000, "D")].concat();
    let time = [part(1_000_000_000, "H"), part(60, "M")].concat();
    let sign = if random.percent(50) { "-" } else { "" };
    format!("P{date}T{time}{sign}{}.{:06}S", random.below(60), random.below(1_000_000))
}

fn bits(random: &mut Random, count: u64) -> String {
    (0..count).map(|_| if random.percent(50) { '1' } else { '0' }).collect()
}

fn pairs(random: &mut Random, count: u64) -> String {
    (0..count).map(|_| format!("{:02x}", random.below(256))).collect::<Vec<_>>().join(":")
}

/// Numbers of which the server's shapes have exact texts; infinities are theirs too.
fn coordinate(random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("{:e}", (random.number() as i64) as f64 * 1e-7),
        1 => format!("{}", random.below(2_000) as i64 - 1_000),
        _ => format!("{}.{}", random.below(100), random.below(1_000_000)),
    }
}

fn point(random: &mut Random) -> String {
    format!("({},{})", coordinate(random), coordinate(random))
}

fn points(random: &mut Random) -> String {
    (0..=random.below(6)).map(|_| point(random)).collect::<Vec<_>>().join(",")
}

fn mood(random: &mut Random) -> String {
    random.choose(&["sad", "ok", "a \"quoted\", one", "ü"]).copied().unwrap_or_default().to_owned()
}

fn pair(random: &mut Random) -> String {
    let number = if random.percent(20) { String::new() } else { integer(random).to_string() };
    let text = if random.percent(20) { String::new() } else { in_composite(&text(random, 8)) };
    format!("({number},{text})")
}

fn hstore(random: &mut Random) -> String {
    let pairs = (0..random.below(6)).map(|_| {
        let value = if random.percent(20) { "NULL".to_owned() } else { quoted(&text(random, 8)) };
        format!("{}=>{value}", quoted(&text(random, 5)))
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// A document of so many levels. `json` keeps what `jsonb` does not take: repeated keys, zeros, white space and half of a surrogate pair.
fn document(random: &mut Random, levels: u64, json: bool) -> String {
    let space = if json { random.choose(&["", "", " ", "\n\t"]).copied().unwrap_or_default() } else { "" };
    let value = match random.below(if levels == 0 { 5 } else { 8 }) {
        0 => random.choose(&["null", "true", "false"]).copied().unwrap_or_default().to_owned(),
        1 => {
            let (sign, whole, fraction) = (random.below(2) as usize, random.below(30), 1 + random.below(30));
            format!("{}7{}.{}", ["", "-"][sign], digits(random, whole), digits(random, fraction))
        }
        2 => format!("{}e{}", random.below(1_000), random.below(400) as i64 - 200),
        3 if json && levels == 4 && random.percent(20) => "\"\\ud800\\u0000\"".to_owned(),
        3 | 4 => string(random),
        5 | 6 => {
            let items: Vec<String> = (0..random.below(4)).map(|_| document(random, levels - 1, json)).collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let pairs: Vec<String> = (0..random.below(4))
                .map(|_| format!("{}{space}:{}", string(random), document(random, levels - 1, json)))
                .collect();
            format!("{{{}}}", pairs.join(","))
        }
    };
    format!("{space}{value}{space}")
}

/// A string of JSON, with what may be escaped escaped or not. A text that says `\ud8…` is left to the list by hand: it could be taken for a
/// document that had to be written as a string.
fn string(random: &mut Random) -> String {
    let escaped = text(random, 8).replace("\\ud8", "").chars().collect::<Vec<_>>().into_iter().map(|character| match character {
        '"' | '\\' => format!("\\{character}"),
        ..' ' => format!("\\u{:04x}", character as u32),
        'é' => random.choose(&["é", "\\u00e9", "\\u00E9"]).copied().unwrap_or_default().to_owned(),
        '😀' => random.choose(&["😀", "\\ud83d\\ude00"]).copied().unwrap_or_default().to_owned(),
        other => other.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
