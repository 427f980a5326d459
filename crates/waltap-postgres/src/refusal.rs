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
