//! A capture to standard output whose events are looked at one by one.

use std::time::Duration;

use serde_json::Value;
use waltap_tests::{Kit, Postgres, Result, Sql, Waltap, ensure, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

/// The table that [`Watched::reached`] writes to.
const MARKER: &str = "kit_marker";

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) topic: String,
    pub(crate) key: Value,
    pub(crate) value: Value,
}

impl Event {
    /// `op key before after`, and what was not sent.
    pub(crate) fn show(&self) -> String {
        let Event { key, value, .. } = self;
        let op = value["op"].as_str().unwrap_or("tombstone");
        let unchanged = if value["unchanged"].is_null() { String::new() } else { format!(" unchanged {}", value["unchanged"]) };
        format!("{op} {key} {} {}{unchanged}", value["before"], value["after"])
    }
}

/// A database and its capture.
pub(crate) struct Watched {
    pub(crate) waltap: Waltap,
    database: String,
    marks: usize,
}

impl Watched {
    /// Begins to capture a database, in which a table for the marks is made.
    pub(crate) async fn start(kit: &Kit, postgres: &Postgres, database: &str, more: &[&str]) -> Result<Self> {
        let mark = format!("CREATE TABLE IF NOT EXISTS {MARKER} (id serial PRIMARY KEY)");
        postgres.sql(database).await?.run(&mark).await?;
        let source = postgres.url("postgres");
        let flags = ["capture", "--source", &source, "--database", database, "--sink", "stdout", "--discovery-interval", "300ms"];
        let mut waltap = kit.waltap(&[&flags[..], more].concat(), &[])?;
        waltap.wait_streaming().await?;
        Ok(Watched { waltap, database: database.to_owned(), marks: 0 })
    }

    /// Waits until all that was committed is out.
    pub(crate) async fn reached(&mut self, sql: &Sql) -> Result {
        let topic = format!(".public.{MARKER}\"");
        let marks = |waltap: &Waltap| waltap.stdout().lines().filter(|line| line.contains(&topic)).count();
        self.marks = marks(&self.waltap);
        sql.run(&format!("INSERT INTO public.{MARKER} DEFAULT VALUES")).await?;
        let Watched { waltap, marks: before, .. } = self;
        wait_until("the mark is out", DEADLINE, async || Ok(marks(waltap) > *before))
            .await
            .map_err(|failure| failure.while_doing(waltap.log()))
    }

    /// Every event so far.
    pub(crate) fn all(&self) -> Result<Vec<Event>> {
        let beginning = format!("{}.", self.database);
        let mut events = Vec::new();
        for line in self.waltap.stdout().lines() {
            let mut line: Value = serde_json::from_str(line)?;
            let Some(topic) = line["topic"].as_str().and_then(|topic| topic.strip_prefix(&beginning)) else { continue };
            let topic = topic.to_owned();
            events.push(Event { topic, key: line["key"].take(), value: line["value"].take() });
        }
        Ok(events)
    }

    /// The events of one table, named by its schema and name, as text.
    pub(crate) fn of(&self, table: &str) -> Result<Vec<String>> {
        Ok(self.all()?.iter().filter(|event| event.topic == table).map(Event::show).collect())
    }

    /// Fails unless these are the events of a table.
    pub(crate) fn expect(&self, table: &str, expected: &[&str]) -> Result {
        let found = self.of(table)?;
        ensure!(found == expected, "{table}: found\n  {}\nexpected\n  {}", found.join("\n  "), expected.join("\n  "));
        Ok(())
    }

    /// Ends the capture.
    pub(crate) async fn stop(mut self) -> Result {
        self.waltap.stop_cleanly().await
    }
}
