//! The values of which others are made: numbers, texts, moments, documents and so on, by chance.

use waltap_tests::Random;

pub(super) fn array_of(items: &[Option<String>], delimiter: &str) -> String {
    let item = |item: &Option<String>| item.as_deref().map_or("NULL".to_owned(), quoted);
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(delimiter))
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn in_composite(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
}

/// Pieces of text that are something to one of the languages on the way.
pub(super) const PIECES: [&str; 36] = [
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
pub(super) fn text(random: &mut Random, pieces_max: u64) -> String {
    let count = random.below(pieces_max + 1);
    (0..count).filter_map(|_| random.choose(&PIECES).copied()).collect()
}

/// A few letters.
pub(super) fn word(random: &mut Random) -> String {
    (0..=random.below(8)).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}

pub(super) fn integer(random: &mut Random) -> i32 {
    random.number() as i32 >> random.below(32)
}

/// A number as people write them.
pub(super) fn near(random: &mut Random) -> f64 {
    match random.below(2) {
        0 => random.below(1_000_000) as f64 / 64.0 - 5_000.0,
        _ => random.below(10_000) as f64,
    }
}

pub(super) fn float(number: impl Into<f64> + std::fmt::LowerExp + Copy) -> String {
    match number.into() {
        wide if wide.is_nan() => "NaN".to_owned(),
        wide if wide.is_infinite() => if wide > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        _ => format!("{number:e}"),
    }
}

/// Mostly short; now and then as long as the type goes: 131072 digits before the point and 16383 behind it.
pub(super) fn numeric(random: &mut Random) -> String {
    match random.below(40) {
        0 => "NaN".to_owned(),
        1 => format!("{}.{}", digits(random, 131_072), digits(random, 16_383)),
        2 => format!("0.{}", digits(random, 16_383)),
        3..=8 => decimal(random, 300, 300),
        _ => decimal(random, 25, 20),
    }
}

/// A decimal of up to so many digits on either side, zeros at its end too.
pub(super) fn decimal(random: &mut Random, whole: u64, fraction: u64) -> String {
    let sign = if random.percent(50) { "-" } else { "" };
    let (whole, fraction) = (random.below(whole + 1), random.below(fraction + 1));
    let zeros = "0".repeat(random.below(fraction + 1) as usize);
    let fraction = digits(random, fraction - zeros.len() as u64) + &zeros;
    format!("{sign}0{}{}{fraction}", digits(random, whole), if fraction.is_empty() { "" } else { "." })
}

pub(super) fn digits(random: &mut Random, count: u64) -> String {
    (0..count).map(|_| char::from(b'0' + random.below(10) as u8)).collect()
}

/// The first Julian day past what date holds, and timestamp.
pub(super) const DATES_END: u64 = 2_147_483_494;
pub(super) const TIMESTAMPS_END: u64 = 109_203_528;

/// A Julian day, which the server reads: of our times, of all times, or at the ends.
pub(super) fn day(random: &mut Random, end: u64) -> u64 {
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

pub(super) fn date(random: &mut Random) -> String {
    match random.below(20) {
        0 => "infinity".to_owned(),
        1 => "-infinity".to_owned(),
        _ => format!("J{}", day(random, DATES_END)),
    }
}

pub(super) fn time(random: &mut Random) -> String {
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
pub(super) fn moment(random: &mut Random) -> String {
    format!("J{} {}", 2 + day(random, TIMESTAMPS_END - 4), time(random))
}

pub(super) fn timestamp(random: &mut Random) -> String {
    match random.below(20) {
        0 => "infinity".to_owned(),
        1 => "-infinity".to_owned(),
        _ => moment(random),
    }
}

pub(super) fn moments(random: &mut Random) -> String {
    let (low, high) = (random.below(2_451_545), 2_451_545 + random.below(1_000_000));
    let (low, high) = (format!("J{low} {}", time(random)), format!("J{high} {}", time(random)));
    range(in_composite(&low), in_composite(&high), random)
}

/// A range with either bound in or out, or without it.
pub(super) fn range(low: String, high: String, random: &mut Random) -> String {
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

pub(super) fn interval(random: &mut Random) -> String {
    let mut part = |bound: u64, unit: &str| match random.below(3) {
        0 => String::new(),
        _ => format!("{}{unit}", random.below(bound * 2) as i64 - bound as i64),
    };
    let date = [part(100_000_000, "Y"), part(12, "M"), part(1_000_000_000, "D")].concat();
    let time = [part(1_000_000_000, "H"), part(60, "M")].concat();
    let sign = if random.percent(50) { "-" } else { "" };
    format!("P{date}T{time}{sign}{}.{:06}S", random.below(60), random.below(1_000_000))
}

pub(super) fn bits(random: &mut Random, count: u64) -> String {
    (0..count).map(|_| if random.percent(50) { '1' } else { '0' }).collect()
}

pub(super) fn pairs(random: &mut Random, count: u64) -> String {
    (0..count).map(|_| format!("{:02x}", random.below(256))).collect::<Vec<_>>().join(":")
}

/// Numbers of which the server's shapes have exact texts; infinities are theirs too.
pub(super) fn coordinate(random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("{:e}", (random.number() as i64) as f64 * 1e-7),
        1 => format!("{}", random.below(2_000) as i64 - 1_000),
        _ => format!("{}.{}", random.below(100), random.below(1_000_000)),
    }
}

pub(super) fn point(random: &mut Random) -> String {
    format!("({},{})", coordinate(random), coordinate(random))
}

pub(super) fn points(random: &mut Random) -> String {
    (0..=random.below(6)).map(|_| point(random)).collect::<Vec<_>>().join(",")
}

pub(super) fn mood(random: &mut Random) -> String {
    random.choose(&["sad", "ok", "a \"quoted\", one", "ü"]).copied().unwrap_or_default().to_owned()
}

pub(super) fn pair(random: &mut Random) -> String {
    let number = if random.percent(20) { String::new() } else { integer(random).to_string() };
    let text = if random.percent(20) { String::new() } else { in_composite(&text(random, 8)) };
    format!("({number},{text})")
}

pub(super) fn hstore(random: &mut Random) -> String {
    let pairs = (0..random.below(6)).map(|_| {
        let value = if random.percent(20) { "NULL".to_owned() } else { quoted(&text(random, 8)) };
        format!("{}=>{value}", quoted(&text(random, 5)))
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// A document of so many levels. `json` keeps what `jsonb` does not take: repeated keys, zeros, white space and half of a surrogate pair.
pub(super) fn document(random: &mut Random, levels: u64, json: bool) -> String {
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
pub(super) fn string(random: &mut Random) -> String {
    let escaped = text(random, 8).replace("\\ud8", "").chars().collect::<Vec<_>>().into_iter().map(|character| match character {
        '"' | '\\' => format!("\\{character}"),
        ..' ' => format!("\\u{:04x}", character as u32),
        'é' => random.choose(&["é", "\\u00e9", "\\u00E9"]).copied().unwrap_or_default().to_owned(),
        '😀' => random.choose(&["😀", "\\ud83d\\ude00"]).copied().unwrap_or_default().to_owned(),
        other => other.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
