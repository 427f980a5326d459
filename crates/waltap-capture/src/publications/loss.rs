//! A loss that a change of the publications has made: kept in progress until somebody has judged it.

use serde::{Deserialize, Serialize};
use waltap_error::{Code, Error};
use waltap_pgoutput::Lsn;

use crate::progress::lsn;

/// How many tables of each kind of loss are named; all of them are counted.
const NAMES_MAX: usize = 10;

/// How `what` begins when a publication was dropped.
pub(super) const DROPPED: &str = "was dropped";

/// Changes that may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loss {
    pub(super) taken: Vec<Taken>,
    /// Where the log ended when nothing had been taken away yet, and where when it was found.
    #[serde(with = "lsn")]
    pub(super) from: Lsn,
    #[serde(with = "lsn")]
    pub(super) to: Lsn,
    /// Set when somebody has judged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accepted: Option<Acceptance>,
}

/// Something that a publication was made to publish no more, or not all the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) publication: String,
    /// Goes between the publication's name and those of the tables.
    pub(super) what: String,
    /// OIDs of the tables that are concerned.
    pub(super) tables: Vec<u32>,
    /// The names of the first of them.
    pub(super) names: Vec<String>,
}

/// How the capture is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Acceptance {
    /// Whether the rows of the tables are read again.
    pub(super) rows: bool,
}

impl Taken {
    pub(super) fn new(publication: &str, what: &str) -> Self {
        Taken { publication: publication.to_owned(), what: what.to_owned(), tables: Vec::new(), names: Vec::new() }
    }

    pub(super) fn add(&mut self, oid: u32, name: String) {
        if self.names.len() < NAMES_MAX {
            self.names.push(name);
        }
        self.tables.push(oid);
    }

    /// Adds what was found later: what was found before is not mended by that.
    fn unite(&mut self, later: Taken) {
        // Only of the first tables the names are known.
        let mut names = later.names.into_iter();
        for oid in later.tables {
            let name = names.next();
            if self.tables.contains(&oid) {
                continue;
            }
            self.tables.push(oid);
            if let Some(name) = name.filter(|_| self.names.len() < NAMES_MAX) {
                self.names.push(name);
            }
        }
    }

    pub(super) fn sentence(&self) -> String {
        let Taken { publication, what, .. } = self;
        match self.tables.is_empty() {
            true => format!("{publication} {what}"),
            false if self.is_of_the_whole() => format!("{publication} {what}, with {}", self.tables_text()),
            false => format!("{publication} {what} {}", self.tables_text()),
        }
    }

    /// Whether the publication itself was gone.
    fn is_of_the_whole(&self) -> bool {
        self.what.starts_with(DROPPED)
    }

    fn tables_text(&self) -> String {
        let names = self.names.join(", ");
        match self.tables.len().saturating_sub(self.names.len()) {
            0 => names,
            more => format!("{names} and {more} more"),
        }
    }
}

impl Loss {
    /// With what was found besides. What somebody has judged is judged anew then.
    pub(super) fn merged(before: Option<&Loss>, taken: Vec<Taken>, from: Lsn, to: Lsn) -> Self {
        let mut all = before.map(|loss| loss.taken.clone()).unwrap_or_default();
        for new in taken {
            match all.iter_mut().find(|old| old.publication == new.publication && old.what == new.what) {
                Some(old) => old.unite(new),
                None => all.push(new),
            }
        }
        Loss { taken: all, from: before.map_or(from, |loss| loss.from), to, accepted: None }
    }

    /// Whether somebody has judged all of this: whatever became of a table since, it was judged that its changes may be missing.
    pub(super) fn accepts(&self, found: &[Taken]) -> bool {
        let knows = |publication: &str, table: Option<u32>| {
            self.taken
                .iter()
                .any(|taken| taken.publication == publication && table.is_none_or(|table| taken.tables.contains(&table)))
        };
        self.accepted.is_some()
            && found.iter().all(|found| {
                knows(&found.publication, None) && found.tables.iter().all(|table| knows(&found.publication, Some(*table)))
            })
    }

