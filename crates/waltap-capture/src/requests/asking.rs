//! Asking for rows to be read beside the stream, and what becomes of it.

use std::collections::HashSet;

use waltap_error::{Code, Error, Result};
use waltap_postgres::Source;
use waltap_postgres::catalog::{self, Table};
use waltap_postgres::copy::check_condition;
use waltap_postgres::publication;
use waltap_postgres::slot::publication_names;

use super::known::Known;
use super::record::{Ask, ask_key};
use crate::clock::unix_millis;
use crate::progress::{Progress, Store, json};
use crate::selection::{DatabaseSelection, TablePattern};

/// Of whom something is asked.
#[derive(Debug)]
pub struct Asking<'a> {
    /// The server of the capture.
    pub source: &'a Source,
    /// The Kafka that it writes to.
    pub kafka: &'a waltap_kafka::Options,
    /// Its name.
    pub capture: &'a str,
    /// The databases that are meant.
    pub databases: &'a DatabaseSelection,
    /// The tables that are meant: each pattern has to mean one at least.
    pub tables: &'a [TablePattern],
}

/// What was asked of the tap of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The database.
    pub database: String,
    /// The id of the request.
    pub id: String,
    /// The tables, by OID and `schema.table`.
    pub tables: Vec<(u32, String)>,
}

/// How far a table is for which something was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskState {
    /// The tap has not begun with it.
    Waiting,
    /// So many rows of it are sent.
    Reading(u64),
    /// All are, so many.
    Done(u64),
    /// It is not read to its end, for this reason.
    Refused(String),
}

impl Asking<'_> {
    /// Asks that tables are read beside the stream, or the rows of them that a condition holds for.
    pub async fn snapshot(&self, condition: Option<&str>) -> Result<Vec<Asked>> {
        if catalog::is_standby(&*self.source.sql(self.source.maintenance_database()).await?).await? {
            let what = "the source is a standby, which cannot write the marks in the log between which rows are read";
            return Err(Error::configuration(Code::STANDBY, what)
                .remedy("ask again once it is a primary; or read the tables with a capture of another --name"));
        }
        let known = Known::read(self.kafka, self.capture).await?;
        let found = self.captured(&known, condition).await?;
        self.ask(&known, found, |tables| Ask::Snapshot { tables, condition: condition.map(str::to_owned), at: unix_millis() })
            .await
    }

    /// Asks that what [`Asking::snapshot`] has asked for is left off.
    pub async fn cancel(&self) -> Result<Vec<Asked>> {
        let known = Known::read(self.kafka, self.capture).await?;
        let found = self.captured(&known, None).await?;
        self.ask(&known, found, |tables| Ask::Cancel { tables, at: unix_millis() }).await
    }

    /// How far the tables are, in the order of the requests.
    pub async fn states(&self, asked: &[Asked]) -> Result<Vec<Vec<AskState>>> {
        self.became(asked, state).await
    }

    /// What became of each table of each request, by progress, the table's OID, the request's id, and whether the request still waits.
    pub(super) async fn became<S>(
        &self,
        asked: &[Asked],
        state: impl Fn(&Progress, u32, &str, bool) -> S,
    ) -> Result<Vec<Vec<S>>> {
        // Before progress is read: an ask is deleted after progress has said what became of it.
        let known = Known::read(self.kafka, self.capture).await?;
        let mut states = Vec::with_capacity(asked.len());
        for Asked { database, id, tables } in asked {
            // A record that a Kafka transaction still hides would be missed.
            let progress = known.settled_progress(database).await?;
            let is_asked = known.keys.contains(&Store::new(None, self.capture, database).key(&ask_key(id)));
            states.push(tables.iter().map(|(oid, _)| state(&progress, *oid, id, is_asked)).collect());
        }
        Ok(states)
    }

    /// The tables that are meant, by database.
    pub(super) async fn captured(&self, known: &Known, condition: Option<&str>) -> Result<Vec<(String, Vec<Table>)>> {
        let mut unmatched: Vec<&TablePattern> = self.tables.iter().collect();
        let mut found = Vec::new();
        for database in known.databases(self.databases)? {
            let sql = self.source.sql(&database).await?;
            let mut tables = catalog::tables(&sql).await?;
            tables.retain(|table| self.tables.iter().any(|pattern| pattern.matches(&table.schema, &table.name)));
            let progress = known.progress(&database).await?;
            // One of which no row was ever read is not in progress.
            let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
            let own: Vec<String> = publication_names(self.capture).both().map(str::to_owned).to_vec();
            let published: HashSet<u32> =
                publication::contents(&sql, &own, &oids).await?.entries.into_iter().map(|entry| entry.table).collect();
            tables.retain(|table| {
                published.contains(&table.oid) || progress.table(table.oid).is_some_and(|record| record.left.is_none())
            });
            for table in &tables {
                unmatched.retain(|pattern| !pattern.matches(&table.schema, &table.name));
                if let Some(condition) = condition {
                    check_condition(&sql, table, condition).await?;
                }
            }
            if !tables.is_empty() {
                found.push((database, tables));
            }
        }
        match unmatched.first() {
            None => Ok(found),
            Some(pattern) => {
                let message = format!("the capture {} has no table `{}` in these databases", self.capture, pattern.as_str());
                Err(Error::configuration(Code::REQUEST, message).remedy(
                    "name tables that are captured, as schema.table; a table that has just been made is found a little later",
                ))
            }
        }
    }

    pub(super) async fn ask(
        &self,
        known: &Known,
        found: Vec<(String, Vec<Table>)>,
        ask: impl Fn(Vec<String>) -> Ask,
    ) -> Result<Vec<Asked>> {
        let (mut asked, mut entries) = (Vec::new(), Vec::new());
        // In the order of their time, and no two alike.
        let id = format!("{:013}-{}", unix_millis(), std::process::id());
        for (database, tables) in found {
            let record = ask(tables.iter().map(Table::quoted).collect());
            entries.push((Store::new(None, self.capture, &database).key(&ask_key(&id)), Some(json(&record)?)));
            let tables = tables.iter().map(|table| (table.oid, table.display_name())).collect();
            asked.push(Asked { database, id: id.clone(), tables });
        }
        known.write(&entries).await?;
        Ok(asked)
    }
}

