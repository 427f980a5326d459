//! A session that is open already, shown to `tokio_postgres` as one that is about to start.
//!
//! `tokio_postgres` can only begin a session itself. So that both kinds of connections are opened and authenticated by the same code, its
//! startup message is swallowed and it is told what the server told us.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Session, Transport};

/// The transport of an open session.
pub(super) struct Resumed {
    transport: Transport,
    /// What is read before the transport is.
    replay: BytesMut,
    /// The startup message, as far as it was written.
    swallowed: Vec<u8>,
    /// Whether it was written whole.
    started: bool,
}

impl Resumed {
    pub(super) fn new(session: Session) -> Resumed {
        let mut replay = BytesMut::new();
        // AuthenticationOk.
        message(&mut replay, b'R', |body| body.put_u32(0));
        for (name, value) in &session.parameters {
            message(&mut replay, b'S', |body| {
                for text in [name, value] {
                    body.put_slice(text.as_bytes());
                    body.put_u8(0);
                }
            });
        }
        message(&mut replay, b'K', |body| {
            body.put_i32(session.backend.0);
            body.put_i32(session.backend.1);
        });
        // ReadyForQuery, outside of a transaction.
        message(&mut replay, b'Z', |body| body.put_u8(b'I'));
        let (transport, rest) = session.wire.into_parts();
        replay.put_slice(&rest);
        Resumed { transport, replay, swallowed: Vec::new(), started: false }
    }

    /// How many more bytes of the startup message are known to come; at least one until it is whole.
    fn missing(&self) -> usize {
        match self.swallowed.first_chunk::<4>() {
            None => 4 - self.swallowed.len(),
            // The length counts itself.
            Some(length) => (u32::from_be_bytes(*length) as usize).saturating_sub(self.swallowed.len()),
        }
    }
}

fn message(buffer: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    let mut content = BytesMut::new();
    body(&mut content);
    buffer.put_u8(tag);
    // Our own few parameters: far from the limit of the length.
    buffer.put_u32(u32::try_from(content.len() + 4).unwrap_or(u32::MAX));
    buffer.put_slice(&content);
}

impl AsyncRead for Resumed {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.replay.is_empty() {
            return Pin::new(&mut this.transport).poll_read(context, buffer);
        }
        let count = this.replay.len().min(buffer.remaining());
        buffer.put_slice(this.replay.get(..count).unwrap_or_default());
        this.replay.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Resumed {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.started {
            return Pin::new(&mut this.transport).poll_write(context, bytes);
        }
        let count = this.missing().min(bytes.len());
        this.swallowed.extend_from_slice(bytes.get(..count).unwrap_or_default());
        this.started = this.missing() == 0;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(context)
    }
}