    /// The tables that are to be read again.
    pub(super) fn to_read_again(&self) -> Vec<u32> {
        if !self.accepted.is_some_and(|accepted| accepted.rows) {
            return Vec::new();
        }
        let mut tables: Vec<u32> = self.taken.iter().flat_map(|taken| taken.tables.iter().copied()).collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// What happened, in one sentence.
    pub(super) fn story(&self) -> String {
        let sentences: Vec<String> = self.taken.iter().map(Taken::sentence).collect();
        format!(
            "{}; changes of these tables that were committed between {} and {}, and later until that is mended, may be missing",
            sentences.join("; "),
            self.from,
            self.to
        )
    }

    /// The error that stops the tap.
    pub(super) fn error(&self, capture: &str, database: &str, is_own: bool) -> Error {
        let mend = match is_own {
            true => "what was taken from its own publications waltap puts back when it goes on",
            false => "alter the publication so that it publishes what you want",
        };
        let gone = match self.taken.iter().any(Taken::is_of_the_whole) {
            true => {
                " (before PostgreSQL 18 the server cannot decode what was written while there was no publication: then only this helps)"
            }
            false => "",
        };
        let names = format!("--name {capture} --database {database}");
        Error::configuration(
            Code::PUBLICATION_CHANGED,
            format!("the publications of database {database} were changed: {}", self.story()),
        )
        .remedy(format!(
            "{mend}; then, to go on and have the tables read again: `waltap publications accept {names} --brokers ...` and start the capture; \
             with --without-rows, to go on with the hole; or start anew: `waltap slots drop {names} --source ... --brokers ...`, then capture \
             again{gone}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(what: &str, tables: &[u32]) -> Taken {
        let mut taken = Taken::new("p", what);
        tables.iter().for_each(|oid| taken.add(*oid, format!("public.t{oid}")));
        taken
    }

    #[test]
    fn only_what_was_judged_is_accepted() {
        let mut loss = Loss::merged(None, vec![taken("no longer publishes", &[7])], Lsn(1), Lsn(2));
        assert!(!loss.accepts(&[]));
        loss.accepted = Some(Acceptance { rows: true });
        assert!(loss.accepts(&[]) && loss.accepts(&[taken("was for a time without", &[7])]));
        assert!(!loss.accepts(&[taken("no longer publishes", &[7, 8])]));
        assert_eq!(loss.to_read_again(), [7]);
        let more = Loss::merged(Some(&loss), vec![taken("no longer publishes", &[7, 8])], Lsn(3), Lsn(4));
        assert_eq!((more.accepted, more.from, more.to, more.taken.len()), (None, Lsn(1), Lsn(4), 1));
        let other = Loss::merged(Some(&more), vec![taken("no longer publishes", &[9])], Lsn(5), Lsn(6));
        assert_eq!(other.taken[0].tables, [7, 8, 9], "what was lost first is not mended by what is lost next");
        assert_eq!(other.taken[0].names, ["public.t7", "public.t8", "public.t9"]);
    }

    #[test]
    fn the_error_names_tables_range_and_remedy() {
        let many: Vec<u32> = (1..=12).collect();
        let loss = Loss::merged(None, vec![taken(DROPPED, &many)], Lsn(0x10), Lsn(0x20));
        let error = loss.error("waltap", "shop", false);
        let message = error.report();
        for part in ["WT0057", "p was dropped, with public.t1,", "public.t10 and 2 more", "between 0/10 and 0/20"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        let remedy = error.remedy_text().unwrap();
        for part in ["waltap publications accept --name waltap --database shop", "--without-rows", "slots drop", "PostgreSQL 18"]
        {
            assert!(remedy.contains(part), "{part}: {remedy}");
        }
        let read: Loss = serde_json::from_slice(&serde_json::to_vec(&loss).unwrap()).unwrap();
        assert_eq!(read, loss);
    }
}
