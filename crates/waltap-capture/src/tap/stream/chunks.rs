//! Rows of chunks between the changes, and what is noted of the changes for them.

use std::sync::Arc;

use waltap_error::{Code, Error, Result};
use waltap_event::{Encoder, Stamp};
use waltap_pgoutput::{Lsn, OldRow, Tuple};

use super::{KeptForKeys, Stream, Taken};
use crate::event_error::failure;
use crate::sink::{Account, Outgoing};
use crate::tap::chunks::{Row, Rows, Touch};
use crate::tap::tables::Found;

impl Stream {
    /// Notes a change that was taken, if its table is read in chunks.
    pub(super) fn noted(&mut self, taken: Taken, oid: u32, old: Option<OldRow<'_>>, new: Option<Tuple<'_>>) -> Result<Taken> {
        if self.watch.is_idle() || taken != Taken::Done {
            return Ok(taken);
        }
        let Some(commit) = self.open.map(|open| open.begin.final_lsn) else { return Ok(taken) };
        if let Found::Captured(table) = self.tables.find(oid)? {
            let shape = Arc::clone(&table.shape);
            if self.watch.touch(&Touch { oid, old, new, commit }, &shape) && self.kept_for_keys.is_none() {
                self.kept_for_keys = Some(KeptForKeys { keep: self.ledger.keep(commit), commit });
            }
        }
        Ok(taken)
    }

    /// Whether everything that committed before a place was taken, and nothing is half taken.
    pub(crate) fn has_passed(&self, lsn: Lsn) -> bool {
        self.open.is_none() && self.received >= lsn && self.streamed.spill.gathering().is_none()
    }

    /// Lets the slot pass the changes whose keys progress knows now.
    pub(crate) fn release_keys(&mut self) {
        if self.open.is_none()
            && let Some(kept) = self.kept_for_keys.take()
        {
            self.ledger.release(kept.keep);
        }
    }

    /// Sends a row of a chunk. Records may be staged then.
    pub(crate) fn send_chunk_row(&mut self, encoder: &mut Encoder, rows: &mut Rows, row: &Row) -> Result<()> {
        let table = Arc::clone(&rows.table);
        let parsed = rows.parser.parse(&row.line).map_err(|error| {
            Error::data(Code::SNAPSHOT, format!("reading a row of {}", table.table.display_name())).source(error)
        })?;
        // With what was told since it stands right behind that, where nothing else does.
        let lsn = row.told.as_ref().map_or(rows.high, |told| Lsn(told.commit.0 + 1).max(rows.high));
        let stamp = Stamp::snapshot(lsn, self.now, self.now);
        let mut out =
            Outgoing::new(&self.sink, &table.topic, Account::Snapshot(rows.counted.number()), &mut self.staged).at(&stamp);
        let told = |column| row.told.as_ref().and_then(|told| told.value(column));
        let values = parsed.iter().enumerate().map(|(column, value)| told(column).unwrap_or(value));
        encoder.snapshot_row(&table.prepared, &stamp, values, &mut out).map_err(|error| failure(&table.shape, error))?;
        rows.rows += 1;
        rows.records += out.records;
        let bytes = out.bytes;
        rows.bytes += bytes;
        self.note_foreign(bytes);
        Ok(())
    }

    /// Tells the version of a table before the rows of a chunk.
    pub(crate) fn tell_chunk_version(&mut self, rows: &mut Rows) -> Result<()> {
        let table = Arc::clone(&rows.table);
        let Some((topic, version)) = &table.version else { return Ok(()) };
        let stamp = Stamp::snapshot(rows.high, self.now, self.now);
        let mut out = Outgoing::new(&self.sink, topic, Account::Snapshot(rows.counted.number()), &mut self.staged).at(&stamp);
        version.send(&stamp, &mut out)?;
        rows.records += out.records;
        let bytes = out.bytes;
        self.note_foreign(bytes);
        Ok(())
    }

    /// Notes that there is something to be committed, though nothing was sent.
    pub(crate) fn note_progress(&mut self) {
        self.note_foreign(1);
    }

    /// Counts bytes that are of no transaction, though one may be open.
    fn note_foreign(&mut self, bytes: u64) {
        self.bytes += bytes;
        if let Some(open) = &mut self.open {
            open.bytes_before += bytes;
        }
    }
}
