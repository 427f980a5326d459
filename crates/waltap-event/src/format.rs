//! The choice of a format, and what works whatever it is.

use std::time::Duration;

use waltap_pgoutput::{LogicalMessage, Lsn, OldRow, PgTime, Tuple, Value};

use crate::composer::Composer;
use crate::debezium::{self, Debezium};
use crate::flat::{self, Flat};
use crate::native::{self, Native};
use crate::table::Prepared;
use crate::{Error, Failure, HeaderSet, Kind, Operation, RecordSink, Stamp, TableShape};

/// How events look, with what of each format is a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// waltap's own: see [`native`].
    Native(native::Options),
    /// The columns at the top level: see [`flat`].
    Flat(flat::Options),
    /// What Debezium's connector writes: see [`debezium`].
    Debezium(Box<debezium::Options>),
}

/// A record from time to time that says that the capture is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeats {
    /// The topic for them.
    pub topic: String,
    /// How often.
    pub interval: Duration,
}

impl Format {
    /// Whether anything in it depends on the defaults of columns ([`Declared::default`](crate::Declared::default)).
    pub fn reads_defaults(&self) -> bool {
        match self {
            Format::Debezium(_) => true,
            Format::Native(_) | Format::Flat(_) => false,
        }
    }

    /// The topic for the records of [`Encoder::transaction_begins`] and [`Encoder::transaction_commits`]. None: there are none.
    pub fn transaction_topic(&self, database: &str) -> Option<String> {
        match self {
            Format::Debezium(options) => options.transaction_topic(database),
            Format::Native(_) | Format::Flat(_) => None,
        }
    }

    /// Where and when the records of [`Encoder::heartbeat`] are wanted. None: there are none.
    pub fn heartbeats(&self, database: &str) -> Option<Heartbeats> {
        match self {
            Format::Debezium(options) => options.heartbeats(database),
            Format::Native(_) | Format::Flat(_) => None,
        }
    }
}

impl Default for Format {
    fn default() -> Self {
        Format::Native(native::Options::default())
    }
}

/// A table made ready for the encoder of a format.
///
/// It is made anew when the shape of the table changes, and can be shared between tasks.
#[derive(Clone, Debug)]
pub struct Table(PreparedTable);

#[derive(Clone, Debug)]
enum PreparedTable {
    Native(Prepared<Kind>),
    Flat(Prepared<Kind>),
    Debezium(Prepared<debezium::How>),
}

impl Table {
    /// Makes a table ready. The error is a key column that the table does not have.
    pub fn new(shape: &TableShape, format: &Format) -> Result<Self, Error> {
        Ok(Table(match format {
            Format::Native(_) => PreparedTable::Native(Native::prepare(shape)?),
            Format::Flat(_) => PreparedTable::Flat(Flat::prepare(shape)?),
            Format::Debezium(options) => PreparedTable::Debezium(Debezium::prepare(shape, options)?),
        }))
    }
}

/// Writes events and gives their records to a sink.
///
/// It allocates nothing for a row once its buffers have grown. Each event is written whole before its first record is given away, so that an
/// event that cannot be written leaves nothing behind. Tables must have been made ready for the same format.
#[derive(Clone, Debug)]
pub struct Encoder(FormatEncoder);

#[derive(Clone, Debug)]
enum FormatEncoder {
    Native(Composer<Native>),
    Flat(Composer<Flat>),
    Debezium(Box<Composer<Debezium>>),
}

/// Hands an event to the format of both the encoder and the table.
macro_rules! dispatch {
    ($encoder:expr, $table:expr, |$composer:ident, $prepared:ident| $event:expr) => {
        match (&mut $encoder.0, &$table.0) {
            (FormatEncoder::Native($composer), PreparedTable::Native($prepared)) => $event,
            (FormatEncoder::Flat($composer), PreparedTable::Flat($prepared)) => $event,
            (FormatEncoder::Debezium($composer), PreparedTable::Debezium($prepared)) => $event,
            _ => Err(Error::OtherFormat.into()),
        }
    };
}

impl Encoder {
    /// An encoder for the changes of one database.
    pub fn new(database: &str, format: &Format) -> Self {
        Encoder(match format {
            Format::Native(options) => FormatEncoder::Native(Composer::new(Native::new(database, *options))),
            Format::Flat(options) => FormatEncoder::Flat(Composer::new(Flat::new(database, *options))),
            Format::Debezium(options) => FormatEncoder::Debezium(Box::new(Composer::new(Debezium::new(database, options)))),
        })
    }

