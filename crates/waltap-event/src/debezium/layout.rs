//! The events of the format.

use std::borrow::Cow;

use waltap_pgoutput::{LogicalMessage, Lsn, OldRow, PgTime, Value};

use super::column_default;
use super::conversion::{Conversion, conversion};
use super::envelope_schema::{Schemas, TableSchemas};
use super::jackson::write_string;
use super::options::{BinaryHandling, Options, SkippedOperations};
use super::schema::{self, Schema};
use super::source::{self, SourceWriter};
use super::stand_in;
use super::transaction::{self, Transactions};
use super::value::{ValueWriter, write_bytes};
use crate::json::number::write_i64;
use crate::json::{base64, hexadecimal};
use crate::layout::{KeyChangeHeaders, Layout};
use crate::native::envelope::unix_millis;
use crate::record::Record;
use crate::row::{Columns, KeyValues, Merged, WriteColumn, close_object, each_column};
use crate::table::{Column, Prepared};
use crate::{Error, Operation, Stamp, TableShape, Treatment};

/// What of a column must be known to write its values.
#[derive(Clone, Debug)]
pub(crate) struct How {
    conversion: Conversion,
    /// For a large value that an update did not touch.
    unavailable: Box<[u8]>,
    /// Where a deleted row does not tell it.
    missing: Box<[u8]>,
    /// For a null.
    null: Box<[u8]>,
}

impl How {
    fn new(column: &crate::Column, options: &Options) -> Self {
        let conversion = match column.treatment {
            Treatment::Omit => Conversion::Omitted,
            _ => conversion(&column.data_type, options),
        };
        let default = default(column, &conversion);
        let null = match &default {
            Some(default) if options.nulls_to_defaults == Some(true) => default.clone(),
            _ => Box::from(&b"null"[..]),
        };
        let missing = match default {
            _ if !column.not_null => null.clone(),
            Some(default) => default,
            None => stand_in::missing(&conversion).into(),
        };
        How { unavailable: stand_in::unavailable(&column.data_type.base, &conversion, options).into(), missing, null, conversion }
    }
}

/// The JSON of a column's default, if it has one that can be told.
fn default(column: &crate::Column, conversion: &Conversion) -> Option<Box<[u8]>> {
    column_default::of_column(column.declared.default.as_deref()?, &column.data_type, conversion)
}

/// Writes the events of one database.
#[derive(Clone, Debug)]
pub(crate) struct Debezium {
    tombstones: bool,
    skipped: SkippedOperations,
    binary: BinaryHandling,
    source: SourceWriter,
    /// For messages.
    no_table: Box<[u8]>,
    transactions: Transactions,
    /// Those of what is no table's, where records have schemas.
    schemas: Option<Box<Schemas>>,
    /// The key of signs of life.
    heartbeat_key: Option<Box<[u8]>>,
    values: ValueWriter,
    key_values: KeyValues,
}

impl Debezium {
    pub(crate) fn new(database: &str, options: &Options) -> Self {
        Debezium {
            tombstones: options.tombstones,
            skipped: options.skipped,
            binary: options.binary,
            source: SourceWriter::new(database, options),
            no_table: source::place("", ""),
            transactions: Transactions::new(options.transactions),
            schemas: options.schemas.then(|| Box::new(Schemas::new(options))),
            heartbeat_key: options.heartbeats(database).map(|_| heartbeat_key(options.prefix(database))),
            values: ValueWriter::default(),
            key_values: KeyValues::default(),
        }
    }

    /// For rows of incremental snapshots.
    pub(crate) fn of_chunks(self) -> Self {
        Debezium { source: self.source.of_chunks(), ..self }
    }

