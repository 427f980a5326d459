//! What a tap remembers of its publications, and does about a change.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::Table;

use super::compare::compare;
use super::loss::{Loss, Taken};
use super::published::{By, Entries, Published, Way};
use crate::progress::{Progress, Store, json, parse};

/// The key of the loss that nobody has judged yet.
pub(super) const LOSS: &str = "loss/publications";

/// The key of the place up to which the publications were seen as they are remembered.
const SEEN: &str = "seen/publications";

/// How often that place is written while nothing happens. It only bounds the range that a loss names.
const SEEN_INTERVAL: Duration = Duration::from_secs(30);

/// How long all of what is remembered may take to be written, other writes before it included, before the look is tried again.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// What is remembered, and where.
#[derive(Debug)]
pub(crate) struct Memory {
    store: Store,
    capture: String,
    database: String,
    /// The publications that are read.
    names: Vec<String>,
    /// Whether waltap makes them itself.
    is_own: bool,
    /// What progress holds. `None`: nothing, since the slot is not there yet or an older version has made it.
    published: Option<Published>,
    loss: Option<Loss>,
    /// Up to here nothing was taken away.
    seen: Lsn,
    seen_written: Instant,
}

impl Memory {
    /// What progress says. Before there is a slot nothing can have been lost, whatever is remembered.
    pub(crate) fn new(progress: &Progress, capture: &str, database: &str, names: Vec<String>, is_own: bool) -> Self {
        let has_slot = progress.slot.as_ref().is_some_and(|slot| slot.acknowledged.is_some());
        let remembered = &progress.publications;
        Memory {
            store: progress.store().clone(),
            capture: capture.to_owned(),
            database: database.to_owned(),
            names,
            is_own,
            published: remembered.published.clone().filter(|_| has_slot),
            loss: remembered.loss.clone().filter(|_| has_slot),
            seen: remembered.seen,
            seen_written: Instant::now(),
        }
    }

    /// The publications that are read.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Compares with what is there `now`, when the server's log ends at `lsn`. A loss is written down before it stops the tap, so that
    /// mending the publication does not make it forgotten.
    pub(crate) async fn check(&mut self, now: &Published, captured: &[Table], lsn: Lsn) -> Result<()> {
        let known = |published: &Published| published.restricted(&self.names, |_, _| true);
        let before = self.published.as_ref().map(known).unwrap_or_default();
        let found = compare(&before, now, captured, self.is_own);
        for note in &found.notes {
            tracing::warn!(database = self.database, "{note}");
        }
        self.judge(found.taken, lsn).await
    }

    async fn judge(&mut self, taken: Vec<Taken>, lsn: Lsn) -> Result<()> {
        match &self.loss {
            None if taken.is_empty() => return Ok(()),
            Some(loss) if loss.accepts(&taken) => return Ok(()),
            _ => {}
        }
        let loss = Loss::merged(self.loss.as_ref(), taken, self.seen, lsn);
        let error = loss.error(&self.capture, &self.database, self.is_own);
        let written = match json(&loss) {
            Ok(value) => self.write(vec![(LOSS.to_owned(), Some(value))]).await,
            Err(error) => Err(error),
        };
        self.loss = Some(loss);
        if let Err(error) = written {
            // What is remembered stays as it is, so that the next start finds it again, unless it was mended without a trace.
            tracing::warn!(database = self.database, error = error.report(), "the loss cannot be noted in progress");
        }
        Err(error)
    }

