//! From what is published and what shall be, the statements that lead from one to the other. Pure.

use std::collections::HashSet;
use std::fmt;

use super::membership::{Listed, Operations, Publication};
use crate::catalog::{Table, quoted_identifier};
use crate::slot::PublicationNames;

/// How many tables one transaction adds or removes. Each takes a lock until its end, and the server's lock table has room for
/// `max_locks_per_transaction` (64) times the connections in all.
const TABLES_PER_TRANSACTION: usize = 500;

/// The publications of a capture as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Current {
    /// The one with all operations, if it is there.
    pub all: Option<Publication>,
    /// The one with INSERT and TRUNCATE, if it is there.
    pub inserts: Option<Publication>,
}

/// Whose rights a plan is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Those of our role, as the catalog tells them, and whether it has CREATE on the database.
    Own {
        /// Whether it may make publications.
        may_create: bool,
    },
    /// Those of somebody who may do everything: what to tell the owner.
    Owner,
}

/// What is to be done, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub transactions: Vec<Transaction>,
    /// What our role has no right to do.
    pub problems: Vec<Problem>,
    /// What is odd and left as it is.
    pub warnings: Vec<String>,
}

/// Statements that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The statements, without a semicolon.
    pub statements: Vec<String>,
    /// Tables that the publication with all operations gains: they must still have a usable identity when it commits.
    pub gained: Vec<u32>,
    /// What it does, for the log.
    pub changes: Vec<Change>,
}

/// A difference between what was published and what is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A publication is made.
    Created {
        /// Its name.
        publication: String,
    },
    /// A publication gets an option that it lacked.
    Altered {
        /// Its name.
        publication: String,
        /// The option and its value.
        option: String,
    },
    /// A table is published from now on.
    Added {
        /// The publication's name.
        publication: String,
        /// The table's quoted name.
        table: String,
    },
    /// A table is not published by this publication any more.
    Removed {
        /// The publication's name.
        publication: String,
        /// The table's quoted name.
        table: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Created { publication } => write!(f, "made the publication {publication}"),
            Change::Altered { publication, option } => write!(f, "set {option} of the publication {publication}"),
            Change::Added { publication, table } => write!(f, "added {table} to the publication {publication}"),
            Change::Removed { publication, table } => write!(f, "removed {table} from the publication {publication}"),
        }
    }
}

/// Something that somebody with more rights has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A publication is not there, and our role may not make it or not fill it.
    Missing {
        /// Its name.
        publication: String,
    },
    /// A publication lacks an option, and it is not ours to change.
    Option {
        /// Its name.
        publication: String,
        /// The option and its value.
        option: String,
    },
    /// A chosen table is not published with the operations that it could be.
    Unpublished {
        /// The publication's name.
        publication: String,
        /// The table's OID.
        oid: u32,
        /// The table's quoted name.
        table: String,
    },
    /// A table without a usable identity is published with all operations, so that its updates and deletes fail.
    Harmful {
        /// The publication's name.
        publication: String,
        /// The table's OID.
        oid: u32,
        /// The table's quoted name.
        table: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing { publication } => write!(f, "the publication {publication} is not there"),
            Problem::Option { publication, option } => write!(f, "the publication {publication} lacks {option}"),
            Problem::Unpublished { publication, table, .. } => write!(f, "the publication {publication} lacks the table {table}"),
            Problem::Harmful { publication, table, .. } => {
                write!(f, "the publication {publication} makes UPDATE and DELETE of {table} fail, which has no replica identity")
            }
        }
    }
}

/// Plans how the publications come to publish exactly the wanted tables.
///
/// The order keeps the application's statements working and every change published: a table that lost its identity is moved first, each
/// move is one transaction, and a publication gets operations only after tables that would suffer have left it.
pub fn plan(names: &PublicationNames, current: &Current, wanted: &[Table], rights: Rights) -> Plan {
    let owner = rights == Rights::Owner;
    if owner && let Some(harmful) = current.all.as_ref().filter(|publication| harms_beyond_its_list(publication, wanted)) {
        return replace(names, current, harmful, wanted);
    }
    let may_make = match rights {
        Rights::Owner => true,
        // A publication of ours that lists a table of somebody else could be completed by no one but a superuser, so that it is better
        // made by the one who owns the tables.
        Rights::Own { may_create } => may_create && wanted.iter().all(|table| table.may_publish),
    };
    let all = Side::new(&names.all, current.all.as_ref(), Operations::ALL, owner, may_make);
    let inserts = Side::new(&names.inserts, current.inserts.as_ref(), Operations::INSERTS, owner, may_make);
    let mut planner = Planner { plan: Plan::default() };

    planner.make(&[&all, &inserts]);
    planner.set_options(&inserts);
    let (with_identity, without_identity): (Vec<&Table>, Vec<&Table>) =
        wanted.iter().partition(|table| table.has_usable_identity());
    planner.publish(&without_identity, &inserts, &all, owner);
    planner.publish(&with_identity, &all, &inserts, owner);
    for side in [&all, &inserts] {
        planner.remove_unwanted(side, wanted);
        planner.warn_of_filters(side, wanted);
    }
    planner.set_options(&all);
    planner.plan
}

