//! The tables of the stream: what the server announced of each, and what is sent of it.

use std::collections::HashMap;
use std::sync::Arc;

use waltap_error::{Code, Error, Result};
use waltap_event::TableShape;
use waltap_pgoutput::{Lsn, Message, Relation, ReplicaIdentity};
use waltap_postgres::catalog::Table;

use super::{Context, FromCatalog, Route, TableVersion, TypeCache, compare_with_catalog, prepare, routes, stream_shape};
use crate::metrics::OpCounters;
use crate::options::SnapshotMode;
use crate::progress::{Progress, TableState};
use crate::sabotage::{Sabotage, is_on};
use crate::source::Sql;

/// What is done to a row or a table, as counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Insert,
    Update,
    Delete,
    Truncate,
}

impl Op {
    const ALL: [(Op, &'static str); 4] = [(Op::Insert, "c"), (Op::Update, "u"), (Op::Delete, "d"), (Op::Truncate, "t")];
}

/// What is in the topic of the rows that a table had before its changes, which decides about these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    /// Nothing yet: its rows are read before any change of it is sent.
    Unread,
    /// Some of them, one of which may have been deleted since: every change is sent until they are read again.
    Partly,
    /// All of them, as of there. Changes that committed before are among them, and are not sent again.
    Since(Lsn),
}

/// A table whose changes are sent.
pub(crate) struct CapturedTable {
    pub(crate) shape: Arc<TableShape>,
    pub(crate) prepared: waltap_event::Table,
    pub(crate) route: Route,
    rows: Rows,
    /// What is to be told of the table before its next event.
    pub(crate) version: Option<Arc<TableVersion>>,
    counters: [OpCounters; 4],
    /// Events and bytes that are not yet added to the counters.
    counted: [(u64, u64); 4],
}

impl CapturedTable {
    /// Whether a change that committed there is to be sent.
    pub(crate) fn sends(&self, commit: Lsn) -> bool {
        match self.rows {
            Rows::Unread => false,
            Rows::Partly => true,
            Rows::Since(since) => commit >= since || is_on(Sabotage::RepeatSnapshot),
        }
    }

    /// Whether its rows have still to be read.
    pub(crate) fn is_unread(&self) -> bool {
        !matches!(self.rows, Rows::Since(_))
    }

    /// Counts an event. Cheap: the counters hear of it once a batch.
    pub(crate) fn count(&mut self, op: Op, events: u64, bytes: u64) {
        let counted = &mut self.counted[op as usize];
        *counted = (counted.0 + events, counted.1 + bytes);
    }
}

enum Known {
    /// Announced, and no change of it came yet: a relation may be announced that never sends one, such as a leaf whose changes go by its
    /// root's name. The message is kept as it came.
    Announced(Vec<u8>),
    /// Not wanted.
    LeftOut,
    Captured(Box<CapturedTable>),
}

/// Every table that the server announced in this session, by OID.
#[derive(Default)]
pub(crate) struct Tables {
    known: HashMap<u32, Known>,
    /// The last version of each table that was told.
    versions: HashMap<u32, Arc<TableVersion>>,
    /// Tables with something counted since the last batch.
    counted: Vec<u32>,
    /// For questions to the catalog: of many tables in a row, and not longer than a batch.
    sql: CatalogConnection,
}

/// A connection that is made for the first question.
#[derive(Default)]
struct CatalogConnection(Option<Sql>);

impl CatalogConnection {
    async fn open(&mut self, context: &Context) -> Result<&Sql> {
        let sql = match self.0.take() {
            Some(sql) => sql,
            None => context.sql().await?,
        };
        Ok(self.0.insert(sql))
    }
}

/// What [`Tables::find`] found.
pub(crate) enum Found<'a> {
    Captured(&'a mut CapturedTable),
    LeftOut,
    /// [`Tables::resolve`] it first.
    Unresolved,
    /// Read its rows first, and [`Tables::refresh`].
    NeedsSnapshot,
}

impl Tables {
    /// Takes a relation message, given decoded and as it came: the table's new shape from here on.
    pub(crate) fn announce(&mut self, relation: &Relation<'_>, message: &[u8]) {
        if let Some(Known::Captured(table)) = self.known.insert(relation.id, Known::Announced(message.to_vec()))
            && table.version.is_some()
        {
            // It was not told: no event came of the table as it was.
            self.versions.remove(&relation.id);
        }
    }

