//! Sockets: names to addresses, and a connection with TCP's watchfulness set.

use std::net::SocketAddr;
use std::path::PathBuf;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use waltap_error::{Code, Error, Result};

use super::late::Late;
use super::{Purpose, Transport, window};
use crate::source::{Address, Endpoint, TcpOptions};

/// One address of an endpoint.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// Finds the addresses of a host. A name that does not resolve is transient: it may be the resolver that is down.
pub(super) async fn resolve(endpoint: &Endpoint) -> Result<Vec<Peer>> {
    let name = match &endpoint.address {
        Address::Unix(file) => return Ok(vec![Peer::Unix(file.clone())]),
        Address::Tcp(name) => name,
    };
    let addresses = lookup_host((name.as_str(), endpoint.port)).await.map_err(|error| {
        Error::transient(Code::CONNECT, format!("the host of {endpoint} has no known address"))
            .source(error)
            .remedy("check the host's name in the source URL")
    })?;
    Ok(addresses.map(Peer::Tcp).collect())
}

/// Connects a socket.
pub(super) async fn connect(peer: &Peer, endpoint: &Endpoint, options: &TcpOptions, purpose: Purpose) -> Result<Transport> {
    let unreachable = |error| {
        Error::transient(Code::CONNECT, format!("connecting to {endpoint}"))
            .source(error)
            .remedy("check that PostgreSQL runs there, and its listen_addresses and port")
    };
    match peer {
        Peer::Unix(file) => Ok(Transport::Unix(Late::new(UnixStream::connect(file).await.map_err(unreachable)?))),
        Peer::Tcp(address) => {
            let connected = match purpose {
                Purpose::Replication { change_bytes } if window::helps(*address, change_bytes) => window::connect(*address).await,
                Purpose::Replication { .. } | Purpose::Sql => TcpStream::connect(address).await.map(|stream| (stream, false)),
            };
            let (stream, has_small_window) = connected.map_err(unreachable)?;
            watch(&stream, options).map_err(unreachable)?;
            Ok(Transport::Tcp(Late::with_window(stream, has_small_window)))
        }
    }
}

fn watch(stream: &TcpStream, options: &TcpOptions) -> std::io::Result<()> {
    // A standby status is a few bytes that must not wait for more.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if let Some(keepalive) = &options.keepalive {
        let probing = TcpKeepalive::new().with_time(keepalive.idle).with_interval(keepalive.interval);
        socket.set_tcp_keepalive(&probing.with_retries(keepalive.count))?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(options.user_timeout)?;
    Ok(())
}
