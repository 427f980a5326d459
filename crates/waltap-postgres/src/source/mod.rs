//! Where the source server is and how it wants to be spoken to: the URL, the environment's defaults, passwords and TLS options.

mod environment;
mod password;

pub use environment::Environment;
pub use password::Password;

use std::fmt;
use std::path::PathBuf;

use waltap_error::{Code, Error, Result};

use crate::connect::Sql;
use crate::replication::ReplicationConnection;

/// A PostgreSQL server, or several of which one is chosen, and the user to connect as.
#[derive(Clone, Debug)]
pub struct Source {
    database: Option<String>,
}

impl Source {
    /// Reads a `postgres://` URL or a `key=value` string as libpq does. What it leaves out is taken from the process's `PG*` variables.
    pub fn parse(text: &str) -> Result<Source> {
        Self::parse_with(text, &Environment::process())
    }

    /// As [`Source::parse`], with the given variables in place of the process's.
    pub fn parse_with(_text: &str, _environment: &Environment) -> Result<Source> {
        Err(unbuilt())
    }

    /// Takes the password from a file that holds nothing else (a line end after it is dropped). It goes before every other password.
    ///
    /// The file is read at every connection, so that a rotated password is picked up; once here, to refuse a wrong path at once.
    pub fn with_password_file(self, _path: impl Into<PathBuf>) -> Result<Source> {
        Err(unbuilt())
    }

    /// The database named in the URL or in `PGDATABASE`.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The database to ask about the server itself: the one named, or `postgres`.
    pub fn maintenance_database(&self) -> &str {
        self.database.as_deref().unwrap_or("postgres")
    }

    /// The user to connect as.
    pub fn user(&self) -> &str {
        ""
    }

    /// Opens an SQL connection to a database.
    pub async fn sql(&self, _database: &str) -> Result<Sql> {
        Err(unbuilt())
    }

    /// Opens a replication connection to a database.
    pub async fn replication(&self, _database: &str) -> Result<ReplicationConnection> {
        Err(unbuilt())
    }
}

impl fmt::Display for Source {
    /// The URL without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")
    }
}

pub(crate) fn unbuilt() -> Error {
    Error::configuration(Code::INTERNAL, "not built yet")
}
