//! Whole messages over a transport, before and beside the stream of a slot.

use std::io;

use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::{Header, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Transport;

/// No message at start-up and no answer to a command is anywhere near this long; whoever claims so is not PostgreSQL.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The tag of the answer to START_REPLICATION, which postgres-protocol does not know.
const COPY_BOTH_TAG: u8 = b'W';

/// Tag and length of a message.
const HEADER_BYTES: usize = 5;

/// A message from the server.
pub(crate) enum Received {
    Message(Message),
    /// The stream begins.
    CopyBoth,
}

/// Reads and writes whole messages.
pub(crate) struct Wire {
    transport: Transport,
    buffer: BytesMut,
}

impl Wire {
    pub(crate) fn new(transport: Transport) -> Wire {
        Wire { transport, buffer: BytesMut::new() }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The transport, and what was read from it and not yet taken.
    pub(crate) fn into_parts(self) -> (Transport, BytesMut) {
        (self.transport, self.buffer)
    }

    /// Sends bytes at once.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.transport.write_all(bytes).await?;
        self.transport.flush().await
    }

    /// Waits for the next message. Cancel safe.
    pub(crate) async fn receive(&mut self) -> io::Result<Received> {
        loop {
            if let Some(header) = Header::parse(&self.buffer)? {
                // `Header::parse` has made sure that the length is positive.
                let length = usize::try_from(header.len()).unwrap_or(usize::MAX);
                if length > MESSAGE_BYTES_MAX {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "the server sent a message of an impossible length"));
                }
                if header.tag() == COPY_BOTH_TAG {
                    if self.buffer.len() > length {
                        self.buffer.advance(length + 1);
                        return Ok(Received::CopyBoth);
                    }
                } else if let Some(message) = Message::parse(&mut self.buffer)? {
                    return Ok(Received::Message(message));
                }
                self.buffer.reserve(length + HEADER_BYTES);
            }
            if self.transport.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
