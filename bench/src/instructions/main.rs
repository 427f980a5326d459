//! How many instructions a row takes on the way from a frame of the stream to a record: `make bench-instructions`.
//!
//! The same frames each time, decoded and written by nothing but the decoder and the encoder, under callgrind. Unlike times, these counts are
//! the same on a busy machine, so one that grew was made to grow by a change. They are kept in `bench/instructions.csv`, a line for each case
//! and commit that was counted.

// A benchmark that cannot go on says so by stopping.
#![allow(clippy::expect_used)]

mod frames;
mod record;

use std::process::Command;

use waltap_bench::formats::{Bench, Form};
use waltap_bench::table;
use waltap_tests::{Failure, Result, ensure};

use frames::{COLUMNS, Change};
use record::Record;

/// What is counted is the difference of two runs, so that what a run takes to begin is not in it.
const ROWS: [u32; 2] = [1_000, 11_000];

/// The cases: what a change is, and the format of its record.
const CASES: [(Change, Form); 5] = [
    (Change::Insert, Form::Native),
    (Change::Insert, Form::Flat),
    (Change::Insert, Form::Debezium),
    (Change::Update, Form::Native),
    (Change::UpdateFull, Form::Native),
];

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => count_all(),
        [case, rows] => {
            let (change, form) = *CASES.get(case.parse::<usize>()?).ok_or_else(|| Failure::new("no such case"))?;
            run(change, form, rows.parse()?);
            Ok(())
        }
        _ => Err(Failure::new("wanted: nothing, or the number of a case and how many rows")),
    }
}

/// The part that is counted, and little else.
fn run(change: Change, form: Form, rows: u32) {
    let mut bench = Bench::new(form, &COLUMNS);
    let frames = frames::of(change);
    for frame in frames.iter().cycle().take(rows as usize) {
        bench.frame(frame);
    }
}

fn count_all() -> Result {
    let mut record = Record::open()?;
    let mut rows = Vec::new();
    for (number, (change, form)) in CASES.into_iter().enumerate() {
        let [few, many] = ROWS.map(|rows| count(number, rows));
        let (few, many) = (few?, many?);
        let each = (many - few) as f64 / f64::from(ROWS[1] - ROWS[0]);
        let name = format!("{}, {}", change.name(), form.name());
        let before = record.last(&name).map_or_else(String::new, |(commit, before)| format!("{before:.0} ({commit})"));
        rows.push(vec![name.clone(), format!("{each:.0}"), before]);
        record.add(&name, each)?;
    }
    table::print(&["case", "instructions a row", "last counted"], &rows);
    println!("\nkept in {}", record::FILE);
    Ok(())
}

/// The instructions of a run, as callgrind counts them.
fn count(case: usize, rows: u32) -> Result<u64> {
    let program = std::env::current_exe()?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args([case.to_string(), rows.to_string()]);
    let output = command.output().map_err(|error| Failure::new(format!("valgrind cannot be run: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed:\n{said}");
    // `==1234== Collected : 5678`.
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.ok_or_else(|| Failure::new(format!("callgrind does not say how much it counted:\n{said}")))
}
