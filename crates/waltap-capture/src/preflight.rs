//! What must be right before a capture starts, and `waltap check`, which says the same and more without starting anything.

use waltap_error::{Code, Error, Result};
use waltap_postgres::Sql;
use waltap_postgres::catalog::{self, Table, databases, tables};
use waltap_postgres::preflight::{DatabaseNeeds, Finding, Level, PublicationNeeds, ServerNeeds, check_database, check_server};
use waltap_postgres::slot::publication_names;

use crate::options::{Options, SinkOptions, SnapshotMode};

/// The databases that the choice has. One that is chosen by name must take us; of "all", those that do not are left out with a warning.
pub(crate) async fn databases_to_capture(options: &Options, sql: &Sql) -> Result<Vec<String>> {
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
    let mut chosen = Vec::new();
    for database in all.into_iter().filter(|database| options.databases.matches(&database.name)) {
        match database.may_connect {
            true => chosen.push(database.name),
            false => tracing::warn!(
                database = database.name,
                remedy = format!(
                    "GRANT CONNECT ON DATABASE {} TO {}",
                    catalog::quoted_identifier(&database.name),
                    options.source.user()
                ),
                "the role may not connect to a database: it is left out"
            ),
        }
    }
    if chosen.is_empty() {
        return Err(Error::configuration(Code::NO_DATABASE, format!("{} has no database that may be captured", options.source)));
    }
    Ok(chosen)
}

/// Stops what cannot work: a problem of the server's becomes the error, with its remedy. Warnings are logged.
pub(crate) async fn check_before_start(options: &Options, sql: &Sql, databases: &[String]) -> Result<()> {
    // Without a stream nothing but a moment's slot is needed, and the server says itself when it has none.
    let needs = ServerNeeds { capture: options.name.clone(), databases: databases.to_vec() };
    for finding in check_server(sql, &needs).await? {
        if let Some(error) = finding.to_error() {
            return Err(error);
        }
        if finding.level == Level::Warning {
            tracing::warn!(remedy = finding.remedy, "{}", finding.what);
        }
    }
    check_patterns(options, databases).await
}

/// A pattern that matches no table of any database is a slip of the pen more often than a table to come.
async fn check_patterns(options: &Options, databases: &[String]) -> Result<()> {
    let patterns = options.tables.included();
    if patterns.is_empty() {
        return Ok(());
    }
    let mut all = Vec::new();
    for database in databases {
        all.extend(tables(&*options.source.sql(database).await?).await?);
    }
    let matches_none = |pattern: &&crate::TablePattern| !all.iter().any(|table| pattern.matches(&table.schema, &table.name));
    let unmatched: Vec<&str> = patterns.iter().filter(matches_none).map(|pattern| pattern.as_str()).collect();
    if unmatched.is_empty() {
        return Ok(());
    }
    let mut remedy = String::from("patterns are globs on schema.table, and letters must fit in case");
    if !all.is_empty() {
        let names: Vec<String> = all.iter().take(10).map(Table::display_name).collect();
        remedy.push_str(&format!("; there are, among others: {}", names.join(", ")));
    }
    Err(Error::configuration(Code::NO_TABLE, format!("no table of {} matches {}", databases.join(", "), unmatched.join(", ")))
        .remedy(remedy))
}

/// Looks at everything that a capture with these options needs of PostgreSQL, and changes nothing.
pub async fn check_source(options: &Options) -> Result<Vec<Finding>> {
    let source = &options.source;
    let sql = source.sql(source.maintenance_database()).await?;
    let databases = databases_to_capture(options, &sql).await?;
    let mut findings = check_server(&sql, &ServerNeeds { capture: options.name.clone(), databases: databases.clone() }).await?;
    for database in &databases {
        let sql = source.sql(database).await?;
        let chosen: Vec<Table> = tables(&sql)
            .await?
            .into_iter()
            .filter(|table| options.tables.matches(&table.schema, &table.name))
            .filter(|table| table.extension.is_none() || !options.tables.included().is_empty())
            .collect();
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
        findings.extend(check_database(&sql, &needs).await?);
    }
    check_patterns(options, &databases).await?;
    Ok(findings)
}

/// As [`check_source`], for Kafka: whether it answers and takes our credentials. Nothing for the stdout sink.
pub async fn check_sink(options: &Options, patience: std::time::Duration) -> Result<Option<waltap_kafka::ClusterInfo>> {
    match &options.sink {
        SinkOptions::Kafka(kafka) => waltap_kafka::probe(&kafka.client, patience).await.map(Some),
        SinkOptions::Stdout => Ok(None),
    }
}
