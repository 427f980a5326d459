//! The comparison of every table with what its topic gives.

use std::collections::BTreeSet;
use std::fmt;

use super::event::Event;
use super::order::{OrderChecker, Verdict};
use super::reading::{Times, times_of_reading};
use super::rebuild::{Rows, rebuild};
use super::source::{Table, tables};
use crate::topics::blocking;
use crate::{Postgres, Result, Topics, ensure};

/// How many differing rows a report names.
const DIFFERENCES_NAMED: usize = 5;

/// What the comparison of one table found.
#[derive(Clone, Debug)]
pub struct TableReport {
    /// Its topic.
    pub topic: String,
    /// Rows in the source.
    pub source_rows: usize,
    /// Rows rebuilt from the topic.
    pub rebuilt_rows: usize,
    /// Events in the topic, repeats included.
    pub events: u64,
    /// Events that were repeats.
    pub repeats: u64,
    /// Some of the rows that only one side has; none when both are equal.
    pub differences: Vec<String>,
}

impl TableReport {
    /// Whether the topic gives the table.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TableReport { topic, source_rows, rebuilt_rows, events, repeats, differences } = self;
        write!(f, "{topic}: {source_rows} rows, {rebuilt_rows} rebuilt from {events} events ({repeats} repeats)")?;
        differences.iter().try_for_each(|difference| write!(f, "\n    {difference}"))
    }
}

/// Compares every user table of the databases. Fails where a topic breaks the order; a table that differs is reported.
pub async fn compare(postgres: &Postgres, topics: &Topics, databases: &[&str]) -> Result<Vec<TableReport>> {
    let existing: BTreeSet<String> = topics.names().await?.into_iter().collect();
    let times = times_of_reading(topics, &existing).await?;
    let mut reports = Vec::new();
    for database in databases {
        let sql = postgres.sql(database).await?;
        for table in tables(&sql).await? {
            let topic = table.topic(database);
            let name = [(*database).to_owned(), table.schema.clone(), table.name.clone()];
            let read = match existing.contains(&topic) {
                true => read_topic(topics, &topic, times.get(&name).cloned().unwrap_or_default()).await?,
                false => ReadTopic::default(),
            };
            reports.push(report(&table, topic, &read, table.rows(&sql).await?)?);
        }
    }
    Ok(reports)
}

/// Fails, and names the tables and rows, unless every table is equal. Prints one line that says what was compared.
pub async fn ensure_equal(postgres: &Postgres, topics: &Topics, databases: &[&str]) -> Result<Vec<TableReport>> {
    let reports = compare(postgres, topics, databases).await?;
    let unequal: Vec<String> = reports.iter().filter(|report| !report.is_equal()).map(TableReport::to_string).collect();
    ensure!(unequal.is_empty(), "{} of {} tables differ:\n{}", unequal.len(), reports.len(), unequal.join("\n"));
    let sum = |of: fn(&TableReport) -> u64| -> u64 { reports.iter().map(of).sum() };
    println!(
        "{} tables equal: {} rows from {} events, {} of them repeats",
        reports.len(),
        sum(|report| report.source_rows as u64),
        sum(|report| report.events),
        sum(|report| report.repeats)
    );
    Ok(reports)
}

/// What a topic tells of its table.
#[derive(Debug, Default)]
pub struct ReadTopic {
    /// Its rows.
    pub rows: Rows,
    /// Events in it, repeats included.
    pub events: u64,
    /// Events that were repeats.
    pub repeats: u64,
}

/// Rebuilds a table from its topic. Fails where the topic breaks the order.
pub async fn read(topics: &Topics, topic: &str) -> Result<ReadTopic> {
    read_topic(topics, topic, Times::new()).await
}

/// `times`: when it was read in chunks.
async fn read_topic(topics: &Topics, topic: &str, times: Times) -> Result<ReadTopic> {
    let (topics, topic) = (topics.clone(), topic.to_owned());
    let name = topic.clone();
    let read = blocking(move || {
        let mut order = OrderChecker::default();
        let mut fresh = Vec::new();
        let mut events = 0;
        topics.visit(&[&topic], &mut |record| {
            let Some(event) = Event::read(&record)? else { return Ok(()) };
            events += 1;
            let verdict = order.take(&event);
            let verdict = verdict.map_err(|failure| failure.while_doing(format!("offset {}", record.offset)))?;
            if verdict == Verdict::New {
                fresh.push(event);
            }
            Ok(())
        })?;
        Ok(ReadTopic { rows: rebuild(fresh, &times)?, events, repeats: order.repeats() })
    });
    read.await.map_err(|failure| failure.while_doing(name))
}

fn report(table: &Table, topic: String, read: &ReadTopic, source: Vec<Vec<Option<String>>>) -> Result<TableReport> {
    let rebuilt = read.rows.canonical(table)?;
    let mut differences = Vec::new();
    let (mut left, mut right) = (source.iter().peekable(), rebuilt.iter().peekable());
    // Both are sorted: a row that stands on one side alone is met while the other side is past it.
    while differences.len() < DIFFERENCES_NAMED {
        match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(ours), theirs) if theirs.is_none_or(|theirs| ours < theirs) => {
                differences.push(format!("only in the source: {}", show(ours)));
                left.next();
            }
            (ours, Some(theirs)) if ours.is_none_or(|ours| theirs < ours) => {
                differences.push(format!("only in the topic:  {}", show(theirs)));
                right.next();
            }
            _ => {
                left.next();
                right.next();
            }
        }
    }
    let (source_rows, rebuilt_rows) = (source.len(), rebuilt.len());
    Ok(TableReport { topic, source_rows, rebuilt_rows, events: read.events, repeats: read.repeats, differences })
}

/// A row, short enough for a line.
fn show(row: &[Option<String>]) -> String {
    let values = row.iter().map(|value| match value {
        None => "null".to_owned(),
        Some(text) if text.chars().count() > 40 => {
            format!("{}… ({} bytes)", text.chars().take(40).collect::<String>(), text.len())
        }
        Some(text) => text.clone(),
    });
    values.collect::<Vec<_>>().join(" | ")
}
