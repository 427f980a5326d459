//! From a [`Source`] to an open session: sockets, TLS, start-up and authentication.

mod alarm;
mod authentication;
mod channel_binding;
mod flow;
mod gathering;
mod late;
mod message_sizes;
mod resumed;
mod server_name;
mod session;
mod settings;
mod socket;
mod sql;
mod startup;
mod tls;
mod tls_config;
mod transport;
mod verifier;
mod version;
mod window;
mod wire;

pub use sql::Sql;
pub use version::ServerVersion;

pub(crate) use flow::Flow;
pub(crate) use message_sizes::{CurrentSize, MessageSizes};
pub(crate) use session::Session;
pub(crate) use transport::Transport;
pub(crate) use wire::{Received, Wire};

use std::time::Duration;

use tokio::time::timeout;
use waltap_error::{Code, Error, Kind, Result};

use crate::server_error::ServerError;
use crate::source::{Address, Endpoint, Role, SessionTarget, Source, SslMode};
use socket::Peer;
use tls::Encryption;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// SQL statements.
    Sql,
    /// Replication commands, and changes of so many bytes on average, if that is known.
    Replication { change_bytes: Option<u64> },
}

/// Opens a session on the first server of the source that answers and is what `target_session_attrs` asks for.
///
/// A server that cannot be reached, or is starting or full, makes way for the next one. Any other refusal ends the search, as in libpq:
/// a wrong password is wrong for the others too, and trying them all would only lock the account.
pub(crate) async fn open(source: &Source, database: &str, purpose: Purpose) -> Result<Session> {
    let mut last = None;
    for &target in source.target.rounds() {
        for endpoint in &source.endpoints {
            match open_endpoint(source, endpoint, database, purpose, target).await {
                Ok(session) => return Ok(session),
                Err(error) if error.kind() == Kind::Transient => {
                    tracing::debug!(server = %endpoint, error = %error.report(), "this server cannot be used");
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    let last = last.unwrap_or_else(|| Error::configuration(Code::SOURCE_URL, "the source names no server"));
    match source.endpoints.len() {
        0 | 1 => Err(last),
        count => {
            Err(Error::transient(Code::CONNECT, format!("none of the {count} servers of {source} can be used")).source(last))
        }
    }
}

/// Tries every address of a host.
async fn open_endpoint(
    source: &Source,
    endpoint: &Endpoint,
    database: &str,
    purpose: Purpose,
    target: SessionTarget,
) -> Result<Session> {
    let peers = within(source.connect_timeout, endpoint, socket::resolve(endpoint)).await?;
    let mut last = None;
    for peer in peers {
        // Boxed: the whole handshake is a large state that is needed for a moment only.
        let attempt = Box::pin(open_peer(source, endpoint, &peer, database, purpose, target));
        match within(source.connect_timeout, endpoint, attempt).await {
            Err(error) if error.kind() == Kind::Transient => last = Some(error),
            done => return done,
        }
    }
    Err(last.unwrap_or_else(|| Error::transient(Code::CONNECT, format!("the host of {endpoint} has no address"))))
}

/// Tries one address, encrypted and plain in the order that `sslmode` asks for.
async fn open_peer(
    source: &Source,
    endpoint: &Endpoint,
    peer: &Peer,
    database: &str,
    purpose: Purpose,
    target: SessionTarget,
) -> Result<Session> {
    let attempts: &[Encryption] = match (&endpoint.address, source.tls.mode) {
        // PostgreSQL has no TLS on unix sockets, and libpq leaves sslmode out of account there.
        (Address::Unix(_), _) | (_, SslMode::Disable) => &[Encryption::Plain],
        (_, SslMode::Allow) => &[Encryption::Plain, Encryption::Required],
        (_, SslMode::Prefer) => &[Encryption::Offered, Encryption::Plain],
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => &[Encryption::Required],
    };
    let mut last = None;
    for &encryption in attempts {
        let stream = socket::connect(peer, endpoint, &source.tcp, purpose).await?;
        let opened = match tls::encrypt(stream, source, endpoint, encryption).await {
            Ok(transport) => {
                let startup = startup::Startup { source, endpoint, database, purpose };
                startup.run(transport).await
            }
            Err(error) => Err(error),
        };
        match opened {
            Ok(session) => return accept(session, endpoint, target).await,
            Err(error) if encryption_matters(&error) => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::configuration(Code::TLS, format!("{endpoint} was not tried"))))
}

/// Whether the same server may take us with encryption if it refused us without, or the other way round.
fn encryption_matters(error: &Error) -> bool {
    // 28000: no line of pg_hba.conf fits. A wrong password has a code of its own.
    error.code() == Code::TLS || ServerError::find(error).is_some_and(|error| error.sqlstate == "28000")
}

/// Makes sure that the server is what is asked for, and puts the last settings in place.
async fn accept(mut session: Session, endpoint: &Endpoint, target: SessionTarget) -> Result<Session> {
    if target != SessionTarget::Any {
        let role: Role = session.role().await?;
        if !target.accepts(role) {
            let message = format!("{endpoint} is not what target_session_attrs={} asks for", target.as_str());
            return Err(Error::transient(Code::CONNECT, message));
        }
    }
    settings::complete(&mut session).await?;
    Ok(session)
}

async fn within<T>(limit: Option<Duration>, endpoint: &Endpoint, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(limit) = limit else { return work.await };
    match timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::transient(Code::CONNECT, format!("{endpoint} did not answer within {limit:?}"))),
    }
}
