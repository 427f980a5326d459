//! Values by type, as tables have them, in PostgreSQL's text.

use waltap_bench::formats::HSTORE;

/// A type, and values of it.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) oid: u32,
    pub(crate) modifier: i32,
    /// The value of this number: they differ, so that no branch is learnt by heart.
    pub(crate) make: fn(u64) -> String,
}

const fn of(name: &'static str, oid: u32, make: fn(u64) -> String) -> Sample {
    Sample { name, oid, modifier: -1, make }
}

pub(crate) const BOOLEAN: Sample = of("boolean", 16, |number| if mixed(number).is_multiple_of(2) { "t" } else { "f" }.to_owned());
pub(crate) const INTEGER: Sample = of("integer", 23, |number| (mixed(number) >> (33 + number % 20)).to_string());
pub(crate) const BIGINT: Sample = of("bigint", 20, |number| (mixed(number) >> (1 + number)).to_string());
pub(crate) const DOUBLE: Sample = of("double precision", 701, |number| format!("{}", mixed(number) as f64 / 1e15));
pub(crate) const MEASURE: Sample =
    of("double, two decimals", 701, |number| format!("{}", (mixed(number) % 100_000) as f64 / 100.0));
/// `numeric(10,2)`.
pub(crate) const PRICE: Sample = Sample {
    modifier: (10 << 16 | 2) + 4,
    ..of("numeric(10,2)", 1700, |number| format!("{}.{:02}", mixed(number) % 10_000, number * 7 % 100))
};
pub(crate) const NUMERIC: Sample = of("numeric, 50 digits", 1700, |number| {
    format!("{}{:015}.{:015}", mixed(number), mixed(number + 1) % 1_000_000_000_000_000, mixed(number) % 999_999_999_999_999)
});
pub(crate) const MONEY: Sample = of("money", 790, |number| format!("$1,{:03}.{:02}", mixed(number) % 1_000, number % 100));
pub(crate) const DATE: Sample = of("date", 1082, |number| format!("2024-{:02}-{:02}", 1 + number % 12, 1 + mixed(number) % 28));
pub(crate) const TIME: Sample = of("time", 1083, |number| format!("{:02}:{:02}:40.123456", number % 24, mixed(number) % 60));
pub(crate) const TIMESTAMP: Sample = of("timestamp", 1114, |number| {
    format!("2024-{:02}-{:02} 09:{:02}:40.123456", 1 + number % 12, 1 + mixed(number) % 28, number)
});
pub(crate) const TIMESTAMPTZ: Sample = of("timestamptz", 1184, |number| {
    format!("2024-{:02}-{:02} 09:{:02}:40.123456+00", 1 + number % 12, 1 + mixed(number) % 28, number)
});
pub(crate) const INTERVAL: Sample =
    of("interval", 1186, |number| format!("P{}M{}DT{}H30M{}.5S", number % 12 + 1, number + 1, number, number));
pub(crate) const UUID: Sample = of("uuid", 2950, |number| {
    let (high, low) = (mixed(number), mixed(number + 100));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
});
pub(crate) const NAME: Sample = of("text, 20 bytes", 25, |number| format!("customer {:011}", mixed(number) % 100_000_000_000));
pub(crate) const SENTENCES: Sample =
    of("text, 1 KB", 25, |number| repeated("The quick brown fox jumps over the lazy dog, again and again. ", number, 1024));
pub(crate) const QUOTES: Sample =
    of("text, 1 KB, an escape in 16", 25, |number| repeated("say \"hi\" to all\n who are here...", number, 1024));
pub(crate) const UMLAUTS: Sample = of("text, 1 KB, German", 25, |number| {
    repeated("Größere Mengen müssen über Nacht abgekühlt werden, sagt Jörg. ", number, 1024)
});
pub(crate) const CHINESE: Sample =
    of("text, 1 KB, Chinese", 25, |number| repeated("敏捷的棕色狐狸跳过了懒狗，一次又一次。", number, 1024));
