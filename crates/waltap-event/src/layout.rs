//! What a format is: how each event of it is written.

use waltap_pgoutput::{LogicalMessage, Lsn, OldRow, PgTime, Value};

use crate::record::Record;
use crate::row::Merged;
use crate::table::Prepared;
use crate::{Error, Operation, Stamp};

/// Writes the events of one format. Which records a change becomes, and in what order, is the business of
/// [`Composer`](crate::composer::Composer).
///
/// Each method writes a whole record into buffers whose former content is dropped. On an error what is in them is of no use.
pub(crate) trait Layout {
    /// What of a column must be known to write its values.
    type How;

    /// The names of the headers of the records that a change of a key becomes: on the deletion and its tombstone the new key, on the
    /// creation the old one. None: they have no headers.
    const KEY_CHANGE_HEADERS: Option<KeyChangeHeaders>;

    /// Whether events of this operation are left out.
    fn skips(&self, operation: Operation) -> bool;

    /// Whether a delete is followed by a record with the same key and no value, by which Kafka's compaction forgets the key.
    fn has_tombstones(&self) -> bool;

    /// A row that is new to the reader: `r` or `c`.
    fn write_new_row<'a>(
        &mut self,
        operation: Operation,
        table: &Prepared<Self::How>,
        stamp: &Stamp,
        values: impl Iterator<Item = Value<'a>>,
        record: &mut Record,
    ) -> Result<(), Error>;

    /// An update that did not change the key. `before` is what the server sent of the old row.
    fn write_update(
        &mut self,
        table: &Prepared<Self::How>,
        stamp: &Stamp,
        before: Option<OldRow<'_>>,
        after: Merged<'_, '_, Self::How>,
        record: &mut Record,
    ) -> Result<(), Error>;

    /// A deleted row.
    fn write_delete(
        &mut self,
        table: &Prepared<Self::How>,
        stamp: &Stamp,
        old: OldRow<'_>,
        record: &mut Record,
    ) -> Result<(), Error>;

    /// An emptied table. It has no key.
    fn write_truncate(&mut self, table: &Prepared<Self::How>, stamp: &Stamp, value: &mut Vec<u8>);

    /// A message that a client wrote into the log.
    fn write_message(&mut self, stamp: &Stamp, message: &LogicalMessage<'_>, record: &mut Record);

    /// Hears that a transaction is over, whether or not any of its events were written, and where its commit ends.
    fn transaction_ended(&mut self, _end: Lsn) {}

    /// Writes the record that says that a transaction begins. False, and nothing: the format has none.
    fn write_begin(&mut self, _stamp: &Stamp, _record: &mut Record) -> bool {
        false
    }

    /// Writes the record that says that a transaction is over. False, and nothing: the format has none.
    fn write_commit(&mut self, _stamp: &Stamp, _record: &mut Record) -> bool {
        false
    }

    /// Writes the record that says that the capture is alive. False, and nothing: the format has none.
    fn write_heartbeat(&mut self, _now: PgTime, _record: &mut Record) -> bool {
        false
    }

    /// Gives back what memory was needed for something large.
    fn give_back_memory(&mut self);
}

/// See [`Layout::KEY_CHANGE_HEADERS`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyChangeHeaders {
    pub(crate) new_key: &'static str,
    pub(crate) old_key: &'static str,
}
