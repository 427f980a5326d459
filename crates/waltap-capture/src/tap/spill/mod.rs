//! What waits for its commit: the changes of transactions that the server sends while they are open.
//!
//! Each has a log of its own. All logs together hold no more in memory than was allowed; beyond it the largest is written to a file. The
//! files have no names, so the disk is given back however the process ends. Nothing has to survive: a new session is sent every
//! transaction from its beginning whose commit is not confirmed. For the server (`SnapBuildXactNeedsSkip`, `restart_lsn` in
//! `LogicalIncreaseRestartDecodingForSlot`) leaves out a transaction by where it *commits*, and keeps the log from the beginning of the oldest
//! one that is open. So the slot may be confirmed beyond the beginning of a transaction that waits here, and keepalives mean the same as ever.

mod directory;
mod log;
mod replay;
#[cfg(test)]
mod tests;
mod touched;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::task::JoinHandle;
use waltap_error::{Code, Error, Result};
use waltap_ledger::Keep;
use waltap_pgoutput::Lsn;

pub(crate) use directory::check_directory;
pub(crate) use replay::{Ending, Piece, Replay, Undone};
pub(crate) use touched::Touched;

use log::Log;
use log::Write;

use crate::sabotage::{Sabotage, is_on};

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) transactions: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) disk_bytes: u64,
}

/// The transactions of one session that wait for their commit.
#[derive(Debug)]
pub(crate) struct Spill {
    directory: PathBuf,
    memory_bytes_max: usize,
    /// What the logs hold in memory together.
    memory_bytes: usize,
    /// By the id of the top-level transaction.
    logs: BTreeMap<u32, Log>,
    /// The transaction whose messages come now.
    gathering: Option<Gathering>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gathering {
    xid: u32,
    /// In a stream block, where ids stand within messages, and not between the beginning of a prepared transaction and its end.
    in_block: bool,
}

impl Spill {
    pub(crate) fn new(directory: PathBuf, memory_bytes_max: usize) -> Self {
        Spill { directory, memory_bytes_max, memory_bytes: 0, logs: BTreeMap::new(), gathering: None }
    }

    /// Whether a stream block is open.
    pub(crate) fn in_block(&self) -> bool {
        self.gathering.is_some_and(|gathering| gathering.in_block)
    }

    /// The transaction whose messages are gathered now.
    pub(crate) fn gathering(&self) -> Option<u32> {
        self.gathering.map(|gathering| gathering.xid)
    }

    /// Begins to gather messages of a transaction. One that has no log yet is given one, also when this is not said to be its first block:
    /// the server counts a block of which it had nothing to send.
    pub(crate) fn begin(&mut self, xid: u32, in_block: bool) {
        self.gathering = Some(Gathering { xid, in_block });
        self.logs.entry(xid).or_default();
    }

    /// Ends what [`Spill::begin`] began.
    pub(crate) fn end(&mut self) {
        self.gathering = None;
    }

    /// Whether memory has to be made free before more may be pushed: [`Spill::begin_write`].
    pub(crate) fn is_full(&self) -> bool {
        // With nothing in memory there is nothing to be made free.
        self.memory_bytes >= self.memory_bytes_max.max(1)
    }

    /// Appends a message of the transaction that is being gathered; `write` appends its bytes. `subxid` is the subtransaction that wrote it.
    pub(crate) fn push(&mut self, subxid: u32, lsn: Lsn, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let Some(Gathering { xid, .. }) = self.gathering else { return Err(broken("a message outside of what is gathered")) };
        let Some(log) = self.logs.get_mut(&xid) else { return Err(broken("a message of a transaction without a log")) };
        let before = log.memory_bytes();
        if subxid != xid {
            log.begin_subtransaction(subxid);
        }
        log.push(subxid, lsn, write)?;
        self.memory_bytes += log.memory_bytes() - before;
        Ok(())
    }

    /// Drops a transaction, or takes back a subtransaction. What was never gathered has nothing to be taken back: the server says so too
    /// of subtransactions of which it sent nothing. Answers what the ledger keeps for the transaction.
    pub(crate) fn abort(&mut self, xid: u32, subxid: u32) -> Result<Option<Keep>> {
        if xid == subxid {
            return Ok(self.take(xid).and_then(|log| log.held));
        }
        if let Some(log) = self.logs.get_mut(&xid).filter(|_| !is_on(Sabotage::KeepAborted)) {
            let before = log.memory_bytes();
            let undone = log.abort_subtransaction(subxid);
            self.memory_bytes = self.memory_bytes - before + log.memory_bytes();
            undone.map_err(|error| directory::failed(&self.directory, error))?;
        }
        Ok(None)
    }

    /// Keeps a transaction that is prepared until it is known what becomes of it, and with it what keeps the slot from passing the preparation.
    pub(crate) fn hold(&mut self, xid: u32, keep: Keep) {
        self.logs.entry(xid).or_default().held = Some(keep);
    }

    /// What a transaction is about; `None` when nothing of it was gathered.
    pub(crate) fn touched(&self, xid: u32) -> Option<&Touched> {
        self.logs.get(&xid).map(|log| &log.touched)
    }

    /// As [`Spill::touched`], to be added to.
    pub(crate) fn touched_mut(&mut self, xid: u32) -> Option<&mut Touched> {
        self.logs.get_mut(&xid).map(|log| &mut log.touched)
    }

    /// Whether a transaction waits for COMMIT PREPARED here.
    pub(crate) fn is_held(&self, xid: u32) -> bool {
        self.logs.get(&xid).is_some_and(|log| log.held.is_some())
    }

    /// The subtransactions of a transaction that wrote something of it and are not known to be undone.
    pub(crate) fn subtransactions(&self, xid: u32) -> Vec<u32> {
        self.logs.get(&xid).map(Log::subtransactions).unwrap_or_default()
    }

    /// Takes a transaction out, to be sent without what subtransactions wrote that are undone.
    pub(crate) fn replay(&mut self, xid: u32, ending: Ending, undone: Undone) -> Replay {
        let log = self.take(xid).unwrap_or_default();
        Replay::new(log, ending, undone, self.directory.clone())
    }

    /// Takes the memory of the largest transaction, to be written.
    pub(crate) fn begin_write(&mut self) -> Option<Write> {
        let (&xid, log) = self.logs.iter_mut().max_by_key(|(_, log)| log.memory_bytes())?;
        let write = log.begin_write(xid, self.directory.clone());
        self.memory_bytes -= write.memory_bytes();
        Some(write)
    }

    /// Takes the file back that was written.
    pub(crate) fn end_write(&mut self, written: Write) {
        if let Some(log) = self.logs.get_mut(&written.xid) {
            log.end_write(written);
        }
    }

    /// How much waits now.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting {
            transactions: self.logs.len(),
            memory_bytes: self.memory_bytes as u64,
            disk_bytes: self.logs.values().map(Log::disk_bytes).sum(),
        }
    }

    fn take(&mut self, xid: u32) -> Option<Log> {
        let log = self.logs.remove(&xid)?;
        self.memory_bytes -= log.memory_bytes();
        Some(log)
    }
}

/// Runs what blocks on a thread that may. In tests on this one, so that a run can be repeated.
pub(crate) fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match cfg!(test) {
        true => tokio::spawn(async { work() }),
        false => tokio::task::spawn_blocking(work),
    }
}

fn broken(what: &str) -> Error {
    Error::configuration(Code::INTERNAL, format!("keeping what waits for its commit: {what}"))
}
