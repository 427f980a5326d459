//! Which databases.

use waltap_error::Result;

use super::pattern::{NamePattern, split_outside_quotes};

/// Which databases of a server are captured.
#[derive(Debug, Clone, Default)]
pub struct DatabaseSelection {
    include: Vec<(String, NamePattern)>,
}

impl DatabaseSelection {
    /// Reads a list of patterns on names; each entry may hold several, parted by commas. None means every database.
    pub fn parse<S: AsRef<str>>(include: &[S]) -> Result<Self> {
        let include = include
            .iter()
            .flat_map(|entry| split_outside_quotes(entry.as_ref(), ','))
            .map(|text| Ok((text.trim().to_owned(), NamePattern::parse(text.trim(), text)?)))
            .collect::<Result<_>>()?;
        Ok(DatabaseSelection { include })
    }

    /// Whether the database is captured.
    pub fn matches(&self, database: &str) -> bool {
        self.include.is_empty() || self.include.iter().any(|(_, pattern)| pattern.matches(database))
    }

    /// The patterns, as they were written, that match none of the names.
    pub fn unmatched<'a>(&'a self, databases: &[&str]) -> Vec<&'a str> {
        let matches_none = |pattern: &NamePattern| !databases.iter().any(|database| pattern.matches(database));
        self.include.iter().filter(|(_, pattern)| matches_none(pattern)).map(|(text, _)| text.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_that_match_nothing_are_named() {
        let selection = DatabaseSelection::parse(&["shop,crm_*"]).unwrap();
        assert!(selection.matches("crm_eu") && selection.matches("shop") && !selection.matches("postgres"));
        assert_eq!(selection.unmatched(&["shop", "postgres"]), ["crm_*"]);
    }
}
