//! What the server said, and what it means for waltap.

use std::{fmt, io};

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::ErrorFields;
use waltap_error::{Code, Error, Kind};

/// What waltap was doing when the server refused: the same SQLSTATE means different things at different times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Connecting and authenticating for SQL.
    Connecting,
    /// Connecting and authenticating for replication.
    ConnectingToReplicate,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

impl ServerError {
    /// Reads the fields of an ErrorResponse. A field that cannot be read ends it: what came before says enough.
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> ServerError {
        let mut error = ServerError::default();
        while let Ok(Some(field)) = fields.next() {
            // Before the session is open the server may use an encoding of its own.
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                // `V` is the same word as `S`, never translated, and comes after it.
                b'S' | b'V' => error.severity = value,
                b'C' => error.sqlstate = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b'R' => error.routine = Some(value),
                _ => {}
            }
        }
        error
    }

    /// The server's own error in an error's chain of causes.
    pub fn find(error: &Error) -> Option<&ServerError> {
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }

    /// Whether the server ended the session with it.
    pub(crate) fn is_fatal(&self) -> bool {
        self.severity != "ERROR"
    }

    fn raised_by(&self, routine: &str) -> bool {
        self.routine.as_deref() == Some(routine)
    }

    /// Names of settings stand in messages as they are, in every language.
    fn mentions(&self, setting: &str) -> bool {
        self.message.contains(setting)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (SQLSTATE {})", self.severity, self.message, self.sqlstate)?;
        for more in [&self.detail, &self.hint].into_iter().flatten() {
            write!(f, "; {more}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

/// Whom a command was about, for the remedies.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) user: &'a str,
    pub(crate) database: &'a str,
    pub(crate) slot: &'a str,
}

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused it.
    Server(Box<ServerError>),
    /// The connection broke.
    Broken(io::Error),
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Failure::Server(Box::new(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Broken(error)
    }
}

impl Failure {
    /// The error for a user. `what` says what waltap was doing.
    pub(crate) fn into_error(self, doing: Doing, what: impl Into<String>, subject: Subject<'_>) -> Error {
        match self {
            Failure::Broken(error) => Error::transient(Code::CONNECTION_LOST, what).source(error),
            Failure::Server(error) => {
                let (kind, code) = meaning(doing, &error);
                let built = Error::new(kind, code, what);
                let built = match remedy(code, &error, subject) {
                    Some(remedy) => built.remedy(remedy),
                    None => built,
                };
                // Not the box: who looks for the cause looks for its own type.
                built.source(*error)
            }
        }
    }
}

/// What to do about a pooler.
pub(crate) const DIRECTLY: &str =
    "connect to PostgreSQL directly: name its own host and port in the source URL, and not the pooler's";

/// Turns a failed statement of an [`Sql`](crate::Sql) session into an error with a code. `what` says what waltap was doing, in lower case.
///
/// When the server itself refused, its [`ServerError`] is the cause.
pub fn sql_error(doing: Doing, what: impl Into<String>, error: tokio_postgres::Error) -> Error {
    if is_not_utf8(&error) {
        return Error::configuration(Code::TEXT_ENCODING, what)
            .source(error)
            .remedy("a name in the catalog is not UTF-8, which a database in SQL_ASCII allows: rename what has it");
    }
    let Some(refusal) = error.as_db_error() else {
        // Without an answer of the server's it is the connection that broke.
        return Error::transient(Code::CONNECTION_LOST, what).source(error);
    };
    let refusal = ServerError {
        severity: refusal.severity().to_owned(),
        sqlstate: refusal.code().code().to_owned(),
        message: refusal.message().to_owned(),
        detail: refusal.detail().map(str::to_owned),
        hint: refusal.hint().map(str::to_owned),
        routine: refusal.routine().map(str::to_owned),
    };
    Failure::from(refusal).into_error(doing, what, Subject::default())
}

/// Whether an answer held a text that is not UTF-8.
fn is_not_utf8(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<std::str::Utf8Error>())
}

/// What a refusal means. By SQLSTATE, then by what we were doing, then by the routine that raised it: all of which are the same in every
/// language of the server's.
fn meaning(doing: Doing, error: &ServerError) -> (Kind, Code) {
    use Kind::{Configuration, Data, Transient};
    let connecting = matches!(doing, Doing::Connecting | Doing::ConnectingToReplicate);
    let lost = if connecting { Code::CONNECT } else { Code::CONNECTION_LOST };
    match (error.sqlstate.as_str(), doing) {
        ("28P01" | "28000", _) => (Configuration, Code::AUTHENTICATION),
        // PgBouncer's words, which it does not translate. PostgreSQL has others for parameters that it does not know.
        ("08P01", _) if connecting && error.message.starts_with("unsupported startup parameter") => (Configuration, Code::POOLER),
        ("3D000", _) => (Configuration, Code::NO_DATABASE),
        ("42501", Doing::Connecting) => (Configuration, Code::AUTHENTICATION),
        ("42501", Doing::ConnectingToReplicate) if error.raised_by("CheckMyDatabase") => (Configuration, Code::AUTHENTICATION),
        ("42501", Doing::Statement) => (Configuration, Code::SERVER_REFUSED),
        ("42501", _) => (Configuration, Code::REPLICATION_RIGHT),
        ("53300", _) if error.mentions("max_wal_senders") => (Transient, Code::WAL_SENDERS),
        ("53300", _) => (Transient, if connecting { Code::CONNECT } else { Code::SERVER_REFUSED }),
        ("53400", Doing::CreatingSlot | Doing::StartingStream) => (Configuration, Code::REPLICATION_SLOTS),
        ("55000", _) if error.mentions("wal_level") => (Configuration, Code::WAL_LEVEL),
        ("55000", _) if error.mentions("max_replication_slots") => (Configuration, Code::REPLICATION_SLOTS),
        // The slot is of another kind or of another database. An invalidated one comes with the reason as its detail.
        ("55000", Doing::StartingStream) if error.raised_by("CreateDecodingContext") && error.detail.is_none() => {
            (Configuration, Code::SLOT_MOVED)
        }
        ("55000", Doing::StartingStream | Doing::Streaming) => (Configuration, Code::SLOT_INVALIDATED),
        ("55006", Doing::Statement) if !error.raised_by("ReplicationSlotAcquire") => (Transient, Code::SERVER_REFUSED),
        ("55006", _) => (Transient, Code::SLOT_IN_USE),
        ("58P01", Doing::StartingStream | Doing::Streaming) => (Configuration, Code::SLOT_INVALIDATED),
        ("42704", Doing::StartingStream | Doing::DroppingSlot) => (Configuration, Code::SLOT_DROPPED),
        ("42704", Doing::Streaming) => (Configuration, Code::PUBLICATION),
        // A text has characters that UTF-8 has not, or bytes that are none in the database's own encoding.
        ("22P05" | "22021", _) => (Data, Code::TEXT_ENCODING),
        ("42710", Doing::CreatingSlot) => (Configuration, Code::SLOT_UNKNOWN),
        ("0A000", Doing::CreatingSlot | Doing::StartingStream) if error.raised_by("CheckLogicalDecodingRequirements") => {
            (Configuration, Code::STANDBY)
        }
        (state, _) => match state.get(..2) {
            // The connection failed, or the server is starting, stopping, or was told to end the session.
            Some("08") => (Transient, lost),
            Some("57") if state.starts_with("57P") => (Transient, lost),
            // Resources, conflicts with others, locks, cancelled statements, the disk, and the server's own mishaps: all may pass.
            Some("40" | "53" | "55" | "57" | "58" | "XX") => (Transient, Code::SERVER_REFUSED),
            _ => (Configuration, Code::SERVER_REFUSED),
        },
    }
}

/// What to do, ready to be copied.
fn remedy(code: Code, error: &ServerError, subject: Subject<'_>) -> Option<String> {
    let or = |name: &str, placeholder: &str| if name.is_empty() { placeholder.to_owned() } else { quoted(name) };
    let user = or(subject.user, "<role>");
    let database = or(subject.database, "<database>");
    let slot = if subject.slot.is_empty() { "<slot>" } else { subject.slot };
    let slot = slot.replace('\'', "''");
    Some(match code {
        Code::AUTHENTICATION if error.sqlstate == "42501" => format!("GRANT CONNECT ON DATABASE {database} TO {user};"),
        Code::AUTHENTICATION if error.sqlstate == "28000" => format!(
            "check that the role exists and may log in (ALTER ROLE {user} LOGIN;), and that a line of pg_hba.conf lets it in from here"
        ),
        Code::AUTHENTICATION => format!("check the password; to set another one: ALTER ROLE {user} PASSWORD '…';"),
        Code::REPLICATION_RIGHT => format!("ALTER ROLE {user} REPLICATION;"),
        Code::NO_DATABASE => "check the name of the database: databases are listed by psql -l".to_owned(),
        Code::WAL_SENDERS => "ALTER SYSTEM SET max_wal_senders = <more>; then restart PostgreSQL".to_owned(),
        Code::REPLICATION_SLOTS => {
            "ALTER SYSTEM SET max_replication_slots = <more>; then restart PostgreSQL; or drop a slot that nobody needs: \
             SELECT slot_name, database, active FROM pg_replication_slots;"
                .to_owned()
        }
        Code::WAL_LEVEL => {
            "ALTER SYSTEM SET wal_level = logical; then restart PostgreSQL; where the source is a standby, the primary too"
                .to_owned()
        }
        Code::SLOT_IN_USE => format!(
            "another waltap may run; to see who reads the slot: SELECT a.* FROM pg_stat_activity a \
             JOIN pg_replication_slots s ON s.active_pid = a.pid WHERE s.slot_name = '{slot}';"
        ),
        Code::SLOT_INVALIDATED => format!(
            "the changes that the slot held are gone: drop it and begin with a new snapshot: \
             SELECT pg_drop_replication_slot('{slot}'); and raise max_slot_wal_keep_size"
        ),
        Code::SLOT_DROPPED => "changes since the slot was dropped are lost: begin with a new snapshot".to_owned(),
        Code::SLOT_MOVED => format!(
            "the name belongs to a slot of another kind or database; to see it: SELECT * FROM pg_replication_slots WHERE slot_name = '{slot}';"
        ),
        Code::TEXT_ENCODING => {
            "find the rows that the server cannot convert and mend them, or leave their table out with --exclude-table".to_owned()
        }
        Code::POOLER => DIRECTLY.to_owned(),
        // Not translated by the server.
        Code::SERVER_REFUSED if error.message.starts_with("could not map file") => format!(
            "if it comes at every attempt, a table was altered or truncated just when the slot was made, which PostgreSQL passes over, and what is \
             written to it since can never be decoded: SELECT pg_drop_replication_slot('{slot}'); and begin with a new snapshot: \
             --on-slot-lost resnapshot"
        ),
        Code::STANDBY => {
            "connect to the primary: target_session_attrs=primary; standbys can be read from PostgreSQL 16 on".to_owned()
        }
        _ => return None,
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use postgres_protocol::message::backend::Message;

    use super::*;

    fn error(sqlstate: &str, message: &str, routine: &str) -> ServerError {
        ServerError {
            severity: "ERROR".to_owned(),
            sqlstate: sqlstate.to_owned(),
            message: message.to_owned(),
            routine: Some(routine.to_owned()),
            ..ServerError::default()
        }
    }

    #[test]
    fn the_same_state_means_different_things() {
        let gone = error("42704", "ne existe pas", "ReplicationSlotAcquire");
        assert_eq!(meaning(Doing::StartingStream, &gone), (Kind::Configuration, Code::SLOT_DROPPED));
        assert_eq!(meaning(Doing::Streaming, &gone), (Kind::Configuration, Code::PUBLICATION));
        assert_eq!(meaning(Doing::Statement, &gone), (Kind::Configuration, Code::SERVER_REFUSED));
        let level = error("55000", "wal_level >= logical erforderlich", "CheckLogicalDecodingRequirements");
        assert_eq!(meaning(Doing::CreatingSlot, &level), (Kind::Configuration, Code::WAL_LEVEL));
        let stop = error("57P01", "terminating connection", "ProcessInterrupts");
        assert_eq!(meaning(Doing::Streaming, &stop), (Kind::Transient, Code::CONNECTION_LOST));
        let pooler = error("08P01", "unsupported startup parameter: options", "");
        assert_eq!(meaning(Doing::Connecting, &pooler), (Kind::Configuration, Code::POOLER));
        assert_eq!(meaning(Doing::Connecting, &error("08P01", "bad packet", "")), (Kind::Transient, Code::CONNECT));
        let starting = error("57P03", "the database system is starting up", "ProcessStartupPacket");
        assert_eq!(meaning(Doing::Connecting, &starting), (Kind::Transient, Code::CONNECT));
    }

    #[test]
    fn fields_are_read_and_a_broken_one_ends_them() {
        let mut bytes = bytes::BytesMut::from(&b"E\0\0\0\x26SFEHLER\0VERROR\0C42501\0Mnein\0Hdoch\0Dlost"[..]);
        let Ok(Some(Message::ErrorResponse(body))) = Message::parse(&mut bytes) else { panic!("not an error") };
        let read = ServerError::read(body.fields());
        assert_eq!((read.severity.as_str(), read.sqlstate.as_str(), read.hint.as_deref()), ("ERROR", "42501", Some("doch")));
        assert_eq!(read.to_string(), "ERROR: nein (SQLSTATE 42501); doch");
    }

    #[test]
    fn remedies_quote_names() {
        let subject = Subject { user: "o\"x", database: "d", slot: "s" };
        let denied = error("42501", "", "InitPostgres");
        let shown = Failure::from(denied).into_error(Doing::ConnectingToReplicate, "connecting", subject);
        assert_eq!((shown.code(), shown.remedy_text()), (Code::REPLICATION_RIGHT, Some("ALTER ROLE \"o\"\"x\" REPLICATION;")));
        assert!(ServerError::find(&shown).is_some());
        let undecodable =
            error("XX000", "could not map filenumber \"base/16386/16988\" to relation OID", "ReorderBufferProcessTXN");
        let shown = Failure::from(undecodable).into_error(Doing::Streaming, "streaming", subject);
        assert_eq!((shown.kind(), shown.code()), (Kind::Transient, Code::SERVER_REFUSED));
        assert!(shown.remedy_text().is_some_and(|remedy| remedy.contains("pg_drop_replication_slot('s')")));
    }
}
