//! What happened, by its letter.

/// What an event tells of: the `op` of every format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `r`: a row that was there when the snapshot was taken.
    Read,
    /// `c`: a new row.
    Create,
    /// `u`: a changed row.
    Update,
    /// `d`: a deleted row.
    Delete,
    /// `t`: an emptied table.
    Truncate,
    /// `m`: a message that a client wrote into the log.
    Message,
}

impl Operation {
    /// The letter that stands for it in events.
    pub fn letter(self) -> u8 {
        match self {
            Operation::Read => b'r',
            Operation::Create => b'c',
            Operation::Update => b'u',
            Operation::Delete => b'd',
            Operation::Truncate => b't',
            Operation::Message => b'm',
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::Read => "read",
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Truncate => "truncate",
            Operation::Message => "message",
        }
    }
}
