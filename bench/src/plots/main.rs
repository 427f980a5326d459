//! Pictures of raw results: `plots [FILE...]` reads files of JSON lines, those in `target/bench` unless others are named, and writes SVG to
//! `target/bench/plots` (`PLOTS`). Of each workload the newest run counts.
//!
//! Turns of contenders (`make bench`, and others whose lines have the same fields) become bars: how many times as fast as the first contender,
//! processor time a row, peak memory. Lines with `curve`, `series`, `x` and `y` become curves.

mod bars;
mod curves;
mod results;
mod scale;
mod svg;

use std::path::{Path, PathBuf};

use waltap_bench::parameters;
use waltap_tests::{Result, ensure};

use bars::{Bar, Panel};
use results::{Group, Results};

/// Where benchmarks write to.
const FOLDER: &str = "target/bench";

const SPEED: &str = "#2b6cb0";
const LEGEND: [(&str, &str); 3] = [("contender", "#2b6cb0"), ("server", "#dd6b20"), ("broker", "#a0aec0")];

fn main() -> Result {
    let named: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let files = if named.is_empty() { files_of(Path::new(FOLDER))? } else { named };
    ensure!(!files.is_empty(), "there are no results in {FOLDER}: make bench writes some");
    let results = Results::read(&files)?;
    let folder = parameters::text("PLOTS").map_or_else(|| Path::new(FOLDER).join("plots"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let write = |name: &str, picture: String| {
        let path = folder.join(format!("{}.svg", file_name(name)));
        println!("{}", path.display());
        std::fs::write(path, picture)
    };
    for (bench, groups) in &results.groups {
        write(&format!("{bench}-speed"), speed(groups))?;
        write(&format!("{bench}-cpu"), cpu(groups))?;
        write(&format!("{bench}-memory"), memory(groups))?;
    }
    for (name, curves) in &results.curves {
        write(name, curves::draw(curves))?;
    }
    Ok(())
}

fn speed(groups: &[Group]) -> String {
    let panel = |group: &Group| {
        let bar = |name: String| {
            let ratios = group.ratios(&name)?;
            Some(Bar { name, parts: vec![ratios.median], range: Some((ratios.low, ratios.high)) })
        };
        Panel {
            title: group.title.clone(),
            bars: group.contenders().into_iter().filter_map(bar).collect(),
            is_logarithmic: false,
        }
    };
    let peer = groups.first().and_then(|group| group.contenders().into_iter().next()).unwrap_or_default();
    let title = format!("Rows a second, as multiples of {peer}: medians, and from the least round to the best");
    bars::draw(&title, &[("speed", SPEED)], &groups.iter().map(panel).collect::<Vec<_>>())
}

fn cpu(groups: &[Group]) -> String {
    let panel = |group: &Group| {
        let bar = |name: String| Bar { parts: group.cpu_micros(&name), name, range: None };
        Panel { title: group.title.clone(), bars: group.contenders().into_iter().map(bar).collect(), is_logarithmic: false }
    };
    bars::draw("Processor time, microseconds a row", &LEGEND, &groups.iter().map(panel).collect::<Vec<_>>())
}

fn memory(groups: &[Group]) -> String {
    let panel = |group: &Group| {
        let bar = |name: String| {
            let peaks = group.peak_mebibytes(&name)?;
            Some(Bar { name, parts: vec![peaks.median], range: Some((peaks.low, peaks.high)) })
        };
        Panel { title: group.title.clone(), bars: group.contenders().into_iter().filter_map(bar).collect(), is_logarithmic: true }
    };
    bars::draw("Peak resident memory, MiB", &[("memory", SPEED)], &groups.iter().map(panel).collect::<Vec<_>>())
}

/// Those with results, in the order of their names.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    Ok(files)
}

/// A name without what makes trouble in one of a file.
fn file_name(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}
