//! The stream of bytes under a session, whatever it goes through.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::gathering::{Gathering, ON_UNIX_SOCKET};
use super::late::Late;
use super::message_sizes::CurrentSize;
use super::window;

/// The stream of bytes under a session.
pub(crate) enum Transport {
    Tcp(Late<TcpStream>),
    Unix(Late<UnixStream>),
    /// Boxed: the TLS state is large beside a bare socket.
    Tls(Box<TlsStream<Late<TcpStream>>>),
}

impl Transport {
    /// Whether it is a TCP connection to a server on this machine.
    pub(super) fn is_here_over_tcp(&self) -> bool {
        let peer = match self {
            Transport::Tcp(stream) => stream.peer_addr(),
            Transport::Tls(stream) => stream.get_ref().0.peer_addr(),
            Transport::Unix(_) => return false,
        };
        peer.is_ok_and(window::is_here)
    }

    /// From now on, lets what is to be read come together while much comes.
    pub(crate) fn gather(&mut self, messages: CurrentSize) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => stream.gather_packets(messages),
            Transport::Unix(stream) => {
                stream.gather(Gathering::new(ON_UNIX_SOCKET, messages)?);
                Ok(())
            }
            Transport::Tls(stream) => stream.get_mut().0.gather_packets(messages),
        }
    }
}

/// Calls the method of whichever stream it is.
macro_rules! each {
    ($transport:expr, $stream:ident => $call:expr) => {
        match $transport.get_mut() {
            Transport::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Transport::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Transport::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(context))
    }
}
