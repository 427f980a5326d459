//! A transaction that has waited for its commit, piece by piece, in the order in which it came.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;
use waltap_error::{Code, Error, Result};
use waltap_ledger::Keep;
use waltap_pgoutput::{Begin, Commit, Lsn};

use super::log::{HEADER_BYTES, LENGTH_BYTES, Log, XID_BYTES};
use super::{blocking, directory};

/// How much of a transaction is in memory at once when it is sent: enough for a batch of many hundreds of rows, little beside the memory of a
/// tap. One message may be longer.
const PIECE_BYTES: usize = 512 * 1024;

/// How a transaction ends that was sent before its end was known: as if it had come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) begin: Begin,
    pub(crate) commit: Commit,
    /// What the ledger keeps for it, if it was prepared and waited.
    pub(crate) held: Option<Keep>,
}

/// Subtransactions of which something was gathered, and that were rolled back without the server saying so.
pub(crate) type Undone = HashSet<u32>;

/// Whole records of a transaction.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Vec<u8>,
    undone: Arc<Undone>,
}

impl Piece {
    /// Place and message of what is not undone. Relations and types count in any case: the server does not send them again when it does not
    /// say that something is undone.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Lsn, &[u8])> {
        let is_kept = |subxid, message: &[u8]| !self.undone.contains(&subxid) || matches!(message.first(), Some(b'R' | b'Y'));
        records(&self.bytes).filter_map(move |(subxid, lsn, message)| is_kept(subxid, message).then_some((lsn, message)))
    }
}

/// A file, and what was read of it.
type ReadPiece = (File, Vec<u8>);

/// A transaction that is being sent.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) ending: Ending,
    undone: Arc<Undone>,
    directory: PathBuf,
    file: Option<File>,
    file_bytes: u64,
    /// How much of the file was read.
    read: u64,
    /// What comes after the file, and how much of it was taken.
    memory: Vec<u8>,
    taken: usize,
    reading: Option<JoinHandle<Result<ReadPiece>>>,
}

impl Replay {
    pub(super) fn new(log: Log, ending: Ending, undone: Undone, directory: PathBuf) -> Self {
        let (file, file_bytes, memory, held) = log.into_parts();
        let ending = Ending { held, ..ending };
        Replay { ending, undone: Arc::new(undone), directory, file, file_bytes, read: 0, memory, taken: 0, reading: None }
    }

    /// How much of it is still on the disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The next piece, of whole records; `None` at the end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>> {
        let bytes = self.next_bytes().await?;
        Ok(bytes.map(|bytes| Piece { bytes, undone: Arc::clone(&self.undone) }))
    }

    async fn next_bytes(&mut self) -> Result<Option<Vec<u8>>> {
        if self.read < self.file_bytes {
            return self.read_piece().await.map(Some);
        }
        // The disk is given back before the end is sent.
        self.file = None;
        self.file_bytes = 0;
        self.read = 0;
        let rest = self.memory.get(self.taken..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let length = whole_records(rest).max(first_record(rest).min(rest.len()));
        let piece = rest.get(..length).unwrap_or(rest).to_vec();
        self.taken += piece.len();
        Ok(Some(piece))
    }

    async fn read_piece(&mut self) -> Result<Vec<u8>> {
        let reading = match &mut self.reading {
            Some(reading) => reading,
            None => {
                let Some(file) = self.file.take() else { return Err(broken()) };
                let (place, end) = (self.read, self.file_bytes);
                let directory = self.directory.clone();
                let read = move || match read_records(&file, place, end) {
                    Ok(piece) => Ok((file, piece)),
                    Err(error) => Err(directory::failed(&directory, error)),
                };
                self.reading.insert(blocking(read))
            }
        };
        let read = reading.await;
        self.reading = None;
        let (file, piece) =
            read.map_err(|error| Error::configuration(Code::INTERNAL, "reading a spilled transaction broke").source(error))??;
        if piece.is_empty() || !is_whole(&piece) {
            return Err(broken());
        }
        self.file = Some(file);
        self.read += piece.len() as u64;
        Ok(piece)
    }
}

/// Whether these are records from their first byte to their last: a disk may give back other bytes than it was given, such as zeros.
fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rest.split_at_checked(first_record(rest)) {
            Some((record, after)) if record.len() >= HEADER_BYTES => rest = after,
            _ => return false,
        }
    }
    true
}

fn broken() -> Error {
    Error::configuration(Code::INTERNAL, "a spilled transaction does not read as it was written")
}

/// Reads whole records from `place` on, at least one.
fn read_records(file: &File, place: u64, end: u64) -> std::io::Result<Vec<u8>> {
    let left = usize::try_from(end - place).unwrap_or(usize::MAX);
    let mut piece = vec![0; PIECE_BYTES.min(left)];
    file.read_exact_at(&mut piece, place)?;
    let first = first_record(&piece);
    if first > piece.len() {
        piece.resize(first.min(left), 0);
        file.read_exact_at(&mut piece, place)?;
        return Ok(piece);
    }
    piece.truncate(whole_records(&piece));
    Ok(piece)
}

/// How long the first record is; 0 when its length is not there.
fn first_record(bytes: &[u8]) -> usize {
    bytes.first_chunk::<LENGTH_BYTES>().map_or(0, |length| LENGTH_BYTES + u32::from_be_bytes(*length) as usize)
}

/// How many bytes the records take that are whole and fit into a piece.
fn whole_records(bytes: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let next = first_record(bytes.get(length..).unwrap_or_default());
        if next == 0 || length + next > bytes.len().min(PIECE_BYTES) {
            return length;
        }
        length += next;
    }
}

/// The records of a piece: who wrote it, place and message.
fn records(piece: &[u8]) -> impl Iterator<Item = (u32, Lsn, &[u8])> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let (record, after) = rest.split_at_checked(first_record(rest))?;
        rest = after;
        let (header, message) = record.split_first_chunk::<HEADER_BYTES>()?;
        let (head, lsn) = header.split_last_chunk::<8>()?;
        let (_, subxid) = head.split_last_chunk::<XID_BYTES>()?;
        Some((u32::from_be_bytes(*subxid), Lsn(u64::from_be_bytes(*lsn)), message))
    })
}
