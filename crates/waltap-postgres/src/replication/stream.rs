//! The stream of a slot: frames out of one buffer.

use std::time::Duration;

use waltap_error::Result;

use crate::source::unbuilt;

/// What [`ReplicationStream::fill`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Bytes came: take frames until there are none.
    Data,
    /// The server ended the stream: it is shutting down, or its timeline changed. No frame is left.
    Ended,
}

/// The reading half of a replication session.
///
/// ```ignore
/// while stream.fill().await? == Filled::Data {
///     while let Some(frame) = stream.next_frame()? { … }
/// }
/// ```
pub struct ReplicationStream {
    _private: (),
}

impl ReplicationStream {
    /// Waits for bytes and takes all that the kernel has, up to the size of the buffer. Cancel safe: nothing is lost when it is dropped.
    ///
    /// Frames that are still in the buffer stay. An error of the status task comes out here.
    pub async fn fill(&mut self) -> Result<Filled> {
        Err(unbuilt())
    }

    /// The payload of the next whole CopyData, without copying it and without I/O; `None` when more bytes are needed.
    ///
    /// An error that the server sent comes after the frames that it sent before. A keepalive that asks for a reply is answered and also
    /// handed out.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>> {
        Err(unbuilt())
    }

    /// Sends a last status with the last durable place, ends the stream on both sides and closes the session.
    ///
    /// What the server still sends meanwhile is thrown away: it comes again. When the deadline passes the session is cut.
    pub async fn stop(self, _deadline: Duration) -> Result<()> {
        Err(unbuilt())
    }
}
