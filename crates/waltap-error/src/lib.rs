//! The kinds and codes of every error that a user can meet.
//!
//! An [`Error`] carries three things: a [`Kind`], which decides what waltap does (retry, stop, set aside); a [`Code`], under which
//! `docs/errors/` explains it; and a message in which waltap says what it was doing and what to do now. What the other side said stays in
//! the chain of causes ([`std::error::Error::source`]) and is never pasted into the message.
//!
//! ```
//! use waltap_error::{Code, Error, Kind};
//!
//! let error = Error::configuration(Code::WAL_LEVEL, "wal_level is replica")
//!     .remedy("ALTER SYSTEM SET wal_level = logical; then restart PostgreSQL");
//! assert_eq!(error.kind(), Kind::Configuration);
//! assert_eq!(error.to_string(), "WT0007: wal_level is replica");
//! ```

mod code;

pub use code::{Code, ParseCodeError};

use std::error::Error as StdError;
use std::fmt;

/// The result of an operation that a user may have to hear about.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error means for the work: decides whether waltap goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It may pass by itself: try again with backoff, for ever, visibly.
    Transient,
    /// Somebody must change a setting, a right or a flag: stop at once and say which.
    Configuration,
    /// One event cannot be decoded or delivered: stop, and lose nothing.
    Data,
}

impl Kind {
    /// The word used for this kind in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Transient => "transient",
            Kind::Configuration => "configuration",
            Kind::Data => "data",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error that a user can meet. Cheap to move: one pointer.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    code: Code,
    message: String,
    remedy: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of the given kind. `message` says what waltap was doing, in lower case and without a full stop.
    pub fn new(kind: Kind, code: Code, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, code, message: message.into(), remedy: None, source: None }))
    }

    /// An error that may pass by itself.
    pub fn transient(code: Code, message: impl Into<String>) -> Self {
        Self::new(Kind::Transient, code, message)
    }

    /// An error that somebody must mend.
    pub fn configuration(code: Code, message: impl Into<String>) -> Self {
        Self::new(Kind::Configuration, code, message)
    }

    /// An error of one event.
    pub fn data(code: Code, message: impl Into<String>) -> Self {
        Self::new(Kind::Data, code, message)
    }

    /// Adds the cause, which stays in the chain and out of the message.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what to do now: a command, an SQL statement or a setting, ready to be copied.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// What the error means for the work.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The code of its page under `docs/errors/`.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What waltap was doing, without the code.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do now.
    pub fn remedy_text(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// The whole story on one line: code, message and every cause, parted by `: `.
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            report.push_str(": ");
            report.push_str(&error.to_string());
            cause = error.source();
        }
        report
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("remedy", &self.0.remedy)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_holds_the_chain_and_the_message_does_not() {
        let cause = std::io::Error::other("connection refused");
        let error = Error::transient(Code::CONNECT, "connecting to db:5432").source(cause);
        assert_eq!(error.to_string(), "WT0001: connecting to db:5432");
        assert_eq!(error.report(), "WT0001: connecting to db:5432: connection refused");
    }
}
