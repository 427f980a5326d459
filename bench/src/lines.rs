//! Raw results: a file of one JSON object a line, to which every run adds.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use waltap_tests::{Failure, Result};

use crate::parameters;

/// The file, and what stands in each line of it.
pub struct Lines {
    file: File,
    path: PathBuf,
    bench: &'static str,
    run: u64,
}

/// A picture of how one figure goes with another.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// What stands above it, and tells it from others of the benchmark.
    pub name: &'a str,
    /// What goes from left to right.
    pub x_name: &'a str,
    /// What goes up.
    pub y_name: &'a str,
}

impl Lines {
    /// `target/bench/NAME.jsonl`, or where `RESULTS` says.
    pub fn of(bench: &'static str) -> Result<Self> {
        let path = parameters::text("RESULTS").map_or_else(|| format!("target/bench/{bench}.jsonl").into(), PathBuf::from);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Lines { file, path, bench, run })
    }

    /// Adds a line of this object, `bench` (the name) and `run` (the seconds since 1970 at which this run began).
    pub fn write(&mut self, mut object: Value) -> Result {
        let fields = object.as_object_mut().ok_or_else(|| Failure::new("a line is an object"))?;
        fields.insert("bench".to_owned(), json!(self.bench));
        fields.insert("run".to_owned(), json!(self.run));
        Ok(writeln!(self.file, "{object}")?)
    }

    /// Adds a point of a curve, which `make bench-plots` draws with its other points. Of several at one `x` the median counts.
    pub fn point(&mut self, curve: &Curve<'_>, series: &str, x: f64, y: f64) -> Result {
        let Curve { name, x_name, y_name } = curve;
        self.write(json!({"curve": name, "x_name": x_name, "y_name": y_name, "series": series, "x": x, "y": y}))
    }

    /// Says where they are.
    pub fn print_place(&self) {
        println!("\nraw results: {}", self.path.display());
    }
}
