//! What the stream answers to who drives it.

use waltap_pgoutput::Lsn;

use crate::tap::spill::Ending;

/// What a frame needs before it can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Taken. Records may be staged.
    Done,
    /// A table's first change: resolve it, then offer the frame again.
    Unresolved(u32),
    /// A change of a table that has no snapshot yet: read it, then offer the frame again.
    NeedsSnapshot(u32),
    /// A table whose rows were not all read is emptied by the transaction that commits there, so there is nothing to be read any more: let
    /// progress say so, then offer the frame again.
    Emptied { oid: u32, commit: Lsn },
    /// The first logical message: name its topic, then offer the frame again.
    NoMessageTopic,
    /// The first message of an outbox for its topic: make [`super::Stream::wanted_topic`], then offer the frame again.
    NoOutboxTopic,
    /// There is no more memory for what waits for its commit: write some of it to the disk, then offer the frame again.
    SpillFull,
    /// Taken, and with it the end of a transaction that has waited, by its id: send it before the next frame is taken.
    Replay(u32, Ending),
    /// Taken, and with it all of a transaction that is prepared, by its id: send it before the next frame is taken, or [`super::Stream::hold`] it.
    Prepared(u32, Ending),
}

/// Where the next frame leads, without taking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// A transaction begins that commits there, or nothing more came before there.
    Reaches(Lsn),
    /// Something within a transaction, or of no place.
    Within,
}
