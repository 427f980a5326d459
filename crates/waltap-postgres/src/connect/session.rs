//! An open session, before it becomes one for SQL or for replication.

use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{DataRowBody, Message};
use postgres_protocol::message::frontend;
use waltap_error::{Code, Error, Result};

use super::{Received, ServerVersion, Wire};
use crate::server_error::{Doing, Failure, ServerError, Subject};
use crate::source::Role;

/// A row of an answer, as text.
pub(crate) type Row = Vec<Option<String>>;

/// An open session.
pub(crate) struct Session {
    pub(crate) wire: Wire,
    pub(crate) version: ServerVersion,
    /// What the server reported of its settings.
    pub(super) parameters: Vec<(String, String)>,
    /// The number and the secret of the server's process.
    pub(super) backend: (i32, i32),
    pub(crate) user: String,
    pub(crate) database: String,
}

impl Session {
    /// Runs a command and collects its rows. `what` says what for; `slot` is the slot that it is about, if any.
    pub(crate) async fn command(&mut self, doing: Doing, slot: &str, what: &str, command: &str) -> Result<Vec<Row>> {
        let done = self.simple_query(command).await;
        done.map_err(|failure| self.error(failure, doing, slot, what))
    }

    /// The error for a command of this session that failed.
    pub(crate) fn error(&self, failure: Failure, doing: Doing, slot: &str, what: &str) -> Error {
        failure.into_error(doing, what, Subject { user: &self.user, database: &self.database, slot })
    }

    /// The number of the server's process.
    pub(crate) fn process_id(&self) -> i32 {
        self.backend.0
    }

    /// What the server is now.
    pub(super) async fn role(&mut self) -> Result<Role> {
        let command = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only')";
        let rows = self.command(Doing::Statement, "", "asking the server for its role", command).await?;
        match rows.first().map(Vec::as_slice) {
            Some([Some(standby), Some(read_only)]) => Ok(Role { standby: standby == "t", read_only: read_only == "on" }),
            _ => Err(Error::configuration(Code::SERVER_REFUSED, "the server does not say what it is")),
        }
    }

    async fn simple_query(&mut self, command: &str) -> Result<Vec<Row>, Failure> {
        let mut request = BytesMut::new();
        frontend::query(command, &mut request)?;
        self.wire.send(&request).await?;
        let mut rows = Vec::new();
        let mut refusal = None;
        loop {
            let Received::Message(message) = self.wire.receive().await? else { return Err(unexpected().into()) };
            match message {
                Message::DataRow(row) => rows.push(text_row(&row)?),
                Message::ErrorResponse(body) => {
                    let error = ServerError::read(body.fields());
                    // After it the server closes the connection, and nothing more comes.
                    if error.is_fatal() {
                        return Err(error.into());
                    }
                    refusal = Some(error);
                }
                Message::ReadyForQuery(_) => break,
                Message::RowDescription(_)
                | Message::CommandComplete(_)
                | Message::EmptyQueryResponse
                | Message::NoticeResponse(_)
                | Message::ParameterStatus(_) => {}
                _ => return Err(unexpected().into()),
            }
        }
        refusal.map_or(Ok(rows), |error| Err(error.into()))
    }
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the server sent a message that does not belong here")
}

fn text_row(row: &DataRowBody) -> io::Result<Row> {
    let buffer = row.buffer();
    row.ranges()
        .map(|range| {
            let bytes = range.and_then(|range| buffer.get(range));
            Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
        })
        .collect()
}
