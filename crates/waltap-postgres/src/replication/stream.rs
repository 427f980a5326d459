//! The stream of a slot: frames out of one buffer.

use std::time::{Duration, Instant};

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncWriteExt as _, ReadHalf};
use tokio::time::{sleep, timeout};
use waltap_error::{Code, Error, Result};

use super::StatusHandle;
use super::inbox::{Envelope, Inbox};
use super::status::StatusTask;
use super::vigil::Vigil;
use crate::connect::{CurrentSize, Flow, MessageSizes, Transport};
use crate::server_error::{Doing, Failure, ServerError, Subject};

/// What [`ReplicationStream::fill`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Bytes came: take frames until there are none.
    Data,
    /// The server ended the stream: it is shutting down. No frame is left.
    Ended,
}

/// Bytes that were read and not yet looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub bytes: usize,
    /// When the first of them came.
    pub since: Instant,
}

/// The reading half of a replication session.
///
/// ```text
/// while stream.fill().await? == Filled::Data {
///     while let Some(frame) = stream.next_frame()? { … }
/// }
/// ```
///
/// Dropping it cuts the session: the server then waits for nobody, and what was not confirmed comes again.
pub struct ReplicationStream {
    slot: String,
    reader: ReadHalf<Transport>,
    inbox: Inbox,
    status_task: StatusTask,
    status: StatusHandle,
    vigil: Vigil,
    flow: Flow,
    sizes: MessageSizes,
    /// What was read since there was no whole frame.
    waiting: Option<Waiting>,
    /// Why nothing more comes, for when what came before is taken.
    failed: Option<Error>,
    /// The server has ended its side.
    ended: bool,
}

impl ReplicationStream {
    pub(super) fn new(
        slot: String,
        reader: ReadHalf<Transport>,
        inbox: Inbox,
        status_task: StatusTask,
        status: StatusHandle,
        vigil: Vigil,
        message_size: CurrentSize,
    ) -> Self {
        let (flow, sizes) = (Flow::begun(Instant::now()), MessageSizes::new(message_size));
        ReplicationStream {
            slot,
            reader,
            inbox,
            status_task,
            status,
            vigil,
            flow,
            sizes,
            waiting: None,
            failed: None,
            ended: false,
        }
    }

    /// Waits for bytes and takes all that the kernel has, up to the size of the buffer; while much comes, a little late, so that it comes in
    /// large pieces. Cancel safe: nothing is lost when it is dropped.
    ///
    /// Frames that are still in the buffer stay. An error of the status task comes out here. After an error the stream is of no more use.
    pub async fn fill(&mut self) -> Result<Filled> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.ended {
            return Ok(Filled::Ended);
        }
        let limit = self.vigil.limit();
        let listening = self.vigil.listen();
        let lost = |what: &str| Error::transient(Code::CONNECTION_LOST, format!("streaming the slot {}: {what}", self.slot));
        tokio::select! {
            biased;
            count = self.inbox.fill(&mut self.reader) => match count {
                Ok(0) => Err(lost("the server closed the connection")),
                Ok(count) => {
                    listening.heard();
                    let now = Instant::now();
                    self.flow.note(count, now);
                    self.waiting.get_or_insert(Waiting { bytes: 0, since: now }).bytes += count;
                    Ok(Filled::Data)
                }
                Err(error) => Err(lost("the connection broke").source(error)),
            },
            failed = self.status_task.ended() => match failed {
                Err(error) => Err(error),
                Ok(_) => Err(lost("the standby status ended")),
            },
            () = sleep(listening.remaining()) => Err(lost(&format!("the server said nothing for {limit:?}"))),
        }
    }

    /// Has the next [`ReplicationStream::fill`] fail with what one has failed with already: for who takes the frames first that came before.
    pub fn put_off(&mut self, error: Error) {
        self.failed = Some(error);
    }

    /// What was read since [`ReplicationStream::next_frame`] last had nothing more.
    pub fn waiting(&self) -> Option<Waiting> {
        self.waiting
    }

    /// Whether much comes, from some ten thousand rows a second on, as a backlog does.
    pub fn flows(&self) -> bool {
        self.flow.flows()
    }

    /// The payload of the next whole CopyData, without copying it and without I/O; `None` when more bytes are needed.
    ///
    /// An error that the server sent comes after the frames that it sent before. A keepalive that asks for a reply is answered and also
    /// handed out.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>> {
        while let Some(envelope) = self.next_message()? {
            if envelope.tag == b'd' {
                self.sizes.note(self.inbox.content(envelope).len());
                if asks_for_reply(self.inbox.content(envelope)) {
                    self.status.reply_now();
                }
                return Ok(Some(self.inbox.content(envelope)));
            }
            self.control(envelope)?;
        }
        self.waiting = None;
        Ok(None)
    }

    /// Sends a last status with the last durable place, ends the stream on both sides and closes the session.
    ///
    /// What the server still sends meanwhile is thrown away: it comes again. When the deadline passes the session is cut, and the error is
    /// a transient one: whether the server took the last status is then not known, which loses nothing.
    pub async fn stop(mut self, deadline: Duration) -> Result<()> {
        self.status_task.stop();
        let slot = self.slot.clone();
        match timeout(deadline, self.say_goodbye()).await {
            Ok(done) => done,
            Err(_) => {
                let message = format!("the server did not end the stream of the slot {slot} within {deadline:?}");
                Err(Error::transient(Code::CONNECTION_LOST, message))
            }
        }
    }

    async fn say_goodbye(mut self) -> Result<()> {
        // Both at once: with full sockets on both sides neither would move without the other.
        let drain = async {
            while !self.ended {
                while let Some(envelope) = next_message(&mut self.inbox, &self.slot)? {
                    if envelope.tag != b'd' {
                        self.ended |= control(&self.inbox, envelope, &self.slot)?;
                    }
                }
                if !self.ended && self.inbox.fill(&mut self.reader).await.map_err(|error| closing(&self.slot).source(error))? == 0
                {
                    return Err(closing(&self.slot));
                }
            }
            Ok(())
        };
        let (writer, drained) = tokio::join!(self.status_task.ended(), drain);
        drained?;
        let mut farewell = BytesMut::new();
        frontend::terminate(&mut farewell);
        let mut writer = writer?;
        // The server has all it needs by now: that it hears us leave is a courtesy.
        let _ = writer.write_all(&farewell).await;
        let _ = writer.shutdown().await;
        Ok(())
    }

    fn next_message(&mut self) -> Result<Option<Envelope>> {
        next_message(&mut self.inbox, &self.slot)
    }

    fn control(&mut self, envelope: Envelope) -> Result<()> {
        self.ended |= control(&self.inbox, envelope, &self.slot)?;
        Ok(())
    }
}

