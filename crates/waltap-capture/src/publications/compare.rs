//! What was taken away from tables that are captured, between two states of the publications. Pure.

use std::collections::BTreeMap;

use waltap_postgres::catalog::Table;
use waltap_postgres::publication::Operations;

use super::loss::Taken;
use super::published::{By, Published, Way};

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// What was taken away.
    pub(super) taken: Vec<Taken>,
    /// What may have been done in a way that takes nothing away, in sentences for the log.
    pub(super) notes: Vec<String>,
}

/// Compares. `is_own`: these are the publications that waltap makes, which publish INSERT and TRUNCATE alone of a table without a replica
/// identity.
pub(super) fn compare(before: &Published, now: &Published, captured: &[Table], is_own: bool) -> Comparison {
    let mut found = Found::default();
    found.publications(before, now, captured);
    for table in captured {
        if !before.ways(table.oid).is_empty() {
            found.table(before, now, table, is_own);
        }
    }
    found.finish()
}

#[derive(Default)]
struct Found {
    /// By publication and by what happened, so that a thousand tables make one sentence.
    taken: BTreeMap<(String, String), Taken>,
    /// Publications of which nothing more has to be said.
    gone: Vec<String>,
    notes: Vec<String>,
}

impl Found {
    fn publications(&mut self, before: &Published, now: &Published, captured: &[Table]) {
        for (name, was) in &before.publications {
            let listed = |table: &&Table| before.ways(table.oid).iter().any(|way| way.publication == *name);
            let what = match now.publications.get(name) {
                None => "was dropped",
                Some(is) if is.oid != was.oid => "was dropped and made anew",
                Some(is) => {
                    if was.via_root && !is.via_root {
                        for table in captured.iter().filter(|table| table.partitioned).filter(listed) {
                            self.take(name, "publishes under their partitions' names now".to_owned(), Some(table));
                        }
                    }
                    let as_before = (&is.owner, is.operations(), is.via_root) == (&was.owner, was.operations(), was.via_root);
                    if is.altered_by != was.altered_by && as_before && is.generated == was.generated {
                        self.notes.push(format!(
                            "the publication {name} was altered and is as it was before: if it stood otherwise in between, changes of then are \
                             missing"
                        ));
                    }
                    continue;
                }
            };
            self.gone.push(name.clone());
            self.take(name, what.to_owned(), None);
            for table in captured.iter().filter(listed) {
                self.take(name, what.to_owned(), Some(table));
            }
        }
    }

    fn table(&mut self, before: &Published, now: &Published, table: &Table, is_own: bool) {
        let (was, is) = (before.ways(table.oid), now.ways(table.oid));
        let Some(publication) = was.iter().map(|way| &way.publication).find(|name| !self.gone.contains(name)) else { return };
        let publication = publication.clone();
        if is.is_empty() {
            return self.take(&publication, "no longer publishes".to_owned(), Some(table));
        }
        let possible = if is_own && !table.has_usable_identity() { Operations::INSERTS } else { Operations::ALL };
        let lacking = lacking(before.operations(was), now.operations(is), possible);
        if !lacking.is_empty() {
            self.take(&publication, format!("no longer publishes {} of", lacking.join(" and ")), Some(table));
        }
        let columns = table.columns.iter().filter(|column| before.publishes(was, column) && !now.publishes(is, column));
        let columns: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        if !columns.is_empty() {
            self.take(&publication, format!("leaves out the columns {} of", columns.join(", ")), Some(table));
        }
        if holds_back_other_rows(was, is) {
            self.take(&publication, "has another row filter for".to_owned(), Some(table));
        }
        self.listing(was, is, table, is_own);
    }

    /// Whether the table was published all the time in between.
    fn listing(&mut self, was: &[Way], is: &[Way], table: &Table, is_own: bool) {
        let same = |a: &Way, b: &Way| a.publication == b.publication && a.by == b.by;
        if was.iter().any(|was| is.iter().any(|is| same(was, is) && was.oid == is.oid)) {
            return;
        }
        for was in was.iter().filter(|was| was.by != By::AllTables && !self.gone.contains(&was.publication)) {
            let Some(is) = is.iter().find(|is| same(was, is)).cloned() else { continue };
            let publication = was.publication.clone();
            if (&was.columns, &was.row_filter) == (&is.columns, &is.row_filter) {
                self.take(&publication, "was for a time without".to_owned(), Some(table));
            } else {
                // What one ALTER PUBLICATION ... SET TABLE does cannot be told from a removal and an addition.
                self.notes.push(format!(
                    "the publication {publication} lists {} anew, otherwise than before: if that was not one statement, changes in between are \
                     missing",
                    table.display_name()
                ));
            }
            return;
        }
        // Between its own two waltap moves tables itself.
        if !is_own && let Some(was) = was.iter().find(|was| !self.gone.contains(&was.publication)) {
            self.notes.push(format!(
                "{} is published in another way than by the publication {} before: if that was not one statement, changes in between are missing",
                table.display_name(),
                was.publication
            ));
        }
    }