    pub(crate) fn find(&mut self, oid: u32) -> Result<Found<'_>> {
        match self.known.get_mut(&oid) {
            Some(Known::Captured(table)) if table.rows == Rows::Unread => Ok(Found::NeedsSnapshot),
            Some(Known::Captured(table)) => Ok(Found::Captured(table)),
            Some(Known::LeftOut) => Ok(Found::LeftOut),
            Some(Known::Announced(_)) => Ok(Found::Unresolved),
            None => Err(Error::data(
                Code::MALFORMED_MESSAGE,
                format!("a change came of relation {oid}, which the server had not announced"),
            )),
        }
    }

    /// Notes that a captured table has counts to be added.
    pub(crate) fn touch(&mut self, oid: u32) {
        if self.counted.last() != Some(&oid) {
            self.counted.push(oid);
        }
    }

    /// Ends a batch: adds what was counted to the counters. Says of how many tables the batch was.
    pub(crate) fn publish_counts(&mut self) -> usize {
        self.sql = CatalogConnection::default();
        let mut tables = 0;
        for oid in self.counted.drain(..) {
            let Some(Known::Captured(table)) = self.known.get_mut(&oid) else { continue };
            let mut has_events = false;
            for (counter, counted) in table.counters.iter().zip(&mut table.counted) {
                let (events, bytes) = std::mem::take(counted);
                if events > 0 {
                    counter.add(events, bytes);
                    has_events = true;
                }
            }
            // One that comes again and again stands in the list as often.
            tables += usize::from(has_events);
        }
        tables
    }

    /// Works out what an announced table's changes become. Asks the catalog and Kafka where they know more than the message, so it waits;
    /// it is needed once for each announcement.
    pub(crate) async fn resolve(
        &mut self,
        oid: u32,
        context: &Context,
        progress: &Progress,
        types: &mut TypeCache,
        catalog: &[Table],
    ) -> Result<()> {
        let Some(Known::Announced(message)) = self.known.get(&oid) else { return Ok(()) };
        let malformed = |error| Error::data(Code::MALFORMED_MESSAGE, "reading a relation message").source(error);
        let Message::Relation(relation) = Message::decode(message).map_err(malformed)? else { return Ok(()) };
        let resolved = match context.options().tables.matches(relation.schema, relation.name) {
            false => Known::LeftOut,
            true => {
                let rows = rows(oid, context.options().snapshot, progress);
                let mut table = capture(&relation, context, rows, types, catalog, &mut self.sql).await?;
                context.covered.check(oid, &table.shape)?;
                // The server announces a table again and again, also when nothing of it has changed.
                if self.versions.get(&oid) == table.version.as_ref() {
                    table.version = None;
                } else if let Some(version) = &table.version {
                    self.versions.insert(oid, Arc::clone(version));
                }
                Known::Captured(Box::new(table))
            }
        };
        self.known.insert(oid, resolved);
        Ok(())
    }

    /// Schema and name of a captured table.
    pub(crate) fn name(&self, oid: u32) -> Result<(String, String)> {
        match self.known.get(&oid) {
            Some(Known::Captured(table)) => Ok((table.shape.schema.clone(), table.shape.table.clone())),
            _ => Err(Error::configuration(Code::INTERNAL, format!("relation {oid} is no captured table"))),
        }
    }

