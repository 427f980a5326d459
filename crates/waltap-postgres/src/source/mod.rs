//! Where the source server is and how it wants to be spoken to: the URL, the environment's defaults, passwords and TLS options.

mod credentials;
mod endpoint;
mod environment;
mod parameters;
mod password;
mod password_file;
mod session_target;
mod text;
mod tls;

pub use environment::Environment;
pub use password::Password;

pub(crate) use endpoint::{Address, Endpoint};
pub(crate) use session_target::{Role, SessionTarget};
pub(crate) use tls::{Authorities, ChannelBinding, SslMode, TlsOptions};

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use waltap_error::Result;

use crate::connect::{self, Purpose, Sql};
use crate::replication::ReplicationConnection;
use credentials::Credentials;
use parameters::{Parameters, invalid};

/// How long one server may take to answer before the next is tried, unless `connect_timeout` says otherwise.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// TCP's own probing of a silent connection, by default: a host that vanished is noticed within a minute.
const DEFAULT_KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const DEFAULT_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const DEFAULT_KEEPALIVE_COUNT: u32 = 3;

/// How long sent bytes may go unacknowledged by the other host, by default. Probing stops while bytes are under way, and there nearly
/// always are some, because a standby status goes out every few seconds; without this the kernel would try for a quarter of an hour.
const DEFAULT_USER_TIMEOUT: Duration = Duration::from_secs(60);

/// The name of our connections where the source has none.
const DEFAULT_APPLICATION_NAME: &str = "waltap";

/// How much of a host's name there is room for in the 63 bytes of a connection's, beside a capture's of 24 and a process's.
const HOST_CHARACTERS_MAX: usize = 20;

/// A PostgreSQL server, or several of which one is chosen, and the user to connect as.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) target: SessionTarget,
    pub(crate) tls: TlsOptions,
    pub(crate) tcp: TcpOptions,
    /// `None`: for ever.
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) application_name: String,
    /// Settings that the user wants for our sessions; ours come after them.
    pub(crate) options: Option<String>,
    user: String,
    database: Option<String>,
    credentials: Credentials,
}

/// How TCP watches over the connection.
#[derive(Clone, Debug)]
pub(crate) struct TcpOptions {
    /// `None`: no probing.
    pub(crate) keepalive: Option<Keepalive>,
    /// `None`: the operating system's.
    pub(crate) user_timeout: Option<Duration>,
}

/// TCP's probing of a silent connection.
#[derive(Clone, Debug)]
pub(crate) struct Keepalive {
    pub(crate) idle: Duration,
    pub(crate) interval: Duration,
    pub(crate) count: u32,
}

impl Source {
    /// Reads a `postgres://` URL or a `key=value` string as libpq does. What it leaves out is taken from the process's `PG*` variables.
    pub fn parse(text: &str) -> Result<Source> {
        Self::parse_with(text, &Environment::process())
    }

    /// As [`Source::parse`], with the given variables in place of the process's.
    pub fn parse_with(text: &str, environment: &Environment) -> Result<Source> {
        let parameters = Parameters::new(text::read(text)?, environment)?;
        let user = parameters.get("user").or_else(|| environment.system_user());
        let user =
            user.ok_or_else(|| invalid("the source names no user").remedy("write it into the URL: postgres://user@host"))?;
        let name = parameters.get("application_name").or_else(|| parameters.get("fallback_application_name"));
        let connect_timeout = parameters.duration("connect_timeout", Duration::from_secs(1))?;
        Ok(Source {
            endpoints: Endpoint::list(&parameters)?,
            target: SessionTarget::read(&parameters)?,
            tls: TlsOptions::read(&parameters)?,
            tcp: TcpOptions::read(&parameters)?,
            connect_timeout: Some(connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT)).filter(|limit| !limit.is_zero()),
            application_name: name.unwrap_or(DEFAULT_APPLICATION_NAME).to_owned(),
            options: parameters.get("options").map(str::to_owned),
            user: user.to_owned(),
            database: parameters.get("dbname").map(str::to_owned),
            credentials: Credentials::read(&parameters),
        })
    }

    /// Takes the password from a file that holds nothing else (a line end after it is dropped). It goes before every other password.
    ///
    /// The file is read at every connection, so that a rotated password is picked up; once here, to refuse a wrong path at once.
    pub fn with_password_file(mut self, path: impl Into<PathBuf>) -> Result<Source> {
        let path = path.into();
        credentials::read_alone(&path)?;
        self.credentials.file = Some(path);
        Ok(self)
    }

    /// The database named in the source or in `PGDATABASE`.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The database to ask about the server itself: the one named, or `postgres`.
    pub fn maintenance_database(&self) -> &str {
        self.database.as_deref().unwrap_or("postgres")
    }

    /// Tells the server by the name of our connections which capture they are of, and which process: unless the source names them.
    pub fn with_process_name(mut self, capture: &str) -> Source {
        if self.application_name == DEFAULT_APPLICATION_NAME {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let host = if host.trim().is_empty() { "host" } else { host.trim() };
            // The server cuts off what is too long: the process must be in it.
            let host: String = host.chars().filter(char::is_ascii).take(HOST_CHARACTERS_MAX).collect();
            self.application_name = format!("{}/{host}/{}", self.application_name_of(capture), std::process::id());
        }
        self
    }

    fn application_name_of(&self, capture: &str) -> String {
        format!("{DEFAULT_APPLICATION_NAME}/{capture}")
    }

    /// How the names of a capture's connections begin, of whichever process. Where the source itself names them all have that name.
    pub fn reader_names(&self, capture: &str) -> String {
        let own = format!("{}/", self.application_name_of(capture));
        match self.application_name.starts_with(&own) || self.application_name == DEFAULT_APPLICATION_NAME {
            true => own,
            false => self.application_name.clone(),
        }
    }

    /// The user to connect as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Opens an SQL session in a database.
    pub async fn sql(&self, database: &str) -> Result<Sql> {
        let session = connect::open(self, database, Purpose::Sql).await?;
        Sql::new(session, self.connect_timeout).await
    }

    /// Opens a session for replication commands in a database.
    pub async fn replication(&self, database: &str) -> Result<ReplicationConnection> {
        self.replication_of_changes(database, None).await
    }

    /// The same, for changes of which it is known beforehand how many bytes one has on average. How they are best read is partly settled when the
    /// connection is made.
    pub async fn replication_of_changes(&self, database: &str, change_bytes: Option<u64>) -> Result<ReplicationConnection> {
        let session = connect::open(self, database, Purpose::Replication { change_bytes }).await?;
        Ok(ReplicationConnection::new(session))
    }

    /// The password for a server, if there is one.
    pub(crate) fn password(&self, endpoint: &Endpoint, database: &str) -> Result<Option<Password>> {
        self.credentials.password(endpoint, database, &self.user)
    }
}