pub(crate) const SMALL_DOCUMENT: Sample = of("jsonb, 60 bytes", 3802, |number| {
    format!(r#"{{"sku": "A-{}", "qty": {}, "gift": false, "note": null}}"#, mixed(number) % 1_000_000, number)
});
pub(crate) const DOCUMENT: Sample = of("jsonb, 1 KB", 3802, |number| {
    let item = |place: u64| {
        format!(
            r#"{{"id": {}, "tags": ["red", "blue"], "price": {}.{:02}, "title": "A title of some length"}}"#,
            mixed(number + place) % 100_000,
            place,
            place
        )
    };
    format!("[{}]", (10..21).map(item).collect::<Vec<_>>().join(", "))
});
pub(crate) const BYTES: Sample = of("bytea, 1 KB", 17, |number| {
    format!("\\x{}", (0..128).map(|place| format!("{:016x}", mixed(number + place))).collect::<String>())
});
pub(crate) const INTEGERS: Sample = of("integer[], 10", 1007, |number| {
    format!("{{{}}}", (0..10).map(|place| (mixed(number + place) % 100_000).to_string()).collect::<Vec<_>>().join(","))
});
pub(crate) const TEXTS: Sample = of("text[], 10", 1009, |number| {
    format!("{{{}}}", (0..10).map(|place| format!("tag{}", mixed(number + place) % 100)).collect::<Vec<_>>().join(","))
});
pub(crate) const QUOTED_TEXTS: Sample = of("text[], 10, quoted", 1009, |number| {
    format!("{{{}}}", (0..10).map(|place| format!("\"two words {}\"", mixed(number + place) % 100)).collect::<Vec<_>>().join(","))
});
pub(crate) const ESCAPED_TEXTS: Sample = of("text[], 10, escaped", 1009, |number| {
    format!(
        "{{{}}}",
        (0..10).map(|place| format!("\"a \\\"word\\\" {}\"", mixed(number + place) % 100)).collect::<Vec<_>>().join(",")
    )
});
pub(crate) const PAIRS: Sample = of("hstore, 5", HSTORE, |number| {
    (0..5).map(|place| format!("\"key {place}\"=>\"value {}\"", mixed(number + place) % 1_000)).collect::<Vec<_>>().join(", ")
});
pub(crate) const POINT: Sample = of("point", 600, |number| format!("({}.5,-{}.25)", number, mixed(number) % 180));
pub(crate) const RANGE: Sample =
    of("tstzrange", 3910, |number| format!("[\"2024-01-{:02} 00:00:00+00\",\"2024-06-01 00:00:00+00\")", number + 1));
pub(crate) const BITS: Sample = of("bit(32)", 1560, |number| format!("{:032b}", mixed(number) as u32));

pub(crate) const SAMPLES: &[Sample] = &[
    BOOLEAN,
    INTEGER,
    BIGINT,
    DOUBLE,
    MEASURE,
    PRICE,
    NUMERIC,
    MONEY,
    DATE,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    INTERVAL,
    UUID,
    NAME,
    SENTENCES,
    QUOTES,
    UMLAUTS,
    CHINESE,
    SMALL_DOCUMENT,
    DOCUMENT,
    BYTES,
    INTEGERS,
    TEXTS,
    QUOTED_TEXTS,
    ESCAPED_TEXTS,
    PAIRS,
    POINT,
    RANGE,
    BITS,
];

/// Any 64 bits, the same in every run (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// As many repetitions as fill so many bytes, from another character on for each number.
fn repeated(text: &str, number: u64, bytes: usize) -> String {
    let repeated = text.repeat(bytes / text.len() + 2);
    let start = repeated.char_indices().map(|(place, _)| place).nth(number as usize).unwrap_or(0);
    let end = (start..=start + bytes).rev().find(|end| repeated.is_char_boundary(*end)).unwrap_or(start);
    repeated.get(start..end).unwrap_or_default().to_owned()
}