fn state(progress: &Progress, oid: u32, id: &str, is_asked: bool) -> AskState {
    let Some(record) = progress.table(oid) else {
        return match is_asked {
            true => AskState::Waiting,
            false => AskState::Refused("the table is not captured any more".to_owned()),
        };
    };
    if let Some(chunks) = record.chunks.as_ref().filter(|chunks| chunks.id == id) {
        return AskState::Reading(chunks.rows);
    }
    match record.answer.as_ref().filter(|answer| answer.id == id) {
        Some(answer) => answer.refused.clone().map_or(AskState::Done(answer.rows), AskState::Refused),
        None if is_asked => AskState::Waiting,
        // Between the two looks at the topic the tap may have taken it up; else another request has taken its place.
        None if record.chunks.is_some() => AskState::Refused("another request has taken its place".to_owned()),
        None => AskState::Refused("the tap has passed it over: its log says why".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use waltap_pgoutput::Lsn;

    use super::*;
    use crate::progress::{ChunkRecord, TableRecord, TableState};

    #[tokio::test]
    async fn how_far_a_request_is_stands_in_the_record_of_the_table() {
        let mut progress = Progress::load(Store::new(None, "waltap", "shop")).await.unwrap();
        let known = |text: &str| -> TableRecord { crate::progress::parse("k", text.as_bytes()).unwrap() };
        let plain = r#"{"schema":"public","table":"t","state":"done","since":"0/10""#;
        assert_eq!(state(&progress, 5, "7", true), AskState::Waiting);
        assert!(matches!(state(&progress, 5, "7", false), AskState::Refused(_)));
        let chunks = ChunkRecord { id: "7".to_owned(), rows: 12, ..ChunkRecord::default() };
        let reading = TableRecord { chunks: Some(chunks), ..known(&format!("{plain}}}")) };
        assert_eq!((reading.state, reading.since), (TableState::Done, Lsn(0x10)));
        progress.set_tables(vec![(5, reading)]).await.unwrap();
        assert_eq!(state(&progress, 5, "7", false), AskState::Reading(12));
        assert_eq!(state(&progress, 5, "8", true), AskState::Waiting);
        assert!(matches!(state(&progress, 5, "8", false), AskState::Refused(_)));
    }
}
