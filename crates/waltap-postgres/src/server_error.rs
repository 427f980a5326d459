//! What the server said, and what it means for waltap.

use std::fmt;

use waltap_error::{Code, Error};

/// What waltap was doing when the server refused: the same SQLSTATE means different things at different times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Connecting and authenticating.
    Connecting,
    /// Creating a replication slot.
    CreatingSlot,
    /// Dropping a replication slot.
    DroppingSlot,
    /// Starting the stream of a slot.
    StartingStream,
    /// Reading the stream of a slot.
    Streaming,
    /// Running any other statement.
    Statement,
}

/// An error as the server reported it: the cause under a [`waltap_error::Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// The five characters of the SQLSTATE.
    pub sqlstate: String,
    /// The message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What the server suggests.
    pub hint: Option<String>,
    /// The function in the server's source that raised it: unlike the message it is never translated.
    pub routine: Option<String>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (SQLSTATE {})", self.severity, self.message, self.sqlstate)?;
        if let Some(detail) = &self.detail {
            write!(f, "; {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

/// Turns a failed statement of an [`Sql`](crate::Sql) session into an error with a code. `what` says what waltap was doing, in lower case.
pub fn sql_error(doing: Doing, what: impl Into<String>, error: tokio_postgres::Error) -> Error {
    let _ = doing;
    Error::transient(Code::CONNECTION_LOST, what).source(error)
}