impl fmt::Display for Source {
    /// The URL: user, hosts and database, and never the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@", self.user)?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            write!(f, "{}{endpoint}", if index == 0 { "" } else { "," })?;
        }
        self.database.as_ref().map_or(Ok(()), |database| write!(f, "/{database}"))
    }
}

impl TcpOptions {
    fn read(parameters: &Parameters<'_>) -> Result<TcpOptions> {
        let second = Duration::from_secs(1);
        // As in libpq 0 stands for the default.
        let or = |given: Option<Duration>, default| given.filter(|given| !given.is_zero()).unwrap_or(default);
        let idle = or(parameters.duration("keepalives_idle", second)?, DEFAULT_KEEPALIVE_IDLE);
        let interval = or(parameters.duration("keepalives_interval", second)?, DEFAULT_KEEPALIVE_INTERVAL);
        let count = parameters.number("keepalives_count")?.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
        let wanted = parameters.choice("keepalives", &[("0", false), ("1", true)], true)?;
        let user_timeout = parameters.duration("tcp_user_timeout", Duration::from_millis(1))?;
        Ok(TcpOptions {
            keepalive: wanted.then_some(Keepalive { idle, interval, count: count.unwrap_or(DEFAULT_KEEPALIVE_COUNT) }),
            user_timeout: Some(user_timeout.unwrap_or(DEFAULT_USER_TIMEOUT)).filter(|limit| !limit.is_zero()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse_with(text, &Environment::empty()).unwrap()
    }

    #[test]
    fn the_password_is_nowhere_to_be_seen() {
        let source = source("postgres://ann:secret@db:5433,[::1]/shop?password=secret");
        assert_eq!(source.to_string(), "postgres://ann@db:5433,[::1]:5432/shop");
        assert!(!format!("{source:?}").contains("secret"), "{source:?}");
        let environment = Environment::empty().with("PGPASSWORD", "secret");
        assert!(!format!("{environment:?}").contains("secret"));
    }

    #[test]
    fn the_environment_fills_the_gaps() {
        let environment = Environment::empty()
            .with("PGHOST", "db")
            .with("PGPORT", "7")
            .with("PGUSER", "ann")
            .with("PGDATABASE", "shop")
            .with("PGPASSWORD", "secret")
            .with("PGSSLMODE", "verify-full")
            .with("PGAPPNAME", "mine");
        let source = Source::parse_with("", &environment).unwrap();
        assert_eq!(source.to_string(), "postgres://ann@db:7/shop");
        assert_eq!((source.tls.mode, source.application_name.as_str()), (SslMode::VerifyFull, "mine"));
        let password = source.password(&source.endpoints[0], "shop").unwrap();
        assert_eq!(password.unwrap().reveal(), "secret");
        let source = Source::parse_with("postgres://bob@other", &environment).unwrap();
        assert_eq!(source.to_string(), "postgres://bob@other:7/shop");
    }

    #[test]
    fn defaults() {
        let source = source("postgres://ann@db");
        assert_eq!((source.database(), source.maintenance_database()), (None, "postgres"));
        assert_eq!((source.tls.mode, source.application_name.as_str()), (SslMode::Prefer, "waltap"));
        assert_eq!(source.connect_timeout, Some(DEFAULT_CONNECT_TIMEOUT));
        assert!(Source::parse_with("postgres://db", &Environment::empty()).is_err(), "there is no user");
    }

    #[test]
    fn values_that_do_not_go_together_are_refused() {
        let refused = |rest: &str| Source::parse_with(&format!("postgres://u@h?{rest}"), &Environment::empty()).is_err();
        assert!(refused("sslrootcert=system&sslmode=require"));
        assert!(refused("sslnegotiation=direct"));
        assert!(refused("sslmode=on"));
        assert!(refused("connect_timeout=soon"));
        assert!(refused("sslcert=/x"));
        assert_eq!(source("postgres://u@h?sslrootcert=system").tls.mode, SslMode::VerifyFull);
        assert_eq!(source("postgres://u@h?connect_timeout=0").connect_timeout, None);
    }
}