/// Whether it publishes all operations of a table without identity as one of all tables, or of a whole schema: no statement can take a
/// single table out of these.
fn harms_beyond_its_list(publication: &Publication, wanted: &[Table]) -> bool {
    wanted.iter().any(|table| {
        !table.has_usable_identity() && publication.covers(table.oid) && !publication.tables.contains_key(&table.oid)
    })
}

/// The plan that makes the publication with all operations anew, in one transaction with all the rest, so that nothing goes unpublished.
fn replace(names: &PublicationNames, current: &Current, harmful: &Publication, wanted: &[Table]) -> Plan {
    let without = Current { all: None, inserts: current.inserts.clone() };
    let plan = plan(names, &without, wanted, Rights::Owner);
    let mut whole = Transaction::default();
    whole.statements.push(format!("DROP PUBLICATION {}", quoted_identifier(&harmful.name)));
    for transaction in plan.transactions {
        whole.statements.extend(transaction.statements);
        whole.gained.extend(transaction.gained);
        whole.changes.extend(transaction.changes);
    }
    Plan { transactions: vec![whole], ..plan }
}

/// One of the two publications.
struct Side<'a> {
    name: &'a str,
    current: Option<&'a Publication>,
    operations: Operations,
    may_alter: bool,
    /// Whether it is there, or will be after the first transaction.
    there: bool,
}

impl<'a> Side<'a> {
    fn new(name: &'a str, current: Option<&'a Publication>, operations: Operations, owner: bool, may_make: bool) -> Self {
        let may_alter = current.map_or(may_make, |publication| owner || publication.may_alter);
        Side { name, current, operations, may_alter, there: current.is_some() || may_make }
    }

    fn covers(&self, oid: u32) -> bool {
        self.current.is_some_and(|publication| publication.covers(oid))
    }

    fn lists(&self, oid: u32) -> Option<&Listed> {
        self.current?.tables.get(&oid)
    }

    /// Nothing can be added to FOR ALL TABLES, nor need be.
    fn all_tables(&self) -> bool {
        self.current.is_some_and(|publication| publication.all_tables)
    }

    fn wants_all_operations(&self) -> bool {
        self.operations == Operations::ALL
    }
}

struct Planner {
    plan: Plan,
}

