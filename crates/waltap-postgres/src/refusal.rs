//! Refused SQL statements of the catalog, publications, slots and snapshots.

use tokio_postgres::error::SqlState;
use waltap_error::Error;

use crate::server_error::{Doing, sql_error};

/// The error for a statement that failed while waltap was `doing` something.
pub(crate) fn refused(doing: impl Into<String>, error: tokio_postgres::Error) -> Error {
    sql_error(Doing::Statement, doing, error)
}

/// Whether the server answered with this SQLSTATE.
pub(crate) fn is_state(error: &tokio_postgres::Error, state: &SqlState) -> bool {
    error.code() == Some(state)
}

/// What the server said, as a cause: without the words that tokio-postgres puts before it, which say nothing more.
pub(crate) fn answer(error: tokio_postgres::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error.as_db_error() {
        Some(answer) => Box::new(answer.clone()),
        None => Box::new(error),
    }
}
