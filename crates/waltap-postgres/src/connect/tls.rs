//! Asking a server for TLS.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use waltap_error::{Code, Error, Result};

use super::late::Late;
use super::{Transport, tls_config};
use crate::source::{Endpoint, Source, SslMode};

/// How much one attempt to connect insists on TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// None.
    Plain,
    /// TLS if the server has it.
    Offered,
    /// TLS or nothing.
    Required,
}

/// Turns a connected socket into the transport that is wanted.
pub(super) async fn encrypt(
    transport: Transport,
    source: &Source,
    endpoint: &Endpoint,
    encryption: Encryption,
) -> Result<Transport> {
    let stream = match transport {
        Transport::Tcp(stream) if encryption != Encryption::Plain => stream,
        plain => return Ok(plain),
    };
    let tls = source.tls.clone();
    // In a thread of its own: files are read, and the system's store has hundreds of them. Read at every connection, so that renewed
    // certificates are picked up.
    let config = tokio::task::spawn_blocking(move || tls_config::build(&tls))
        .await
        .map_err(|error| Error::transient(Code::INTERNAL, "reading the certificates").source(error))??;
    if source.tls.direct {
        return handshake(stream, config, source, endpoint).await;
    }
    match ask(stream, endpoint).await? {
        (stream, true) => handshake(stream, config, source, endpoint).await,
        (stream, false) if encryption == Encryption::Offered => Ok(Transport::Tcp(stream)),
        (_, false) => Err(Error::configuration(Code::TLS, format!("{endpoint} does not offer TLS, which sslmode asks for"))
            .remedy("set ssl = on and a certificate on the server, or sslmode=prefer in the source URL")),
    }
}

/// Sends the SSLRequest and reads the one byte of the answer. Never more than that: what follows must come through TLS, and plain bytes that
/// somebody put between must not be taken for it (CVE-2021-23222).
async fn ask(mut stream: Late<TcpStream>, endpoint: &Endpoint) -> Result<(Late<TcpStream>, bool)> {
    let broken = |error: io::Error| Error::transient(Code::CONNECT, format!("asking {endpoint} for TLS")).source(error);
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(broken)?;
    match stream.read_u8().await.map_err(broken)? {
        b'S' => Ok((stream, true)),
        b'N' => Ok((stream, false)),
        // The server failed before it could say either; what it says is not to be trusted before authentication.
        b'E' => Err(Error::transient(Code::CONNECT, format!("{endpoint} answered the request for TLS with an error"))),
        _ => Err(Error::configuration(Code::CONNECT, format!("{endpoint} does not speak PostgreSQL's protocol"))
            .remedy("check host and port of the source URL")),
    }
}

async fn handshake(stream: Late<TcpStream>, config: ClientConfig, source: &Source, endpoint: &Endpoint) -> Result<Transport> {
    let name = match ServerName::try_from(endpoint.host.clone()) {
        Ok(name) => name,
        Err(error) if source.tls.mode == SslMode::VerifyFull => {
            let message = format!("a certificate cannot be checked against the host name of {endpoint}");
            return Err(Error::configuration(Code::TLS, message).source(error));
        }
        // Nobody looks at the name, so the address will do.
        Err(_) => match stream.peer_addr() {
            Ok(address) => ServerName::from(address.ip()),
            Err(error) => return Err(Error::transient(Code::CONNECT, format!("connecting to {endpoint}")).source(error)),
        },
    };
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Transport::Tls(Box::new(stream))),
        Err(error) => Err(broken(&format!("the TLS handshake with {endpoint}"), error)),
    }
}

/// The error for a transport that broke before the session was open. What TLS itself complains about does not pass by waiting.
pub(super) fn broken(what: &str, error: io::Error) -> Error {
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) else {
        return Error::transient(Code::CONNECT, what).source(error);
    };
    let remedy = match cause {
        rustls::Error::InvalidCertificate(cause) => tls_config::certificate_remedy(cause),
        rustls::Error::AlertReceived(_) => {
            "the server refused our side of the handshake: check sslcert and sslkey, and the server's ssl_ca_file and pg_hba.conf"
        }
        _ => "check that the server's certificate and TLS versions are current: TLS 1.2 is the oldest that is spoken",
    };
    Error::configuration(Code::TLS, what).source(error).remedy(remedy)
}
