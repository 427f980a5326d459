//! An SQL session.

use std::borrow::Borrow;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};
use waltap_error::{Code, Error, Result};

use super::resumed::Resumed;
use super::{ServerVersion, Session};

/// How long a session that nobody needs any more may take to say goodbye. It waits for answers that are still under way, which for a COPY
/// that was given up may be the rest of a large table; past this the connection is cut, and the server ends the COPY.
const FAREWELL: Duration = Duration::from_secs(1);

/// An SQL session: a [`tokio_postgres::Client`] whose connection lives and ends with it.
///
/// Statements that fail are turned into waltap's errors by [`crate::sql_error`].
pub struct Sql {
    client: Client,
    version: ServerVersion,
    process_id: i32,
    is_here_over_tcp: bool,
    /// Dropped with the session, which the connection's task notices.
    _alive: oneshot::Sender<()>,
}

impl Sql {
    pub(crate) async fn new(session: Session, limit: Option<Duration>) -> Result<Sql> {
        let (version, process_id) = (session.version, session.backend.0);
        let is_here_over_tcp = session.wire.transport().is_here_over_tcp();
        let mut config = Config::new();
        // The session is encrypted and authenticated already; the name is swallowed with the startup message.
        config.ssl_mode(SslMode::Disable).user("waltap");
        let failed = |error| Error::transient(Code::CONNECT, "opening an SQL session").source(error);
        let opening = config.connect_raw(Resumed::new(session), NoTls);
        let opened = match limit {
            Some(limit) => {
                timeout(limit, opening).await.map_err(|_| Error::transient(Code::CONNECT, "opening an SQL session"))?
            }
            None => opening.await,
        };
        let (client, connection) = opened.map_err(failed)?;
        let (alive, gone) = oneshot::channel();
        tokio::spawn(drive(connection, gone));
        Ok(Sql { client, version, process_id, is_here_over_tcp, _alive: alive })
    }

    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// Whether this is a TCP connection to a server on this machine.
    pub fn is_here_over_tcp(&self) -> bool {
        self.is_here_over_tcp
    }

    /// The number of the server's process, as `pg_stat_activity` has it.
    pub fn process_id(&self) -> i32 {
        self.process_id
    }
}

/// Moves bytes for the client until it is gone or the connection is.
async fn drive(mut connection: Connection<Resumed, NoTlsStream>, gone: oneshot::Receiver<()>) {
    let mut gone = Some(gone);
    let messages = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) => {
                    tracing::debug!(severity = notice.severity(), message = notice.message(), "the server says");
                }
                Ok(_) => {}
                // Whoever waits for an answer hears of it too.
                Err(error) => {
                    tracing::debug!(%error, "an SQL session broke");
                    return;
                }
            }
        }
    };
    tokio::pin!(messages);
    tokio::select! {
        () = &mut messages => return,
        // Resolves when the session is dropped.
        _ = async { if let Some(gone) = gone.take() { let _ = gone.await; } } => {}
    }
    let _ = timeout(FAREWELL, messages).await;
}

impl Deref for Sql {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Sql {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Borrow<Client> for Sql {
    fn borrow(&self) -> &Client {
        &self.client
    }
}
