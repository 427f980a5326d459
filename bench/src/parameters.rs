//! What a benchmark is asked for: variables of the environment, which `make` passes on.

use std::collections::BTreeSet;
use std::str::FromStr;

use waltap_tests::{Failure, Result, ensure};

/// How many turns each takes, unless `ROUNDS` says otherwise.
const ROUNDS: usize = 5;

/// A variable; an empty one counts as not set.
pub fn text(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// A number, or what it is unless it is set.
pub fn number<T: FromStr>(variable: &str, unset: T) -> Result<T> {
    let Some(value) = text(variable) else { return Ok(unset) };
    value.parse().map_err(|_| Failure::new(format!("{variable} is no such number: '{value}'")))
}

/// Numbers with commas between them, or what they are unless it is set.
pub fn numbers<T: FromStr + Clone>(variable: &str, unset: &[T]) -> Result<Vec<T>> {
    let Some(list) = text(variable) else { return Ok(unset.to_vec()) };
    let number = |part: &str| part.trim().parse().map_err(|_| Failure::new(format!("{variable} is no such number: '{part}'")));
    list.split(',').map(number).collect()
}

/// `ROUNDS`: how many turns each takes.
pub fn rounds() -> Result<usize> {
    let rounds = number("ROUNDS", ROUNDS)?;
    ensure!(rounds > 0, "ROUNDS must be 1 at least");
    Ok(rounds)
}

/// `SIZE`: how much of everything there is, 1 being what is published.
pub fn size() -> Result<f64> {
    let size = number("SIZE", 1.0)?;
    ensure!(size > 0.0, "SIZE must be more than nothing");
    Ok(size)
}

/// Those of all whose names the variable lists with commas; all where it is not set. A part of a name stands for all that hold it, unless it is
/// a whole name itself.
pub fn chosen<T>(variable: &str, all: impl IntoIterator<Item = T>, name: impl Fn(&T) -> String) -> Result<Vec<T>> {
    let all: Vec<T> = all.into_iter().collect();
    let Some(list) = text(variable) else { return Ok(all) };
    let names: Vec<String> = all.iter().map(&name).collect();
    let mut places = BTreeSet::new();
    for part in list.split(',').map(str::trim) {
        let found = named(&names, part);
        ensure!(!found.is_empty(), "{variable}: '{part}' is none of: {}", names.join(", "));
        places.extend(found);
    }
    Ok(all.into_iter().enumerate().filter(|(place, _)| places.contains(place)).map(|(_, one)| one).collect())
}

/// The places of the names that a part of one stands for.
fn named(names: &[String], part: &str) -> Vec<usize> {
    let places = |fits: &dyn Fn(&String) -> bool| (0..names.len()).filter(|place| fits(&names[*place])).collect::<Vec<usize>>();
    let whole = places(&|name| name == part);
    if whole.is_empty() { places(&|name| name.contains(part)) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_stands_for_itself_alone() {
        let names = ["native", "native socket", "flat"].map(str::to_owned);
        assert_eq!(named(&names, "native"), [0]);
        assert_eq!(named(&names, "nat"), [0, 1]);
        assert!(named(&names, "other").is_empty());
    }
}
