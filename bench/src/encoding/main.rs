//! What it costs to turn a value, and a row, into JSON: `make bench-encoding`.
//!
//! Values come as PostgreSQL's text, as from the replication stream or a COPY, in rows of sixteen columns of one type; the cost of a row
//! without columns is taken off, so that what is left is the value with its name. Two peers run beside: copying the same bytes between two
//! quotes, which nothing can beat, and serde_json, which writes the same JSON from a ready value and has no text to read.

// A benchmark that cannot go on says so by stopping.
#![allow(clippy::expect_used)]

mod rows;
mod values;

use waltap_bench::formats::{Bench, Form};
use waltap_bench::measure::{Subject, keep, nanoseconds};
use waltap_bench::table::{machine, print};
use waltap_pgoutput::Value;

use self::rows::TABLES;
use self::values::{SAMPLES, Sample};

/// Columns in a row of one type.
const COLUMNS: usize = 16;

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    println!("{}\n\nNanoseconds a value:\n", machine());
    let head = ["type", "bytes", "copy", "serde_json", "native", "flat", "debezium", "debezium, as strings"];
    let samples = SAMPLES.iter().filter(|sample| sample.name.contains(&filter));
    print(&head, &samples.map(value_costs).collect::<Vec<_>>());

    println!("\nNanoseconds a row, with its key and envelope:\n");
    let head = ["table", "columns", "bytes", "copy", "serde_json", "native", "flat", "debezium", "debezium, as strings"];
    let tables = TABLES.iter().filter(|table| table.name.contains(&filter));
    print(&head, &tables.map(row_costs).collect::<Vec<_>>());
}

fn value_costs(sample: &Sample) -> Vec<String> {
    let texts: Vec<String> = (0..COLUMNS as u64).map(sample.make).collect();
    let types = [(sample.oid, sample.modifier); COLUMNS];
    let ready: Vec<serde_json::Value> = texts.iter().map(|text| ready_value(sample, text)).collect();
    let mut benches: [(Bench, Bench); 4] = Form::ALL.map(|form| (Bench::new(form, &types), Bench::new(form, &[])));
    let values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text.as_bytes())).collect();
    let (mut copied, mut written) = (Vec::new(), Vec::new());
    let mut subjects = vec![
        Subject::new(|| {
            copied.clear();
            texts.iter().for_each(|text| copy(text.as_bytes(), &mut copied));
            keep(copied.len());
        }),
        Subject::new(|| {
            written.clear();
            for value in &ready {
                serde_json::to_writer(&mut written, value).expect("a vector takes everything");
            }
            keep(written.len());
        }),
    ];
    for (whole, bare) in &mut benches {
        let values = &values;
        subjects.push(Subject::new(move || whole.row(values)));
        subjects.push(Subject::new(move || bare.row(&[])));
    }
    let times = nanoseconds(&mut subjects);
    let (peers, formats) = times.split_at(2);
    let (formats, _) = formats.as_chunks::<2>();
    let costs = peers.iter().copied().chain(formats.iter().map(|[whole, bare]| whole - bare));
    let bytes = texts.iter().map(String::len).sum::<usize>() / COLUMNS;
    let costs = costs.map(|cost| format!("{:.1}", cost / COLUMNS as f64));
    [sample.name.to_owned(), bytes.to_string()].into_iter().chain(costs).collect()
}

fn row_costs(table: &rows::Table) -> Vec<String> {
    let texts: Vec<String> = table.columns.iter().enumerate().map(|(number, sample)| (sample.make)(number as u64)).collect();
    let types: Vec<(u32, i32)> = table.columns.iter().map(|sample| (sample.oid, sample.modifier)).collect();
    let values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text.as_bytes())).collect();
    let mut benches = Form::ALL.map(|form| Bench::new(form, &types));
    let record: serde_json::Value = serde_json::from_str(&benches[0].record(&values)).expect("a record is JSON");
    let (mut copied, mut written) = (Vec::new(), Vec::new());
    let mut subjects = vec![
        Subject::new(|| {
            copied.clear();
            texts.iter().for_each(|text| copy(text.as_bytes(), &mut copied));
            keep(copied.len());
        }),
        Subject::new(|| {
            written.clear();
            serde_json::to_writer(&mut written, &record).expect("a vector takes everything");
            keep(written.len());
        }),
    ];
    for bench in &mut benches {
        let values = &values;
        subjects.push(Subject::new(move || bench.row(values)));
    }
    let costs = nanoseconds(&mut subjects).into_iter().map(|cost| format!("{cost:.0}"));
    let bytes: usize = texts.iter().map(String::len).sum();
    [table.name.to_owned(), types.len().to_string(), bytes.to_string()].into_iter().chain(costs).collect()
}

/// What nothing can beat: the bytes, between quotes.
fn copy(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// The value as `native` has it, read.
fn ready_value(sample: &Sample, text: &str) -> serde_json::Value {
    let record = Bench::new(Form::Native, &[(sample.oid, sample.modifier)]).record(&[Value::Text(text.as_bytes())]);
    let record: serde_json::Value = serde_json::from_str(&record).expect("a record is JSON");
    record["after"]["c0"].clone()
}