fn closing(slot: &str) -> Error {
    Error::transient(Code::CONNECTION_LOST, format!("ending the stream of the slot {slot}"))
}

fn next_message(inbox: &mut Inbox, slot: &str) -> Result<Option<Envelope>> {
    inbox.next().map_err(|impossible| {
        let message = format!(
            "streaming the slot {slot}: a message of type 0x{:02x} claims to be {} bytes long",
            impossible.tag, impossible.length
        );
        Error::data(Code::MALFORMED_MESSAGE, message)
    })
}

/// Looks at a message that is not data. Says whether it ends the stream.
fn control(inbox: &Inbox, envelope: Envelope, slot: &str) -> Result<bool> {
    match envelope.tag {
        // CommandComplete: also what a server sends that is shutting down.
        b'C' => Ok(true),
        // CopyDone, after which CommandComplete follows; ReadyForQuery; ParameterStatus.
        b'c' | b'Z' | b'S' => Ok(false),
        b'N' => {
            tracing::debug!(slot, notice = %server_error(inbox, envelope), "the server says");
            Ok(false)
        }
        b'E' => {
            let error = Failure::from(server_error(inbox, envelope));
            Err(error.into_error(Doing::Streaming, format!("streaming the slot {slot}"), Subject { slot, ..Subject::default() }))
        }
        tag => {
            let message = format!("streaming the slot {slot}: a message of the unknown type 0x{tag:02x}");
            Err(Error::data(Code::MALFORMED_MESSAGE, message))
        }
    }
}

/// Reads an ErrorResponse or a NoticeResponse.
fn server_error(inbox: &Inbox, envelope: Envelope) -> ServerError {
    let content = inbox.content(envelope);
    let mut message = BytesMut::with_capacity(content.len() + 5);
    message.put_u8(b'E');
    message.put_u32(u32::try_from(content.len() + 4).unwrap_or(u32::MAX));
    message.put_slice(content);
    match Message::parse(&mut message) {
        Ok(Some(Message::ErrorResponse(body))) => ServerError::read(body.fields()),
        _ => ServerError::default(),
    }
}

/// Whether this is a keepalive whose sender wants to hear from us: tag, WAL end, time, flag.
fn asks_for_reply(frame: &[u8]) -> bool {
    matches!(frame, [b'k', .., 1] if frame.len() == 18)
}
