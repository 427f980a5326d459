//! The log of one transaction: its messages in the order in which they came, the older ones in a file, the newer ones in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use waltap_error::{Code, Error, Result};
use waltap_ledger::Keep;
use waltap_pgoutput::Lsn;

use super::{Touched, directory};

/// Before each message: the length of what follows, ...
pub(super) const LENGTH_BYTES: usize = 4;
/// ... the subtransaction that wrote it, ...
pub(super) const XID_BYTES: usize = 4;
/// ... and its place in the log of the server.
pub(super) const HEADER_BYTES: usize = LENGTH_BYTES + XID_BYTES + 8;

#[derive(Debug, Default)]
pub(super) struct Log {
    file: Option<File>,
    file_bytes: u64,
    /// What comes after the file. Whole records, as in the file.
    memory: Vec<u8>,
    /// Where the first message of each subtransaction stands: as a list, in the order of their places, ...
    subtransactions: Vec<(u32, u64)>,
    /// ... and by id.
    places: HashMap<u32, u64>,
    /// With `--two-phase` alone.
    pub(super) touched: Touched,
    pub(super) held: Option<Keep>,
}

impl Log {
    /// The end: where the next record will stand.
    fn end(&self) -> u64 {
        self.file_bytes + self.memory.len() as u64
    }

    /// What its messages take in memory: what was asked for, since that is what the process takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory.capacity()
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.file_bytes
    }

    pub(super) fn push(&mut self, subxid: u32, lsn: Lsn, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let start = self.memory.len();
        self.memory.extend_from_slice(&[0; LENGTH_BYTES]);
        self.memory.extend_from_slice(&subxid.to_be_bytes());
        self.memory.extend_from_slice(&lsn.0.to_be_bytes());
        write(&mut self.memory);
        let length = self.memory.len() - start - LENGTH_BYTES;
        // PostgreSQL's messages end at 1 GiB.
        let length = u32::try_from(length).map_err(|error| {
            Error::data(Code::MALFORMED_MESSAGE, "a message of the stream is longer than any can be").source(error)
        })?;
        if let Some(place) = self.memory.get_mut(start..start + LENGTH_BYTES) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    /// Notes where a subtransaction begins, if it is new.
    pub(super) fn begin_subtransaction(&mut self, subxid: u32) {
        // Most messages are of the same one as the message before.
        if self.subtransactions.last().is_some_and(|(last, _)| *last == subxid) || self.places.contains_key(&subxid) {
            return;
        }
        let place = self.end();
        self.subtransactions.push((subxid, place));
        self.places.insert(subxid, place);
    }

    /// The subtransactions that wrote something and are not known to be undone.
    pub(super) fn subtransactions(&self) -> Vec<u32> {
        self.subtransactions.iter().map(|(subxid, _)| *subxid).collect()
    }

    /// Cuts the log off before the first message of a subtransaction.
    ///
    /// All that stands behind that message is taken back with it. Messages come in the order of the server's log. A session writes in its
    /// innermost subtransaction, so from the first change of a subtransaction to its end there are only changes of its own and of
    /// subtransactions within it, which are undone with it, released or not. And its abort is decoded before anything that was written after
    /// it; if it is sent, then before that too. The relations and types among these messages may go as well: on any abort that it sends the
    /// server forgets what shapes it has sent within the transaction (`cleanup_rel_sync_cache` in `pgoutput_stream_abort`), and sends them again
    /// before the next change.
    ///
    /// Not every abort is sent. The server sends that of a subtransaction which it knows to have sent changes of, and it does not note that of
    /// one that it had to write to its own disk, with more changes than it reads back at once (`nentries_mem` is 0 in `ReorderBufferTruncateTXN`
    /// then; seen up to PostgreSQL 18). What is undone unsaid stays here, with the id of who wrote it, and is left out when it is read: see
    /// [`super::Undone`].
    pub(super) fn abort_subtransaction(&mut self, subxid: u32) -> io::Result<()> {
        // A subtransaction within one that was taken back before it is gone already.
        let Some(&place) = self.places.get(&subxid) else { return Ok(()) };
        while let Some((last, _)) = self.subtransactions.pop_if(|(_, start)| *start >= place) {
            self.places.remove(&last);
        }
        match place.checked_sub(self.file_bytes) {
            Some(kept) => self.memory.truncate(usize::try_from(kept).unwrap_or(usize::MAX)),
            None => {
                self.memory = Vec::new();
                self.file_bytes = place;
                if let Some(file) = &self.file {
                    file.set_len(place)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn begin_write(&mut self, xid: u32, directory: PathBuf) -> Write {
        let bytes = std::mem::take(&mut self.memory);
        Write { xid, directory, file: self.file.take(), place: self.file_bytes, bytes }
    }

    pub(super) fn end_write(&mut self, written: Write) {
        self.file = written.file;
        self.file_bytes = written.place + written.bytes.len() as u64;
    }

    /// The file and how long it is, and what comes after it.
    pub(super) fn into_parts(self) -> (Option<File>, u64, Vec<u8>, Option<Keep>) {
        (self.file, self.file_bytes, self.memory, self.held)
    }
}

/// A part of a log on its way to its file.
#[derive(Debug)]
pub(crate) struct Write {
    pub(super) xid: u32,
    directory: PathBuf,
    file: Option<File>,
    place: u64,
    bytes: Vec<u8>,
}

impl Write {
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Writes, and gives itself back for [`super::Spill::end_write`]. Blocks.
    pub(crate) fn run(mut self) -> Result<Write> {
        match self.write() {
            Ok(file) => {
                self.file = Some(file);
                Ok(self)
            }
            Err(error) => Err(directory::failed(&self.directory, error)),
        }
    }

    fn write(&mut self) -> io::Result<File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&self.directory)?,
        };
        // At its place, since an abort may have cut the file shorter than what was written last.
        file.write_all_at(&self.bytes, self.place)?;
        Ok(file)
    }
}
