//! What an event that cannot be written means for the tap.

use waltap_error::{Code, Error};
use waltap_event::{Failure, TableShape};

/// The error for an event of a table that cannot be written. Names the table and the column, never a value.
pub(crate) fn event_error(shape: &TableShape, error: waltap_event::Error) -> Error {
    let table = format!("{}.{}", shape.schema, shape.table);
    let doing = format!("writing an event of table {table} of database {}", shape.database);
    match &error {
        waltap_event::Error::UnknownKeyColumn { .. } => {
            Error::configuration(Code::KEY_COLUMNS, doing).remedy("correct --key: it must name columns that the table has")
        }
        waltap_event::Error::KeyNotSent { .. } => Error::data(Code::KEY_COLUMNS, doing).remedy(format!(
            "ALTER TABLE {table} REPLICA IDENTITY FULL makes the server send every column from then on; or choose key columns that are in \
             the replica identity"
        )),
        waltap_event::Error::OtherFormat => Error::configuration(Code::INTERNAL, doing),
        _ => Error::data(Code::MALFORMED_MESSAGE, doing),
    }
    .source(error)
}

/// As [`event_error`], for either side of a failure.
pub(crate) fn failure(shape: &TableShape, failure: Failure<Error>) -> Error {
    match failure {
        Failure::Event(error) => event_error(shape, error),
        Failure::Sink(error) => error,
    }
}
