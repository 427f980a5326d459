//! What the fuzz targets hold waltap's decoder and encoder to, beyond that nothing panics.
//!
//! A target gets any bytes. Most take them for the text of a value, write it as every type of their family, in every format and handling
//! mode, and then read the record as its consumers do: it is one line of JSON, its key too; a value is what its type promises, and reads back
//! as the text that went in, or it is PostgreSQL's own text in a string, and then only because the text is not what its type prints. What is
//! expected is worked out here a second time, on the simplest way there is, from PostgreSQL's documentation and not from the encoder.
//!
//! The targets proper are in `fuzz/fuzz_targets`. The corpus, `fuzz/corpus`, is also replayed by the test of this crate.

// A check that fails says so by stopping: that is how a fuzzer learns of it.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod debezium;
mod families;
mod frame;
mod names;
mod plain;
mod postgres;
mod records;
mod row;
mod tuple;

/// A target: it panics where something does not hold.
pub type Check = fn(&[u8]);

/// The targets by name. Each has a corpus of that name, and a file in `fuzz/fuzz_targets`.
pub const TARGETS: [(&str, Check); 8] = [
    ("array", families::array),
    ("document", families::document),
    ("numeric", families::numeric),
    ("pgoutput", frame::check),
    ("range", families::range),
    ("string", string),
    ("temporal", families::temporal),
    ("tuple", tuple::check),
];

/// Runs the target of this name.
pub fn run(target: &str, input: &[u8]) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target has this name");
    check(input);
}

/// A string is met as a value, and as a name.
fn string(input: &[u8]) {
    families::string(input);
    names::check(input);
}
