//! What can be wrong with an event.

/// An event that cannot be written. Values never are the reason: whatever a value holds, there is JSON for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A row has more or fewer values than the table has columns.
    #[error("a row has {found} values, but its table has {expected} columns")]
    ColumnCount {
        /// How many columns the table has.
        expected: usize,
        /// How many values the row has.
        found: usize,
    },
    /// The record's key needs a column whose value the server did not send. It is not part of the table's replica identity, or the server
    /// is older than the fix of February 2022 (13.6, 14.2) for large values in keys. `REPLICA IDENTITY FULL` sends it.
    #[error("the value of key column {column:?} was not sent by the server")]
    KeyNotSent {
        /// The column's name.
        column: String,
    },
    /// The key names a column that the table does not have.
    #[error("key column {column:?} is not a column of the table")]
    UnknownKeyColumn {
        /// The name that was not found.
        column: String,
    },
    /// The table was made ready for another format than the encoder's: a mistake in the program.
    #[error("the table was made ready for another format")]
    OtherFormat,
}

/// Why an event did not reach its sink.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure<SinkError> {
    /// The event cannot be written. None of its records was given to the sink.
    #[error("cannot write the event")]
    Event(#[from] Error),
    /// The sink refused a record. Records of the same event that came before it were taken.
    #[error("the sink refused a record")]
    Sink(#[source] SinkError),
}
