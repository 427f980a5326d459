//! The tables of the stream: what the server announced of each, and what is sent of it.

use std::collections::HashMap;
use std::sync::Arc;

use waltap_error::{Code, Error, Result};
use waltap_event::{TableShape, native};
use waltap_pgoutput::{Lsn, Message, Relation};
use waltap_postgres::Sql;
use waltap_postgres::catalog::Table;

use super::{Context, TypeCache, stream_shape};
use crate::event_error::event_error;
use crate::metrics::OpCounters;
use crate::options::SnapshotMode;
use crate::progress::{Progress, TableState};
use crate::sink::Topic;

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

/// A table whose changes are sent.
pub(crate) struct CapturedTable {
    pub(crate) shape: Arc<TableShape>,
    pub(crate) prepared: native::Table,
    pub(crate) topic: Topic,
    /// Changes that committed before it are in the table's snapshot and are not sent again. `None`: it has no snapshot yet.
    since: Option<Lsn>,
    counters: [OpCounters; 4],
    /// Events and bytes that are not yet added to the counters.
    counted: [(u64, u64); 4],
}

impl CapturedTable {
    /// Whether a change that committed there is to be sent.
    pub(crate) fn sends(&self, commit: Lsn) -> bool {
        self.since.is_some_and(|since| commit >= since)
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
    /// Tables with something counted since the last batch.
    counted: Vec<u32>,
    /// Tables that will be read under a snapshot that is already there, none of whose rows were sent: what it holds is not sent before it.
    expected: HashMap<u32, Lsn>,
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
        self.known.insert(relation.id, Known::Announced(message.to_vec()));
    }

    pub(crate) fn find(&mut self, oid: u32) -> Result<Found<'_>> {
        match self.known.get_mut(&oid) {
            Some(Known::Captured(table)) if table.since.is_none() => Ok(Found::NeedsSnapshot),
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

    /// Adds what was counted to the counters.
    pub(crate) fn publish_counts(&mut self) {
        for oid in self.counted.drain(..) {
            let Some(Known::Captured(table)) = self.known.get_mut(&oid) else { continue };
            for (counter, counted) in table.counters.iter().zip(&mut table.counted) {
                let (events, bytes) = std::mem::take(counted);
                if events > 0 {
                    counter.add(events, bytes);
                }
            }
        }
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
                let since = self.since(oid, context.options().snapshot, progress);
                Known::Captured(Box::new(capture(&relation, context, since, types, catalog).await?))
            }
        };
        self.known.insert(oid, resolved);
        Ok(())
    }

    /// Leaves a table out: it is gone, so its rows cannot be read any more.
    pub(crate) fn leave_out(&mut self, oid: u32) {
        self.known.insert(oid, Known::LeftOut);
    }

    /// Notes a snapshot under which tables will be read, and where it stands. [`Tables::refresh`] ends it.
    pub(crate) fn expect(&mut self, tables: impl IntoIterator<Item = u32>, lsn: Lsn) {
        self.expected.extend(tables.into_iter().map(|oid| (oid, lsn)));
    }

    /// Looks up again from where on each table is sent, after a snapshot.
    pub(crate) fn refresh(&mut self, mode: SnapshotMode, progress: &Progress) {
        self.expected.clear();
        for (oid, known) in &mut self.known {
            if let Known::Captured(table) = known {
                table.since = since(*oid, mode, progress);
            }
        }
    }

    fn since(&self, oid: u32, mode: SnapshotMode, progress: &Progress) -> Option<Lsn> {
        self.expected.get(&oid).copied().or_else(|| since(oid, mode, progress))
    }
}

async fn capture(
    relation: &Relation<'_>,
    context: &Context,
    since: Option<Lsn>,
    types: &mut TypeCache,
    catalog: &[Table],
) -> Result<CapturedTable> {
    let oids: Vec<u32> = relation.columns.iter().map(|column| column.type_id).collect();
    if !types.knows(oids.iter().copied()) {
        let sql: Sql = context.options().source.sql(&context.database).await?;
        types.learn(&sql, &oids).await?;
    }
    let full_key = catalog.iter().find(|table| table.oid == relation.id).map_or(&[][..], |table| &table.key);
    let shape = stream_shape(context, relation, full_key, types)?;
    let prepared = native::Table::new(&shape).map_err(|error| event_error(&shape, error))?;
    let mut topics = context.topics(&[(relation.schema, relation.name)]).await?;
    let counters = Op::ALL.map(|(_, op)| context.shared.metrics.op(&context.database, relation.schema, relation.name, op));
    Ok(CapturedTable {
        shape: Arc::new(shape),
        prepared,
        topic: topics.swap_remove(0),
        since,
        counters,
        counted: Default::default(),
    })
}

/// From which commit on a table's changes are sent; `None` when it has to be read first.
fn since(oid: u32, mode: SnapshotMode, progress: &Progress) -> Option<Lsn> {
    match progress.table(oid) {
        Some(record) if record.state == TableState::Done => Some(record.since),
        // Some of its rows were sent, and one of them may have been deleted since: its changes are sent until it is read again.
        Some(_) => Some(Lsn::ZERO),
        None if mode == SnapshotMode::Initial => None,
        None => Some(Lsn::ZERO),
    }
}
