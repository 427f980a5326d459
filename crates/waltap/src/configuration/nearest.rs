//! The known name that an unknown one was probably meant to be.

/// The least likeness, from 0 to 1, at which a name is offered: below it, guesses are noise.
const LIKENESS_MIN: f64 = 0.7;

/// The nearest of the known names, if any is near.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_found_and_strangers_are_not() {
        let known = ["brokers", "database", "table", "topic"];
        assert_eq!(nearest("broker", known.into_iter()), Some("brokers"));
        assert_eq!(nearest("tabel", known.into_iter()), Some("table"));
        assert_eq!(nearest("datbase", known.into_iter()), Some("database"));
        assert_eq!(nearest("xyz", known.into_iter()), None);
    }
}