    /// Whether nothing of a table is sent, as far as that is known.
    pub(crate) fn is_left_out(&self, oid: u32) -> bool {
        matches!(self.known.get(&oid), Some(Known::LeftOut))
    }

    /// Leaves a table out: it is gone, so its rows cannot be read any more.
    pub(crate) fn leave_out(&mut self, oid: u32) {
        self.known.insert(oid, Known::LeftOut);
    }

    /// Looks up again what of each table was read, after progress was made.
    pub(crate) fn refresh(&mut self, mode: SnapshotMode, progress: &Progress) {
        for (oid, known) in &mut self.known {
            if let Known::Captured(table) = known {
                table.rows = rows(*oid, mode, progress);
            }
        }
    }
}

async fn capture(
    relation: &Relation<'_>,
    context: &Context,
    rows: Rows,
    types: &mut TypeCache,
    catalog: &[Table],
    sql: &mut CatalogConnection,
) -> Result<CapturedTable> {
    let oids: Vec<u32> = relation.columns.iter().map(|column| column.type_id).collect();
    if !types.knows(oids.iter().copied()) {
        types.learn(sql.open(context).await?, &oids).await?;
    }
    // What the message does not tell, such as the primary key under REPLICA IDENTITY FULL. The last look may not have seen the table yet.
    let seen = catalog.iter().find(|table| table.oid == relation.id);
    // Or its key has changed since, which under REPLICA IDENTITY FULL the catalog alone tells; or, where it matters which columns are NOT NULL,
    // one was added.
    let options = context.options();
    let is_full = relation.replica_identity == ReplicaIdentity::Full;
    let may_be_stale = is_full || options.schema_topic.is_some() || options.format.reads_defaults();
    let found = match seen {
        Some(_) if !may_be_stale => None,
        _ => context.tables(sql.open(context).await?, &[relation.id]).await?.pop(),
    };
    let table = found.as_ref().or(seen);
    // Nor the order that a key of several columns has got since. That of a table that is gone is as the last look saw it.
    let has_order = relation.columns.iter().filter(|column| column.is_key).nth(1).is_some();
    let key = match found {
        None if has_order => sql.open(context).await?.identity_key(relation.id).await?,
        _ => None,
    };
    let key = key.as_deref().or(table.map(|table| &*table.key)).unwrap_or_default();
    let defaults = match options.format.reads_defaults() {
        true => sql.open(context).await?.column_defaults(&[relation.id]).await?.remove(&relation.id),
        false => None,
    };
    let known = FromCatalog { table, key, defaults: defaults.as_ref() };
    let shape = stream_shape(context, relation, &known, types)?;
    if let Some(table) = table {
        compare_with_catalog(table, &options.columns, &shape)?;
    }
    let prepared = prepare(context, &shape)?;
    let version = match options.schema_topic {
        Some(_) => {
            let types: Vec<(u32, i32)> = relation.columns.iter().map(|column| (column.type_id, column.type_modifier)).collect();
            Some(Arc::new(TableVersion::of(sql.open(context).await?, relation.id, &shape, &types).await?))
        }
        None => None,
    };
    let Some(route) = routes(context, &[&shape]).await?.pop() else {
        return Err(Error::configuration(Code::INTERNAL, format!("{}.{} has no route", relation.schema, relation.name)));
    };
    let counters = Op::ALL.map(|(_, op)| context.shared.metrics.op(&context.database, relation.schema, relation.name, op));
    Ok(CapturedTable { shape: Arc::new(shape), prepared, route, rows, version, counters, counted: Default::default() })
}

fn rows(oid: u32, mode: SnapshotMode, progress: &Progress) -> Rows {
    match progress.table(oid) {
        Some(record) if record.state == TableState::Done => Rows::Since(record.since),
        Some(_) => Rows::Partly,
        None if mode == SnapshotMode::Initial => Rows::Unread,
        None => Rows::Since(Lsn::ZERO),
    }
}
