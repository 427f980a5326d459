//! From changes to records, in whatever format.

use waltap_pgoutput::{LogicalMessage, Lsn, OldRow, PgTime, Tuple, Value};

use crate::headers::{HeaderList, HeaderSet, HeaderWriter};
use crate::layout::Layout;
use crate::record::Record;
use crate::row::{Merged, check_count, key_changed};
use crate::table::{Prepared, TableName};
use crate::{Failure, Header, Operation, RecordSink, Stamp};

/// Has a layout write each event, and gives the records to a sink.
///
/// It allocates nothing for a row once its buffers have grown. Each event is written whole before its first record is given away, so that an
/// event that cannot be written leaves nothing behind.
#[derive(Clone, Debug)]
pub(crate) struct Composer<L> {
    layout: L,
    record: Record,
    /// The first record of an event that has two.
    earlier_record: Record,
    headers: Option<HeaderWriter>,
}

impl<L: Layout> Composer<L> {
    pub(crate) fn new(layout: L) -> Self {
        Composer { layout, record: Record::default(), earlier_record: Record::default(), headers: None }
    }

    /// With another layout.
    pub(crate) fn map(self, change: impl FnOnce(L) -> L) -> Self {
        Composer { layout: change(self.layout), ..self }
    }

    pub(crate) fn with_headers(self, set: HeaderSet, database: &str) -> Self {
        Composer { headers: (set != HeaderSet::None).then(|| HeaderWriter::new(set, database)), ..self }
    }