    /// Makes a table ready.
    pub(crate) fn prepare(shape: &TableShape, options: &Options) -> Result<Prepared<How>, Error> {
        let prepared = Prepared::new(
            shape,
            source::place(&shape.schema, &shape.table),
            |column| (column.name.as_str().into(), How::new(column, options)),
            |how| how.conversion != Conversion::Omitted,
            write_string,
        )?;
        if !options.schemas {
            return Ok(prepared);
        }
        let field = |column: &crate::Column, how: &How, name: Cow<'_, str>| {
            let crate::Column { data_type, declared, not_null, .. } = column;
            let part = schema::of_column(data_type, &how.conversion, &declared.labels, *not_null, options)?;
            Some(part.with_default(default(column, &how.conversion)).field(name.into_owned()))
        };
        let columns = || shape.columns.iter().zip(&prepared.columns);
        let key = prepared.key.iter().filter_map(|key| {
            let (column, prepared) = columns().find(|(column, _)| column.name == *key.name)?;
            field(column, &prepared.how, shape.key_field(&key.name))
        });
        let own = shape.own_key_fields().map(|(name, _)| Schema::STRING.required().field(name));
        let key = own.chain(key);
        let row = columns().filter_map(|(column, prepared)| field(column, &prepared.how, column.name.as_str().into()));
        let TableSchemas { key, value } = TableSchemas::new(&options.topic(shape), key.collect(), row.collect());
        Ok(prepared.with_schemas(&key, value))
    }

    fn write_row<'a>(
        &mut self,
        table: &Prepared<How>,
        columns: Columns,
        values: impl Iterator<Item = Value<'a>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Debezium { key_values, values: value_writer, .. } = self;
        key_values.begin_row(table);
        let start = out.len();
        each_column(table, values, &mut RowWriter { columns, values: value_writer, key_values, out })?;
        close_object(start, out);
        Ok(())
    }

    fn finish(&mut self, operation: Operation, table: &Prepared<How>, stamp: &Stamp, record: &mut Record) -> Result<(), Error> {
        let Record { key, value: out } = record;
        self.key_values.write_key(table, out, key)?;
        self.write_tail(operation, table, stamp, out);
        Ok(())
    }

    /// Appends `source` and all that follows it.
    fn write_tail(&mut self, operation: Operation, table: &Prepared<How>, stamp: &Stamp, out: &mut Vec<u8>) {
        out.push(b',');
        self.source.write(operation, &table.head, stamp, out);
        // Of a changed key either part may be left out alone.
        let is_sent = !self.skipped.contains(operation);
        self.transactions.write_block(&table.name.dotted, is_sent, stamp.lsn, out);
        self.source.write_end(operation, stamp, out);
        self.close(out);
    }

    /// Begins a record that is no table's.
    fn open(&self, record: &mut Record, schemas: impl FnOnce(&Schemas) -> (&[u8], &[u8])) {
        let Record { key, value } = record;
        key.clear();
        value.clear();
        if let Some(all) = &self.schemas {
            let (of_key, of_value) = schemas(all);
            key.extend_from_slice(of_key);
            value.extend_from_slice(of_value);
        }
    }

    /// Ends what began with a schema.
    fn close(&self, out: &mut Vec<u8>) {
        if self.schemas.is_some() {
            out.push(b'}');
        }
    }

    fn close_both(&self, record: &mut Record) {
        self.close(&mut record.key);
        self.close(&mut record.value);
    }
}

impl Layout for Debezium {
    type How = How;

    const KEY_CHANGE_HEADERS: Option<KeyChangeHeaders> =
        Some(KeyChangeHeaders { new_key: "__debezium.newkey", old_key: "__debezium.oldkey" });

    fn skips(&self, operation: Operation) -> bool {
        self.skipped.contains(operation)
    }

    fn has_tombstones(&self) -> bool {
        self.tombstones
    }

