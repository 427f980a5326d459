//! What must be right before a capture starts, and `waltap check`, which says the same and more without starting anything.

mod choice;
mod failover;
mod sink;
mod standby;
mod streaming;

use std::collections::HashSet;

use waltap_error::{Code, Error, Result};
use waltap_postgres::Sql;
use waltap_postgres::catalog::{self, Table, databases, tables};
use waltap_postgres::preflight::{DatabaseNeeds, Finding, Level, PublicationNeeds, ServerNeeds, check_database, check_server};
use waltap_postgres::slot::publication_names;

pub(crate) use sink::losing_letters;
pub use sink::{check_progress, check_sink};

use crate::options::{OnSlotLost, Options, SnapshotMode};
use crate::slot_plan::is_loss;
use failover::{awaits_promotion, judge_failover};
use standby::judge_recovery;
use streaming::judge_streaming;

use choice::{is_chosen, judge_choice, judge_columns, judge_keys, judge_outboxes, judge_topics};

/// What was logged already: a start that is tried again and again says it once.
#[derive(Debug, Default)]
pub(crate) struct Told(HashSet<String>);

/// A database and all its tables.
type Contents = (String, Vec<Table>);

/// The databases to capture. What cannot work stops it: a problem becomes the error, with its remedy. Warnings are logged.
pub(crate) async fn before_start(options: &Options, sql: &Sql, told: &mut Told) -> Result<Vec<String>> {
    let (databases, mut findings) = databases_to_capture(options, sql).await?;
    findings.extend(judge_streaming(options, sql).await?);
    if let Some(error) = awaits_promotion(options, sql, &databases).await? {
        return Err(error);
    }
    findings.extend(judge_failover(options, sql).await?);
    findings.extend(judge_recovery(options, sql).await?);
    // Without a stream nothing but a moment's slot is needed, and the server says itself when it has none.
    let mut needs = ServerNeeds { capture: options.name.clone(), databases, without_tables: Vec::new() };
    let mut of_server = check_server(sql, &needs).await?;
    let lacks_room = |finding: &Finding| {
        finding.level == Level::Problem && matches!(finding.code, Some(Code::REPLICATION_SLOTS | Code::WAL_SENDERS))
    };
    let is_short = of_server.iter().any(lacks_room);
    let is_plain = options.tables.is_everything()
        && options.columns.is_everything()
        && options.keys.is_empty()
        && options.outboxes.is_empty();
    if is_short || !is_plain {
        let contents = contents(options, &needs.databases).await?;
        if is_short {
            needs.without_tables = without_tables(options, &contents);
            of_server = check_server(sql, &needs).await?;
        }
        findings.extend(judge_choice(options, &contents));
        findings.extend(judge_columns(options, &contents));
        findings.extend(judge_keys(options, &contents));
        findings.extend(judge_outboxes(options, &contents));
    }
    for mut finding in of_server.into_iter().chain(findings) {
        if options.on_slot_lost == OnSlotLost::Resnapshot && finding.code.is_some_and(is_loss) {
            // The tap mends it.
            finding.level = Level::Warning;
        }
        if let Some(error) = finding.to_error() {
            return Err(error);
        }
        if finding.level == Level::Warning && told.0.insert(finding.what.clone()) {
            tracing::warn!(database = finding.database, remedy = finding.remedy, "{}", finding.what);
        }
    }
    Ok(needs.databases)
}

/// The databases that the choice has. One that is chosen by name must take us; of "all", those that do not are left out with a warning.
async fn databases_to_capture(options: &Options, sql: &Sql) -> Result<(Vec<String>, Vec<Finding>)> {
    let all = databases(sql).await?;
    let names: Vec<&str> = all.iter().map(|database| database.name.as_str()).collect();
    let unmatched = options.databases.unmatched(&names);
    if !unmatched.is_empty() {
        return Err(Error::configuration(
            Code::NO_DATABASE,
            format!("no database of {} matches {}", options.source, unmatched.join(", ")),
        )
        .remedy(format!("there are: {}", names.join(", "))));
    }
    let (mut chosen, mut left_out) = (Vec::new(), Vec::new());
    for database in all.into_iter().filter(|database| options.databases.matches(&database.name)) {
        if database.may_connect {
            chosen.push(database.name);
            continue;
        }
        let what = format!("the role may not connect to the database {}: it is left out", database.name);
        left_out.push(Finding::warning(what).database(&database.name).remedy(format!(
            "GRANT CONNECT ON DATABASE {} TO {};",
            catalog::quoted_identifier(&database.name),
            catalog::quoted_identifier(options.source.user())
        )));
    }
    if chosen.is_empty() {
        return Err(Error::configuration(Code::NO_DATABASE, format!("{} has no database that may be captured", options.source)));
    }
    Ok((chosen, left_out))
}

async fn contents(options: &Options, databases: &[String]) -> Result<Vec<Contents>> {
    let mut contents = Vec::with_capacity(databases.len());
    for database in databases {
        contents.push((database.clone(), tables(&*options.source.sql(database).await?).await?));
    }
    Ok(contents)
}

/// The databases in which nothing is chosen yet. Such a one takes no slot before it has a table.
fn without_tables(options: &Options, contents: &[Contents]) -> Vec<String> {
    let is_empty = |tables: &[Table]| !tables.iter().any(|table| is_chosen(options, table));
    contents.iter().filter(|(_, tables)| is_empty(tables)).map(|(database, _)| database.clone()).collect()
}

/// Looks at everything that a capture with these options needs of PostgreSQL, and changes nothing.
pub async fn check_source(options: &Options) -> Result<Vec<Finding>> {
    let source = &options.source;
    let sql = source.sql(source.maintenance_database()).await?;
    let (databases, left_out) = databases_to_capture(options, &sql).await?;
    let contents = contents(options, &databases).await?;
    let without_tables = without_tables(options, &contents);
    let needs = ServerNeeds { capture: options.name.clone(), databases, without_tables };
    let mut findings = check_server(&sql, &needs).await?;
    findings.extend(left_out);
    findings.extend(judge_streaming(options, &sql).await?);
    findings.extend(judge_failover(options, &sql).await?);
    findings.extend(judge_recovery(options, &sql).await?);
    for (database, tables) in &contents {
        let chosen: Vec<Table> = tables.iter().filter(|table| is_chosen(options, table)).cloned().collect();
        let publication = match &options.publication {
            Some(name) => PublicationNeeds::User(name.clone()),
            None => PublicationNeeds::Own(publication_names(&options.name)),
        };
        let needs = DatabaseNeeds {
            database,
            role: source.user(),
            tables: &chosen,
            publication,
            snapshot: options.snapshot != SnapshotMode::Never,
        };
        findings.extend(check_database(&*source.sql(database).await?, &needs).await?);
    }
    findings.extend(judge_choice(options, &contents));
    findings.extend(judge_columns(options, &contents));
    findings.extend(judge_keys(options, &contents));
    findings.extend(judge_outboxes(options, &contents));
    findings.extend(judge_topics(options, &contents));
    Ok(findings)
}
