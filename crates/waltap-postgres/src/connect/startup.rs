//! The start of a session: from the startup message to the first ReadyForQuery.

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use waltap_error::{Code, Error, Result};

use super::{Purpose, Received, ServerVersion, Session, Transport, Wire, settings, tls};
use crate::server_error::{DIRECTLY, Doing, Failure, ServerError, Subject};
use crate::source::{Endpoint, Source};

/// PostgreSQL 13 is the oldest that is supported.
const OLDEST_MAJOR: u32 = 13;

/// One start of a session.
pub(super) struct Startup<'a> {
    pub(super) source: &'a Source,
    pub(super) endpoint: &'a Endpoint,
    pub(super) database: &'a str,
    pub(super) purpose: Purpose,
}

impl Startup<'_> {
    /// Says what we want and who we are, and waits until the server is ready.
    pub(super) async fn run(&self, transport: Transport) -> Result<Session> {
        let mut wire = Wire::new(transport);
        let options = settings::startup_options(self.source.options.as_deref());
        let mut parameters = vec![
            ("user", self.source.user()),
            ("database", self.database),
            ("application_name", &self.source.application_name),
            ("client_encoding", "UTF8"),
            ("options", &options),
        ];
        if matches!(self.purpose, Purpose::Replication { .. }) {
            // `database`: bound to one, as logical replication needs; also lets SQL through.
            parameters.push(("replication", "database"));
        }
        let mut request = BytesMut::new();
        frontend::startup_message(parameters, &mut request).map_err(|error| {
            Error::configuration(Code::SOURCE_URL, "a name in the source cannot be sent to PostgreSQL").source(error)
        })?;
        self.send(&mut wire, &request).await?;
        self.authenticate(&mut wire).await?;
        self.introduce(wire).await
    }

    /// Reads what the server says of itself.
    async fn introduce(&self, mut wire: Wire) -> Result<Session> {
        let mut parameters = Vec::new();
        let mut backend = (0, 0);
        loop {
            match self.message(&mut wire).await? {
                Message::ParameterStatus(body) => match (body.name(), body.value()) {
                    (Ok(name), Ok(value)) => parameters.push((name.to_owned(), value.to_owned())),
                    _ => return Err(self.unexpected()),
                },
                Message::BackendKeyData(body) => backend = (body.process_id(), body.secret_key()),
                Message::ReadyForQuery(_) => break,
                _ => return Err(self.unexpected()),
            }
        }
        let reported = parameters.iter().find(|(name, _)| name == "server_version").map_or("", |(_, value)| value.as_str());
        let version = ServerVersion::parse(reported).ok_or_else(|| self.unexpected())?;
        if version.major() < OLDEST_MAJOR {
            let message = format!("{} is PostgreSQL {version}, and waltap needs {OLDEST_MAJOR} or later", self.endpoint);
            return Err(Error::configuration(Code::SERVER_VERSION, message).remedy("upgrade the server"));
        }
        if !settings::are_taken(&parameters) {
            let message =
                format!("{} did not take the settings that were asked for: a pooler stands before the server", self.endpoint);
            return Err(Error::configuration(Code::POOLER, message).remedy(DIRECTLY));
        }
        Ok(Session {
            wire,
            version,
            parameters,
            backend,
            user: self.source.user().to_owned(),
            database: self.database.to_owned(),
        })
    }

    pub(super) async fn send(&self, wire: &mut Wire, bytes: &[u8]) -> Result<()> {
        wire.send(bytes).await.map_err(|error| tls::broken(&self.connecting(), error))
    }

    /// The next message. An error of the server's becomes ours, a notice is passed over.
    pub(super) async fn message(&self, wire: &mut Wire) -> Result<Message> {
        loop {
            let message = match wire.receive().await.map_err(|error| tls::broken(&self.connecting(), error))? {
                Received::Message(message) => message,
                Received::CopyBoth => return Err(self.unexpected()),
            };
            match message {
                Message::NoticeResponse(_) => {}
                Message::ErrorResponse(body) => {
                    let error = ServerError::read(body.fields());
                    let doing = match self.purpose {
                        Purpose::Replication { .. } => Doing::ConnectingToReplicate,
                        Purpose::Sql => Doing::Connecting,
                    };
                    let subject = Subject { user: self.source.user(), database: self.database, slot: "" };
                    return Err(Failure::from(error).into_error(doing, self.connecting(), subject));
                }
                message => return Ok(message),
            }
        }
    }

    pub(super) fn unexpected(&self) -> Error {
        Error::configuration(Code::CONNECT, format!("{} does not speak PostgreSQL's protocol as it should", self.endpoint))
            .remedy("check host and port of the source URL, and what stands between: a pooler cannot carry replication")
    }

    fn connecting(&self) -> String {
        format!("connecting to {} as {} for database {}", self.endpoint, self.source.user(), self.database)
    }
}