    /// The encoder with headers on every record.
    #[must_use]
    pub fn with_headers(self, set: HeaderSet, database: &str) -> Self {
        Encoder(match self.0 {
            FormatEncoder::Native(composer) => FormatEncoder::Native(composer.with_headers(set, database)),
            FormatEncoder::Flat(composer) => FormatEncoder::Flat(composer.with_headers(set, database)),
            FormatEncoder::Debezium(composer) => FormatEncoder::Debezium(Box::new(composer.with_headers(set, database))),
        })
    }

    /// The encoder for rows that are read while the stream goes on, which Debezium tells from those of its first snapshot.
    #[must_use]
    pub fn of_chunks(self) -> Self {
        Encoder(match self.0 {
            FormatEncoder::Debezium(composer) => FormatEncoder::Debezium(Box::new(composer.map(Debezium::of_chunks))),
            other => other,
        })
    }

    /// A row that was there when the snapshot was taken: `r`.
    pub fn snapshot_row<'a, S: RecordSink>(
        &mut self,
        table: &Table,
        stamp: &Stamp,
        row: impl Iterator<Item = Value<'a>>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        dispatch!(self, table, |composer, table| composer.new_row(Operation::Read, table, stamp, row, sink))
    }

    /// A new row: `c`.
    pub fn insert<S: RecordSink>(
        &mut self,
        table: &Table,
        stamp: &Stamp,
        new: Tuple<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        dispatch!(self, table, |composer, table| composer.new_row(Operation::Create, table, stamp, new.iter(), sink))
    }

    /// A changed row: `u`; or, when its key has changed, `d` for the old key and `c` for the new one.
    pub fn update<S: RecordSink>(
        &mut self,
        table: &Table,
        stamp: &Stamp,
        old: Option<OldRow<'_>>,
        new: Tuple<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        dispatch!(self, table, |composer, table| composer.update(table, stamp, old, new, sink))
    }

    /// A deleted row: `d`.
    pub fn delete<S: RecordSink>(
        &mut self,
        table: &Table,
        stamp: &Stamp,
        old: OldRow<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        dispatch!(self, table, |composer, table| composer.delete(table, stamp, old, sink))
    }

    /// An emptied table: `t`.
    pub fn truncate<S: RecordSink>(&mut self, table: &Table, stamp: &Stamp, sink: &mut S) -> Result<(), Failure<S::Error>> {
        dispatch!(self, table, |composer, table| composer.truncate(table, stamp, sink))
    }

    /// A message that a client wrote into the log: `m`.
    pub fn message<S: RecordSink>(
        &mut self,
        stamp: &Stamp,
        message: &LogicalMessage<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        match &mut self.0 {
            FormatEncoder::Native(composer) => composer.message(stamp, message, sink),
            FormatEncoder::Flat(composer) => composer.message(stamp, message, sink),
            FormatEncoder::Debezium(composer) => composer.message(stamp, message, sink),
        }
    }

    /// Hears that a transaction is over, whether or not it had events, and where its commit ends: `debezium` names the last such place in
    /// the events that follow.
    pub fn transaction_ended(&mut self, end: Lsn) {
        match &mut self.0 {
            FormatEncoder::Native(composer) => composer.transaction_ended(end),
            FormatEncoder::Flat(composer) => composer.transaction_ended(end),
            FormatEncoder::Debezium(composer) => composer.transaction_ended(end),
        }
    }

    /// A transaction begins: what stands at its beginning, for [`Format::transaction_topic`]. Its `lsn` is that of the message.
    pub fn transaction_begins<S: RecordSink>(&mut self, stamp: &Stamp, sink: &mut S) -> Result<(), Failure<S::Error>> {
        match &mut self.0 {
            FormatEncoder::Native(composer) => composer.begin(stamp, sink),
            FormatEncoder::Flat(composer) => composer.begin(stamp, sink),
            FormatEncoder::Debezium(composer) => composer.begin(stamp, sink),
        }
    }

    /// All events of the transaction were written: what stands at its end, for [`Format::transaction_topic`].
    pub fn transaction_commits<S: RecordSink>(&mut self, stamp: &Stamp, sink: &mut S) -> Result<(), Failure<S::Error>> {
        match &mut self.0 {
            FormatEncoder::Native(composer) => composer.commit(stamp, sink),
            FormatEncoder::Flat(composer) => composer.commit(stamp, sink),
            FormatEncoder::Debezium(composer) => composer.commit(stamp, sink),
        }
    }

    /// A sign of life, for [`Format::heartbeats`].
    pub fn heartbeat<S: RecordSink>(&mut self, now: PgTime, sink: &mut S) -> Result<(), Failure<S::Error>> {
        match &mut self.0 {
            FormatEncoder::Native(composer) => composer.heartbeat(now, sink),
            FormatEncoder::Flat(composer) => composer.heartbeat(now, sink),
            FormatEncoder::Debezium(composer) => composer.heartbeat(now, sink),
        }
    }
}