    /// Forgets what waltap itself is about to change of its own publications: should it be cut off, nobody will know how far it came.
    pub(crate) async fn before_reconciling(&mut self, now: &Published, captured: &[Table]) -> Result<()> {
        let Some(before) = &self.published else { return Ok(()) };
        // Those are made anew, if need be.
        let is_foreign = |name: &String| {
            let by_schema = |ways: &Vec<Way>| ways.iter().any(|way| way.publication == *name && way.by == By::Schema);
            now.publications.get(name).is_some_and(|publication| publication.all_tables) || now.tables.values().any(by_schema)
        };
        let names: Vec<String> = self.names.iter().filter(|name| !is_foreign(name)).cloned().collect();
        let captured: HashMap<u32, &Table> = captured.iter().map(|table| (table.oid, table)).collect();
        let stays = |oid: u32, ways: &[Way]| {
            let table = captured.get(&oid);
            let updates = ways.iter().any(|way| before.publications.get(&way.publication).is_some_and(|record| record.update));
            table.is_some_and(|table| table.has_usable_identity() == updates)
        };
        let next = before.restricted(&names, stays);
        self.replace(next).await
    }

    /// Remembers what is there now, when nothing had been taken away up to `lsn`.
    pub(crate) async fn keep(&mut self, now: Published, lsn: Lsn) -> Result<()> {
        let is_new = self.published.as_ref() != Some(&now);
        self.replace(now).await?;
        if is_new {
            return self.write_seen(lsn).await;
        }
        self.note(lsn).await
    }

    /// Notes that nothing has changed up to `lsn`.
    pub(crate) async fn note(&mut self, lsn: Lsn) -> Result<()> {
        if lsn > self.seen && self.seen_written.elapsed() >= SEEN_INTERVAL {
            return self.write_seen(lsn).await;
        }
        self.seen = self.seen.max(lsn);
        Ok(())
    }

    /// Has the tables of a loss that was judged read again where that was asked for, and forgets it. `progress` is written first: what is cut
    /// off in between is done again.
    pub(crate) async fn settle(&mut self, progress: &mut Progress, reads_rows: bool) -> Result<()> {
        let Some(loss) = &self.loss else { return Ok(()) };
        if reads_rows {
            let tables = loss.to_read_again();
            if !tables.is_empty() {
                tracing::info!(database = self.database, tables = tables.len(), "tables are read again, as was asked for");
                progress.read_again(&tables).await?;
            }
        }
        self.write(vec![(LOSS.to_owned(), None)]).await?;
        self.loss = None;
        Ok(())
    }

    async fn write_seen(&mut self, lsn: Lsn) -> Result<()> {
        self.write(vec![(SEEN.to_owned(), Some(json(&lsn.to_string())?))]).await?;
        (self.seen, self.seen_written) = (lsn, Instant::now());
        Ok(())
    }

    async fn replace(&mut self, next: Published) -> Result<()> {
        let changes = self.published.as_ref().unwrap_or(&Published::default()).changes(&next)?;
        self.write(changes).await?;
        self.published = Some(next);
        Ok(())
    }

    async fn write(&self, entries: Entries) -> Result<()> {
        let written = timeout(WRITE_PATIENCE, self.store.write_under(entries)).await;
        written.unwrap_or_else(|_| Err(Error::transient(Code::PROGRESS, "Kafka does not confirm what the publications are")))
    }
}

/// What progress holds of publications.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered {
    published: Option<Published>,
    loss: Option<Loss>,
    seen: Lsn,
}

impl Remembered {
    /// The error that a capture stops with at once, since nobody has judged a loss yet.
    pub(crate) fn pending(&self, capture: &str, database: &str, is_own: bool) -> Option<Error> {
        let loss = self.loss.as_ref().filter(|loss| loss.accepted.is_none())?;
        Some(loss.error(capture, database, is_own))
    }

    /// Takes in a record of progress, if it is one of these. `key` is without what all keys of the tap begin with.
    pub(crate) fn read(&mut self, key: &str, value: &[u8]) -> Result<()> {
        match key {
            LOSS => self.loss = Some(parse(key, value)?),
            SEEN => self.seen = parse::<String>(key, value)?.parse().unwrap_or_default(),
            _ => Published::read(&mut self.published, key, value)?,
        }
        Ok(())
    }
}
