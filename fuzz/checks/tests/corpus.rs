//! The corpus, each input through its target: what a fuzzer found once stays found.

// A test that cannot go on says so by stopping.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use waltap_fuzz_checks::{TARGETS, run};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(corpus().join(target)).expect("every target has a corpus");
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    inputs.sort();
    inputs
}

#[test]
fn every_input_passes_every_target() {
    for (corpus, _) in TARGETS {
        let inputs = inputs(corpus);
        assert!(inputs.len() >= 5, "{} inputs of {corpus}", inputs.len());
        for path in inputs {
            let input = std::fs::read(&path).unwrap();
            for (target, _) in TARGETS {
                let outcome = std::panic::catch_unwind(|| run(target, &input));
                assert!(outcome.is_ok(), "{target} fails at {}", path.display());
            }
        }
    }
}

/// libFuzzer cuts what is longer, and a frame that was cut is another input.
#[test]
fn every_input_is_fuzzed_whole() {
    let script = std::fs::read_to_string(corpus().join("../../scripts/fuzz.sh")).unwrap();
    let bytes_max = script.lines().find_map(|line| line.strip_prefix("input_bytes_max=")).expect("the script has a bound");
    let bytes_max: u64 = bytes_max.parse().unwrap();
    for (target, _) in TARGETS {
        for path in inputs(target) {
            let bytes = path.metadata().unwrap().len();
            assert!(bytes <= bytes_max, "{} has {bytes} bytes, and scripts/fuzz.sh cuts at {bytes_max}", path.display());
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "{name}");
    }
}