    fn take(&mut self, publication: &str, what: String, table: Option<&Table>) {
        let key = (publication.to_owned(), what);
        let taken = self.taken.entry(key).or_insert_with_key(|(publication, what)| Taken::new(publication, what));
        if let Some(table) = table {
            taken.add(table.oid, table.display_name());
        }
    }

    fn finish(self) -> Comparison {
        Comparison { taken: self.taken.into_values().collect(), notes: self.notes }
    }
}

/// The operations that were published and are not, of those that can be.
fn lacking(was: Operations, is: Operations, possible: Operations) -> Vec<String> {
    let lost = Operations {
        insert: was.insert && possible.insert && !is.insert,
        update: was.update && possible.update && !is.update,
        delete: was.delete && possible.delete && !is.delete,
        truncate: was.truncate && possible.truncate && !is.truncate,
    };
    lost.words().into_iter().map(str::to_uppercase).collect()
}

/// Whether a filter is there that was not. Which of two holds back more cannot be told.
fn holds_back_other_rows(was: &[Way], is: &[Way]) -> bool {
    if is.iter().any(|way| way.row_filter.is_none()) {
        return false;
    }
    was.iter().any(|was| was.row_filter.is_none() || !is.iter().any(|is| is.row_filter == was.row_filter))
}

#[cfg(test)]
mod tests {
    use waltap_postgres::catalog::{Column, Generated, Identity, IdentityProblem, ReplicaIdentity};
    use waltap_postgres::publication::{Contents, Entry, EntryOf, Header};

    use super::*;

    fn table(oid: u32) -> Table {
        let column = |number: i16, name: &str| Column {
            number,
            name: name.to_owned(),
            type_oid: 23,
            type_modifier: -1,
            not_null: false,
            generated: Generated::No,
            published: true,
        };
        Table {
            oid,
            schema: "public".to_owned(),
            name: format!("t{oid}"),
            owner: "o".to_owned(),
            partitioned: false,
            columns: vec![column(1, "id"), column(2, "v")],
            replica_identity: ReplicaIdentity::Default,
            identity: Identity::Usable,
            index_key: vec!["id".to_owned()],
            key: vec!["id".to_owned()],
            row_filter: None,
            rows_estimated: None,
            pages_estimated: 0,
            leaves: Vec::new(),
            extension: None,
            may_use_schema: true,
            may_select: true,
            row_security: false,
            may_publish: true,
        }
    }

    fn header(name: &str, operations: Operations) -> Header {
        Header {
            name: name.to_owned(),
            oid: 1,
            owner: "o".to_owned(),
            altered_by: "700".to_owned(),
            all_tables: false,
            operations,
            via_root: true,
            generated: false,
        }
    }

    fn entry(table: u32, oid: u32) -> Entry {
        Entry { publication: "p".to_owned(), table, of: EntryOf::Table, oid, columns: None, row_filter: None }
    }

    fn contents(headers: Vec<Header>, entries: Vec<Entry>) -> Contents {
        Contents { headers, entries }
    }

    fn usual() -> Contents {
        contents(vec![header("p", Operations::ALL)], vec![entry(7, 70), entry(8, 80)])
    }

    /// What is taken away between two states, and how many notes there are.
    fn between(before: Contents, now: Contents, tables: &[Table], is_own: bool) -> (Vec<String>, usize) {
        let (before, now) = (Published::new(before, tables), Published::new(now, tables));
        let found = compare(&before, &now, tables, is_own);
        (found.taken.iter().map(Taken::sentence).collect(), found.notes.len())
    }

    fn after(now: Contents) -> (Vec<String>, usize) {
        between(usual(), now, &[table(7), table(8)], true)
    }