    fn write_new_row<'a>(
        &mut self,
        operation: Operation,
        table: &Prepared<How>,
        stamp: &Stamp,
        values: impl Iterator<Item = Value<'a>>,
        record: &mut Record,
    ) -> Result<(), Error> {
        let out = &mut record.value;
        out.clear();
        out.extend_from_slice(&table.value_start);
        out.extend_from_slice(b"{\"before\":null,\"after\":");
        self.write_row(table, Columns::All, values, out)?;
        self.finish(operation, table, stamp, record)
    }

    fn write_update(
        &mut self,
        table: &Prepared<How>,
        stamp: &Stamp,
        before: Option<OldRow<'_>>,
        after: Merged<'_, '_, How>,
        record: &mut Record,
    ) -> Result<(), Error> {
        let out = &mut record.value;
        out.clear();
        out.extend_from_slice(&table.value_start);
        out.extend_from_slice(b"{\"before\":");
        match before {
            Some(old) => self.write_row(table, Columns::of(&old), old.tuple().iter(), out)?,
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"after\":");
        self.write_row(table, Columns::All, after, out)?;
        self.finish(Operation::Update, table, stamp, record)
    }

    fn write_delete(&mut self, table: &Prepared<How>, stamp: &Stamp, old: OldRow<'_>, record: &mut Record) -> Result<(), Error> {
        let out = &mut record.value;
        out.clear();
        out.extend_from_slice(&table.value_start);
        out.extend_from_slice(b"{\"before\":");
        self.write_row(table, Columns::of(&old), old.tuple().iter(), out)?;
        out.extend_from_slice(b",\"after\":null");
        self.finish(Operation::Delete, table, stamp, record)
    }

    fn write_truncate(&mut self, table: &Prepared<How>, stamp: &Stamp, value: &mut Vec<u8>) {
        value.clear();
        value.extend_from_slice(&table.value_start);
        value.extend_from_slice(b"{\"before\":null,\"after\":null");
        self.write_tail(Operation::Truncate, table, stamp, value);
    }

    fn write_message(&mut self, stamp: &Stamp, message: &LogicalMessage<'_>, record: &mut Record) {
        // To Debezium a message outside of transactions is a commit of its own, also amid the rows of another transaction.
        if stamp.txid.is_none() {
            self.source.last_commit = Some(stamp.lsn);
        }
        self.open(record, |schemas| (&schemas.message_key, &schemas.message));
        let Record { key, value: out } = record;
        key.extend_from_slice(b"{\"prefix\":");
        write_string(message.prefix.as_bytes(), key);
        key.push(b'}');

        out.extend_from_slice(b"{\"op\":\"m\",\"ts_ms\":");
        write_i64(unix_millis(stamp.written_at), out);
        out.push(b',');
        self.source.write(Operation::Message, &self.no_table, stamp, out);
        self.transactions.write_block(transaction::MESSAGES, stamp.txid.is_some(), stamp.lsn, out);
        out.extend_from_slice(b",\"message\":{\"prefix\":");
        write_string(message.prefix.as_bytes(), out);
        out.extend_from_slice(b",\"content\":");
        write_bytes(self.binary, message.content, out);
        out.extend_from_slice(b"}}");
        self.close_both(record);
    }

    fn transaction_ended(&mut self, end: Lsn) {
        self.source.last_commit = Some(end);
    }

    fn write_begin(&mut self, stamp: &Stamp, record: &mut Record) -> bool {
        self.open(record, |schemas| (&schemas.transaction_key, &schemas.transaction));
        let written = self.transactions.begin(stamp, &mut record.key, &mut record.value);
        self.close_both(record);
        written
    }

    fn write_commit(&mut self, stamp: &Stamp, record: &mut Record) -> bool {
        self.open(record, |schemas| (&schemas.transaction_key, &schemas.transaction));
        let written = self.transactions.end(stamp, &mut record.key, &mut record.value);
        self.close_both(record);
        written
    }

    fn write_heartbeat(&mut self, now: PgTime, record: &mut Record) -> bool {
        let Some(heartbeat_key) = &self.heartbeat_key else { return false };
        self.open(record, |schemas| (&schemas.heartbeat_key, &schemas.heartbeat));
        record.key.extend_from_slice(heartbeat_key);
        record.value.extend_from_slice(b"{\"ts_ms\":");
        write_i64(unix_millis(now), &mut record.value);
        record.value.push(b'}');
        self.close_both(record);
        true
    }

    fn give_back_memory(&mut self) {
        self.values.give_back_memory();
    }
}

/// Writes the columns of one row.
struct RowWriter<'r> {
    columns: Columns,
    values: &'r mut ValueWriter,
    key_values: &'r mut KeyValues,
    out: &'r mut Vec<u8>,
}

impl WriteColumn<How> for RowWriter<'_> {
    #[inline(always)]
    fn write_column(&mut self, _index: usize, column: &Column<How>, value: Value<'_>) {
        let RowWriter { columns, values, key_values, out } = self;
        let How { conversion, unavailable, missing, null } = &column.how;
        if matches!(conversion, Conversion::Omitted) {
            return;
        }
        column.field.append_to(out);
        if *columns == Columns::Identity && !column.identity {
            return out.extend_from_slice(missing);
        }
        let start = out.len();
        match value {
            Value::Text(text) => {
                if values.write(conversion, text, out).is_err() {
                    hexadecimal::write(text, out);
                }
            }
            Value::Unchanged => return out.extend_from_slice(unavailable),
            Value::Null => out.extend_from_slice(null),
            // Not asked for.
            Value::Binary(bytes) => base64::write(bytes, out),
        }
        key_values.note(column, start..out.len());
    }
}

fn heartbeat_key(prefix: &str) -> Box<[u8]> {
    let mut key = b"{\"serverName\":".to_vec();
    write_string(prefix.as_bytes(), &mut key);
    key.push(b'}');
    key.into()
}