impl Planner {
    fn make(&mut self, sides: &[&Side<'_>]) {
        let mut transaction = Transaction::default();
        for side in sides.iter().filter(|side| side.current.is_none()) {
            let publication = side.name.to_owned();
            if !side.there {
                self.plan.problems.push(Problem::Missing { publication });
                continue;
            }
            transaction.statements.push(format!(
                "CREATE PUBLICATION {} WITH (publish = '{}', publish_via_partition_root = true)",
                quoted_identifier(side.name),
                side.operations.option()
            ));
            transaction.changes.push(Change::Created { publication });
        }
        self.push(transaction);
    }

    fn set_options(&mut self, side: &Side<'_>) {
        let Some(current) = side.current else { return };
        let mut options = Vec::new();
        if current.operations != side.operations {
            options.push(format!("publish = '{}'", side.operations.option()));
        }
        if !current.via_root {
            options.push("publish_via_partition_root = true".to_owned());
        }
        let mut transaction = Transaction::default();
        for option in options {
            let publication = side.name.to_owned();
            if side.may_alter {
                transaction.statements.push(format!("ALTER PUBLICATION {} SET ({option})", quoted_identifier(side.name)));
                transaction.changes.push(Change::Altered { publication, option });
            } else {
                self.plan.problems.push(Problem::Option { publication, option });
            }
        }
        self.push(transaction);
    }

    /// Puts tables into `home` and takes them out of `other`, together.
    fn publish(&mut self, tables: &[&Table], home: &Side<'_>, other: &Side<'_>, owner: bool) {
        let mut adding = Vec::new();
        let mut moving = Vec::new();
        for table in tables {
            let at_home = home.covers(table.oid);
            let listed_elsewhere = other.lists(table.oid).is_some();
            // All operations include INSERT and TRUNCATE, so that a second listing there is only untidy; the other way about it does harm.
            let harmed = other.wants_all_operations() && other.covers(table.oid);
            let may_move = other.may_alter || !listed_elsewhere;
            let may_add = at_home || (home.there && home.may_alter && !home.all_tables() && (owner || table.may_publish));
            let table_name = table.quoted();
            if !may_add {
                let publication = home.name.to_owned();
                self.plan.problems.push(Problem::Unpublished { publication, oid: table.oid, table: table_name });
            } else if at_home && !listed_elsewhere {
                // As it shall be, unless the other publication has it without listing it.
            } else if listed_elsewhere && may_move {
                moving.push((*table, at_home));
                continue;
            } else if !at_home {
                adding.push(*table);
            }
            if harmed {
                let publication = other.name.to_owned();
                self.plan.problems.push(Problem::Harmful { publication, oid: table.oid, table: table.quoted() });
            }
        }
        // Moves first: a table that has lost its identity cannot be updated until it has moved.
        for batch in moving.chunks(TABLES_PER_TRANSACTION) {
            let mut transaction = Transaction::default();
            let absent: Vec<&Table> = batch.iter().filter(|(_, at_home)| !at_home).map(|(table, _)| *table).collect();
            transaction.add(home, &absent);
            let listed: Vec<(u32, String)> = batch.iter().map(|(table, _)| (table.oid, table.quoted())).collect();
            transaction.remove(other, &listed);
            self.push(transaction);
        }
        for batch in adding.chunks(TABLES_PER_TRANSACTION) {
            let mut transaction = Transaction::default();
            transaction.add(home, batch);
            self.push(transaction);
        }
    }

    /// What is listed and not wanted only costs decoding, so that it is no problem when it must stay.
    fn remove_unwanted(&mut self, side: &Side<'_>, wanted: &[Table]) {
        let Some(current) = side.current else { return };
        let wanted: HashSet<u32> = wanted.iter().map(|table| table.oid).collect();
        let unwanted: Vec<(u32, String)> = current
            .tables
            .iter()
            .filter(|(oid, _)| !wanted.contains(oid))
            .map(|(oid, listed)| (*oid, listed.quoted.clone()))
            .collect();
        if !unwanted.is_empty() && !side.may_alter {
            self.plan.warnings.push(format!(
                "the publication {} of {} lists {} tables that are not chosen: {}",
                side.name,
                current.owner,
                unwanted.len(),
                enumerated(unwanted.iter().map(|(_, name)| name.as_str()))
            ));
            return;
        }
        for batch in unwanted.chunks(TABLES_PER_TRANSACTION) {
            let mut transaction = Transaction::default();
            transaction.remove(side, batch);
            self.push(transaction);
        }
    }

    fn warn_of_filters(&mut self, side: &Side<'_>, wanted: &[Table]) {
        for table in wanted {
            let Some(listed) = side.lists(table.oid) else { continue };
            let held_back = match (listed.row_filter, listed.column_list) {
                (false, false) => continue,
                (true, false) => "rows",
                (false, true) => "columns",
                (true, true) => "rows and columns",
            };
            self.plan.warnings.push(format!("the publication {} holds back {held_back} of {}", side.name, listed.quoted));
        }
    }

    fn push(&mut self, transaction: Transaction) {
        if !transaction.statements.is_empty() {
            self.plan.transactions.push(transaction);
        }
    }
}

impl Transaction {
    // ONLY, because without it the children of plain inheritance come along, which are tables of their own.
    fn add(&mut self, side: &Side<'_>, tables: &[&Table]) {
        if tables.is_empty() {
            return;
        }
        let names: Vec<String> = tables.iter().map(|table| format!("ONLY {}", table.quoted())).collect();
        self.statements.push(format!("ALTER PUBLICATION {} ADD TABLE {}", quoted_identifier(side.name), names.join(", ")));
        let added = |table: &&Table| Change::Added { publication: side.name.to_owned(), table: table.quoted() };
        self.changes.extend(tables.iter().map(added));
        if side.wants_all_operations() {
            self.gained.extend(tables.iter().map(|table| table.oid));
        }
    }

    fn remove(&mut self, side: &Side<'_>, tables: &[(u32, String)]) {
        if tables.is_empty() {
            return;
        }
        let names: Vec<String> = tables.iter().map(|(_, name)| format!("ONLY {name}")).collect();
        self.statements.push(format!("ALTER PUBLICATION {} DROP TABLE {}", quoted_identifier(side.name), names.join(", ")));
        let removed = |(_, table): &(u32, String)| Change::Removed { publication: side.name.to_owned(), table: table.clone() };
        self.changes.extend(tables.iter().map(removed));
    }
}

/// How many names a sentence takes before it says "and so many more".
const NAMES_IN_A_SENTENCE: usize = 10;

/// `a, b and 7 more`.
pub(crate) fn enumerated<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMES_IN_A_SENTENCE);
    let shown: Vec<&str> = names.take(NAMES_IN_A_SENTENCE).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
