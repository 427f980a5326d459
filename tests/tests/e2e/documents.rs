//! What documents say of tests is so.

use std::fs;

use waltap_tests::{Failure, Result, ensure, repository};

/// Begins the paths that documents leave out.
const TESTS: &str = "tests/tests/";

#[test]
fn every_test_that_the_page_of_faults_names_is_there() -> Result {
    let page = fs::read_to_string(repository().join("docs/faults.md"))?;
    let mut named = 0;
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let mut source = String::new();
        for word in line.split('`').skip(1).step_by(2) {
            if word.ends_with(".rs") {
                let path = if word.starts_with("crates/") { word.to_owned() } else { format!("{TESTS}{word}") };
                source = fs::read_to_string(repository().join(&path)).map_err(|error| Failure::from(error).while_doing(&path))?;
            } else if !source.is_empty() && !word.ends_with('/') {
                ensure!(source.contains(&format!("fn {word}(")), "no test {word} is where the page says: {line}");
                named += 1;
            }
        }
    }
    ensure!(named > 60, "the page names no more than {named} tests");
    Ok(())
}
