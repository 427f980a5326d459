//! From changes to records, in whatever format.

use waltap_pgoutput::{LogicalMessage, Lsn, OldRow, Tuple, Value};

use crate::layout::Layout;
use crate::record::Record;
use crate::row::{Merged, check_count, key_changed};
use crate::table::Prepared;
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
}

impl<L: Layout> Composer<L> {
    pub(crate) fn new(layout: L) -> Self {
        Composer { layout, record: Record::default(), earlier_record: Record::default() }
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
        self.record.give(sink)?;
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
            self.give_key_change(sink)?;
        } else if self.layout.skips(Operation::Update) {
            return Ok(());
        } else {
            self.layout.write_update(table, stamp, old, merged, &mut self.record)?;
            self.record.give(sink)?;
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
        self.record.give(sink)?;
        if self.layout.has_tombstones() {
            self.record.give_tombstone(None, sink)?;
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
        sink.record_to_all(&self.record.value).map_err(Failure::Sink)
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
        self.record.give(sink)?;
        self.give_back_memory();
        Ok(())
    }

    pub(crate) fn transaction_ended(&mut self, end: Lsn) {
        self.layout.transaction_ended(end);
    }

    fn give_key_change<S: RecordSink>(&self, sink: &mut S) -> Result<(), Failure<S::Error>> {
        let (deletion, creation) = (&self.earlier_record, &self.record);
        let headers = L::KEY_CHANGE_HEADERS;
        let new_key = headers.map(|headers| Header { name: headers.new_key, value: &creation.key });
        let old_key = headers.map(|headers| Header { name: headers.old_key, value: &deletion.key });
        // Either may be left out alone, as Debezium does.
        if !self.layout.skips(Operation::Delete) {
            deletion.give_with(new_key, sink)?;
            if self.layout.has_tombstones() {
                deletion.give_tombstone(new_key, sink)?;
            }
        }
        if !self.layout.skips(Operation::Create) {
            creation.give_with(old_key, sink)?;
        }
        Ok(())
    }

    fn give_back_memory(&mut self) {
        self.record.give_back_memory();
        self.earlier_record.give_back_memory();
        self.layout.give_back_memory();
    }
}