    /// `r` or `c`.
    pub(crate) fn new_row<'a, S: RecordSink>(
        &mut self,
        operation: Operation,
        table: &Prepared<L::How>,
        stamp: &Stamp,
        values: impl Iterator<Item = Value<'a>>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        if self.layout.skips(operation) {
            return Ok(());
        }
        self.layout.write_new_row(operation, table, stamp, values, &mut self.record)?;
        self.give(operation, Some(&table.name), stamp, sink)?;
        self.give_back_memory();
        Ok(())
    }

    /// `u`; or, when the key has changed, `d` for the old key and `c` for the new one.
    pub(crate) fn update<S: RecordSink>(
        &mut self,
        table: &Prepared<L::How>,
        stamp: &Stamp,
        old: Option<OldRow<'_>>,
        new: Tuple<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        check_count(table, new)?;
        if let Some(old) = &old {
            check_count(table, old.tuple())?;
        }
        let merged = Merged::new(table, old, new);
        if let Some(old) = old.filter(|old| key_changed(table, old, new)) {
            self.layout.write_delete(table, stamp, old, &mut self.earlier_record)?;
            self.layout.write_new_row(Operation::Create, table, stamp, merged, &mut self.record)?;
            self.give_key_change(&table.name, stamp, sink)?;
        } else if self.layout.skips(Operation::Update) {
            return Ok(());
        } else {
            self.layout.write_update(table, stamp, old, merged, &mut self.record)?;
            self.give(Operation::Update, Some(&table.name), stamp, sink)?;
        }
        self.give_back_memory();
        Ok(())
    }

    /// `d`.
    pub(crate) fn delete<S: RecordSink>(
        &mut self,
        table: &Prepared<L::How>,
        stamp: &Stamp,
        old: OldRow<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        check_count(table, old.tuple())?;
        if self.layout.skips(Operation::Delete) {
            return Ok(());
        }
        self.layout.write_delete(table, stamp, old, &mut self.record)?;
        self.give(Operation::Delete, Some(&table.name), stamp, sink)?;
        if self.layout.has_tombstones() {
            self.record.give_tombstone(&[], sink)?;
        }
        self.give_back_memory();
        Ok(())
    }

    /// `t`.
    pub(crate) fn truncate<S: RecordSink>(
        &mut self,
        table: &Prepared<L::How>,
        stamp: &Stamp,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        if self.layout.skips(Operation::Truncate) {
            return Ok(());
        }
        self.layout.write_truncate(table, stamp, &mut self.record.value);
        self.record.key.clear();
        let headers = headers(&mut self.headers, Operation::Truncate, Some(&table.name), stamp, &self.record);
        sink.record_to_all(&self.record.value, headers.as_slice()).map_err(Failure::Sink)
    }

    /// `m`.
    pub(crate) fn message<S: RecordSink>(
        &mut self,
        stamp: &Stamp,
        message: &LogicalMessage<'_>,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        if self.layout.skips(Operation::Message) {
            return Ok(());
        }
        self.layout.write_message(stamp, message, &mut self.record);
        self.give(Operation::Message, None, stamp, sink)?;
        self.give_back_memory();
        Ok(())
    }

    pub(crate) fn transaction_ended(&mut self, end: Lsn) {
        self.layout.transaction_ended(end);
    }

    /// What some formats write at the beginning of a transaction.
    pub(crate) fn begin<S: RecordSink>(&mut self, stamp: &Stamp, sink: &mut S) -> Result<(), Failure<S::Error>> {
        if self.layout.write_begin(stamp, &mut self.record) { self.record.give(&[], sink) } else { Ok(()) }
    }

    /// What some formats write at the end of a transaction.
    pub(crate) fn commit<S: RecordSink>(&mut self, stamp: &Stamp, sink: &mut S) -> Result<(), Failure<S::Error>> {
        if self.layout.write_commit(stamp, &mut self.record) { self.record.give(&[], sink) } else { Ok(()) }
    }

    /// What some formats write from time to time.
    pub(crate) fn heartbeat<S: RecordSink>(&mut self, now: PgTime, sink: &mut S) -> Result<(), Failure<S::Error>> {
        if self.layout.write_heartbeat(now, &mut self.record) { self.record.give(&[], sink) } else { Ok(()) }
    }

    fn give<S: RecordSink>(
        &mut self,
        operation: Operation,
        table: Option<&TableName>,
        stamp: &Stamp,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        if self.headers.is_none() {
            return self.record.give(&[], sink);
        }
        let headers = headers(&mut self.headers, operation, table, stamp, &self.record);
        self.record.give(headers.as_slice(), sink)
    }

    fn give_key_change<S: RecordSink>(
        &mut self,
        table: &TableName,
        stamp: &Stamp,
        sink: &mut S,
    ) -> Result<(), Failure<S::Error>> {
        let (deletion, creation) = (&self.earlier_record, &self.record);
        let of_format = L::KEY_CHANGE_HEADERS;
        let new_key = of_format.map(|names| Header { name: names.new_key, value: &creation.key, is_json: true });
        let old_key = of_format.map(|names| Header { name: names.old_key, value: &deletion.key, is_json: true });
        // Either may be left out alone, as Debezium does.
        if !self.layout.skips(Operation::Delete) {
            let mut of_deletion = headers(&mut self.headers, Operation::Delete, Some(table), stamp, deletion);
            new_key.into_iter().for_each(|header| of_deletion.push(header));
            deletion.give(of_deletion.as_slice(), sink)?;
            if self.layout.has_tombstones() {
                deletion.give_tombstone(new_key.as_slice(), sink)?;
            }
        }
        if !self.layout.skips(Operation::Create) {
            let mut of_creation = headers(&mut self.headers, Operation::Create, Some(table), stamp, creation);
            old_key.into_iter().for_each(|header| of_creation.push(header));
            creation.give(of_creation.as_slice(), sink)?;
        }
        Ok(())
    }

    fn give_back_memory(&mut self) {
        self.record.give_back_memory();
        self.earlier_record.give_back_memory();
        self.layout.give_back_memory();
        if let Some(headers) = &mut self.headers {
            headers.give_back_memory();
        }
    }
}

/// The headers of a record, if records have any.
fn headers<'a>(
    writer: &'a mut Option<HeaderWriter>,
    operation: Operation,
    table: Option<&TableName>,
    stamp: &Stamp,
    record: &Record,
) -> HeaderList<'a> {
    let Some(writer) = writer else { return HeaderList::default() };
    writer.write(operation, table, stamp, record);
    writer.list()
}
