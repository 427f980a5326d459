//! Whether the choice of tables, keys and topics fits the tables that are there.

use waltap_error::Code;
use waltap_event::Treatment;
use waltap_postgres::catalog::{ReplicaIdentity, Table};
use waltap_postgres::preflight::Finding;

use super::Contents;
use crate::naming::TopicClaims;
use crate::options::Options;
use crate::selection::{TableColumns, TablePattern};
use crate::tap::{OUTBOX_REMEDY, check_treatment};

/// How many tables are named to show what patterns could match.
const EXAMPLES: usize = 10;

/// Whether a table is captured. Those of an extension have to be named.
pub(super) fn is_chosen(options: &Options, table: &Table) -> bool {
    let tables = &options.tables;
    tables.matches(&table.schema, &table.name) && (table.extension.is_none() || !tables.included().is_empty())
}

fn chosen<'a>(options: &'a Options, contents: &'a [Contents]) -> impl Iterator<Item = (&'a str, &'a Table)> {
    let all = contents.iter().flat_map(|(database, tables)| tables.iter().map(move |table| (database.as_str(), table)));
    all.filter(|(_, table)| is_chosen(options, table))
}

/// A pattern that matches no table of any database is a slip of the pen more often than a table to come; so is an exclusion of everything.
pub(super) fn judge_choice(options: &Options, contents: &[Contents]) -> Option<Finding> {
    let all = || contents.iter().flat_map(|(_, tables)| tables);
    let databases: Vec<&str> = contents.iter().map(|(database, _)| database.as_str()).collect();
    let matches_none = |pattern: &&TablePattern| !all().any(|table| pattern.matches(&table.schema, &table.name));
    let unmatched: Vec<&str> = options.tables.included().iter().filter(matches_none).map(TablePattern::as_str).collect();
    if !unmatched.is_empty() {
        let mut remedy = String::from("patterns are globs on schema.table, and letters must fit in case");
        let names: Vec<String> = all().take(EXAMPLES).map(Table::display_name).collect();
        if !names.is_empty() {
            remedy.push_str(&format!("; there are, among others: {}", names.join(", ")));
        }
        let what = format!("no table of {} matches {}", databases.join(", "), unmatched.join(", "));
        return Some(Finding::problem(Code::NO_TABLE, what).remedy(remedy));
    }
    if chosen(options, contents).next().is_some() {
        return None;
    }
    let what = match all().next() {
        Some(_) => "no table is chosen: --exclude-table leaves none of those that are there",
        None => "no table is there yet: the capture will wait for one",
    };
    Some(Finding::warning(what).code(Code::NO_TABLE))
}

/// Whether the columns that were named are there.
pub(super) fn judge_columns(options: &Options, contents: &[Contents]) -> Option<Finding> {
    let tables: Vec<TableColumns<'_>> = chosen(options, contents)
        .map(|(_, table)| TableColumns {
            schema: &table.schema,
            table: &table.name,
            columns: table.columns.iter().map(|column| &*column.name).collect(),
        })
        .collect();
    let missing = options.columns.unmatched(&tables);
    if missing.is_empty() {
        return None;
    }
    let what = format!("a captured table does not have the columns named by {}", missing.join(", "));
    Some(Finding::problem(Code::NO_COLUMN, what).remedy(
        "correct --include-columns, --exclude-columns or --mask-columns, in which letters must fit in case; or take out what is gone",
    ))
}

/// Whether there is a table for each outbox, and it has the columns of one.
pub(super) fn judge_outboxes(options: &Options, contents: &[Contents]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (database, table) in chosen(options, contents) {
        let Some(columns) = options.outbox(&table.schema, &table.name) else { continue };
        let is_there = |name: &&str| {
            table.published_columns().any(|column| column.name == **name)
                && options.columns.treatment(&table.schema, &table.name, name) == Treatment::Keep
        };
        let missing: Vec<&str> = columns.names().filter(|name| !is_there(name)).collect();
        if !missing.is_empty() {
            let what =
                format!("the outbox {} has no column {}, or it is left out or masked", table.display_name(), missing.join(", "));
            findings.push(Finding::problem(Code::NO_COLUMN, what).database(database).remedy(OUTBOX_REMEDY));
        }
    }
    for outbox in &options.outboxes {
        if !chosen(options, contents).any(|(_, table)| outbox.columns_of(&table.schema, &table.name).is_some()) {
            // Its rows would be events like any others.
            let what = format!("no table that is chosen is the outbox {}", outbox.tables().as_str());
            findings.push(Finding::problem(Code::NO_TABLE, what).remedy("correct --outbox"));
        }
    }
    findings
}

/// Whether the keys of the user's choice are in what every change tells of its table. The capture refuses others.
pub(super) fn judge_keys(options: &Options, contents: &[Contents]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (database, table) in chosen(options, contents) {
        let key = options.keys.iter().find_map(|key| key.columns_of(&table.schema, &table.name));
        findings.extend(key.and_then(|key| judge_key(table, key)).map(|finding| finding.database(database)));
        let key = key.unwrap_or(&table.key);
        findings.extend(judge_treatment(options, table, key).map(|finding| finding.database(database)));
    }
    for key in &options.keys {
        if !chosen(options, contents).any(|(_, table)| key.tables().matches(&table.schema, &table.name)) {
            let what = format!("the key for {} is meant for no table that is chosen", key.tables().as_str());
            findings.push(Finding::warning(what).code(Code::KEY_COLUMNS).remedy("correct --key"));
        }
    }
    findings
}

fn judge_treatment(options: &Options, table: &Table, key: &[String]) -> Option<Finding> {
    let treatment = |column: &String| options.columns.treatment(&table.schema, &table.name, column);
    check_treatment(key.iter().map(|column| (&**column, treatment(column))), &format!("the key of {}", table.display_name()))
        .err()
        .map(|error| Finding::of(&error))
}

fn judge_key(table: &Table, key: &[String]) -> Option<Finding> {
    let name = table.display_name();
    let is_there = |column: &String| table.published_columns().any(|there| there.name == *column);
    if let Some(missing) = key.iter().find(|column| !is_there(column)) {
        let what = format!("the key chosen for {name} names the column {missing}, which it does not have");
        return Some(Finding::problem(Code::KEY_COLUMNS, what).remedy("correct --key"));
    }
    // Of a table without an identity only inserts come, and these hold every column.
    if table.replica_identity == ReplicaIdentity::Full || table.key.is_empty() {
        return None;
    }
    let outside = key.iter().find(|column| !table.key.contains(column))?;
    let what =
        format!("the key chosen for {name} names the column {outside}, which an update or a delete does not tell of the old row");
    Some(Finding::problem(Code::KEY_COLUMNS, what).remedy(format!(
        "ALTER TABLE {} REPLICA IDENTITY FULL; -- or choose columns of the replica identity: {}",
        table.quoted(),
        table.key.join(", ")
    )))
}

/// Whether each table has a topic of its own.
pub(super) fn judge_topics(options: &Options, contents: &[Contents]) -> Vec<Finding> {
    if options.topic.is_shared() {
        return Vec::new();
    }
    let claims = TopicClaims::default();
    let claim = |(database, table): (&str, &Table)| {
        let topic = options.topic.topic(database, &table.schema, &table.name)?;
        claims.claim(&topic, database, &table.schema, &table.name)
    };
    let has_topic = |(_, table): &(&str, &Table)| options.outbox(&table.schema, &table.name).is_none();
    chosen(options, contents).filter(has_topic).filter_map(|table| claim(table).err()).map(|error| Finding::of(&error)).collect()
}