    #[test]
    fn what_is_as_it_was_and_what_is_more_is_no_loss() {
        assert_eq!(after(usual()), (vec![], 0));
        let fewer = contents(vec![header("p", Operations::INSERTS)], vec![entry(7, 70)]);
        assert_eq!(between(fewer, usual(), &[table(7), table(8)], true), (vec![], 0));
        let listed = Entry { columns: Some(vec![1]), row_filter: Some("f".to_owned()), ..entry(7, 69) };
        let narrow = contents(vec![header("p", Operations::ALL)], vec![listed, entry(8, 80)]);
        // Listed anew with more: it may have been one statement.
        assert_eq!(between(narrow, usual(), &[table(7), table(8)], true), (vec![], 1));
        let by_schema = contents(usual().headers, vec![Entry { of: EntryOf::Schema, ..entry(7, 99) }, entry(8, 80)]);
        assert_eq!(between(usual(), by_schema, &[table(7), table(8)], false), (vec![], 1));
    }

    #[test]
    fn every_narrowing_is_a_loss() {
        let one = |now| match after(now) {
            (taken, 0) if taken.len() == 1 => taken[0].clone(),
            found => format!("{found:?}"),
        };
        assert_eq!(one(contents(usual().headers, vec![entry(8, 80)])), "p no longer publishes public.t7");
        let inserts = contents(vec![header("p", Operations::INSERTS)], usual().entries);
        assert_eq!(one(inserts), "p no longer publishes UPDATE and DELETE of public.t7, public.t8");
        let listed = Entry { columns: Some(vec![1]), ..entry(7, 71) };
        assert_eq!(after(contents(usual().headers, vec![listed, entry(8, 80)])).0, ["p leaves out the columns v of public.t7"]);
        let filtered = Entry { row_filter: Some("f".to_owned()), ..entry(8, 81) };
        let filtered = after(contents(usual().headers, vec![entry(7, 70), filtered])).0;
        assert_eq!(filtered, ["p has another row filter for public.t8"]);
        assert_eq!(one(contents(usual().headers, vec![entry(7, 99), entry(8, 80)])), "p was for a time without public.t7");
    }

    #[test]
    fn a_publication_that_is_gone_is_told_with_its_tables() {
        let gone = ["p was dropped", "p was dropped, with public.t7, public.t8"];
        let found = after(contents(vec![], vec![]));
        assert!(found.0.len() == 1 && gone.contains(&found.0[0].as_str()), "{found:?}");
        let anew = contents(vec![Header { oid: 2, ..header("p", Operations::ALL) }], vec![entry(7, 90), entry(8, 91)]);
        assert_eq!(after(anew).0, ["p was dropped and made anew, with public.t7, public.t8"]);
        let empty = contents(vec![header("p", Operations::ALL)], vec![]);
        assert_eq!(between(empty, contents(vec![], vec![]), &[table(7)], true).0, ["p was dropped"]);
    }

    #[test]
    fn options_that_were_changed_and_changed_back_are_noted() {
        let altered = |owner: &str| {
            let header = Header { altered_by: "701".to_owned(), owner: owner.to_owned(), ..header("p", Operations::ALL) };
            contents(vec![header], usual().entries)
        };
        assert_eq!(after(altered("o")), (vec![], 1));
        // A new owner explains it.
        assert_eq!(after(altered("other")), (vec![], 0));
    }

    #[test]
    fn what_the_missing_identity_demands_is_no_loss_in_publications_of_ours() {
        let lost = Table { identity: Identity::Missing(IdentityProblem::Nothing(None)), ..table(7) };
        let inserts = Entry { publication: "i".to_owned(), ..entry(7, 75) };
        let headers = vec![header("p", Operations::ALL), Header { oid: 2, ..header("i", Operations::INSERTS) }];
        let before = contents(headers.clone(), vec![entry(7, 70)]);
        let now = contents(headers, vec![inserts]);
        assert_eq!(between(before.clone(), now.clone(), &[lost], true), (vec![], 0));
        let found = between(before, now, &[table(7)], true).0;
        assert_eq!(found, ["p no longer publishes UPDATE and DELETE of public.t7"]);
    }

    #[test]
    fn what_is_not_captured_does_not_matter() {
        assert_eq!(between(usual(), contents(usual().headers, vec![entry(8, 80)]), &[table(8)], true), (vec![], 0));
    }
}
