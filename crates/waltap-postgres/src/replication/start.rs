//! From a session for commands to a stream.

use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;

use super::inbox::Inbox;
use super::vigil::Vigil;
use super::{ReplicationConnection, ReplicationStream, StatusHandle, command, sender_timeout, status};
use crate::connect::{CurrentSize, Received};
use crate::server_error::{Doing, Failure, ServerError};

/// However patient the server is, a status goes out this often, so that it shows on the server what we have.
const STATUS_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// How many statuses fit into `wal_sender_timeout`: two may be late before the server gives us up.
const STATUSES_PER_TIMEOUT: u32 = 3;

/// More often than this a status is a burden and no help.
const STATUS_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// What to stream.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// The slot to read.
    pub slot: String,
    /// The publications to read; at least one.
    pub publications: Vec<String>,
    /// Where to start. The server starts at the slot's confirmed position when that is later.
    pub from: Lsn,
    /// Whether `pg_logical_emit_message` is sent too: PostgreSQL 14 and later; left out before.
    pub messages: bool,
    /// Whether large transactions are sent while they are open: PostgreSQL 14 and later; left out before.
    pub streaming: bool,
    /// Whether transactions are sent when they are prepared: PostgreSQL 15 and later; left out before. It makes a slot of two phases out of
    /// one that is not, for good: the server then sends it so whether it is asked for or not.
    pub two_phase: bool,
    /// How often a standby status is sent at least. `None`: a third of the server's `wal_sender_timeout`, at most 10 s. Never longer than
    /// that, whatever is given.
    pub status_interval: Option<Duration>,
}

impl ReplicationConnection {
    /// Starts to stream. The session becomes the two halves of the stream; the status half runs in a task of its own from now on.
    pub async fn start(mut self, options: StartOptions) -> Result<(ReplicationStream, StatusHandle)> {
        let what = format!("starting to stream the slot {}", options.slot);
        let sender_timeout = self.settle_sender_timeout().await?;
        let interval = status_interval(sender_timeout, options.status_interval);
        if options.streaming && !command::streams_open_transactions(self.version()) {
            tracing::info!(
                slot = options.slot,
                "PostgreSQL 13 sends no transaction before its commit: large ones wait on the server"
            );
        }
        let command = command::start(&options, options.from, self.version());
        let started = self.begin_stream(&command).await;
        started.map_err(|failure| self.session.error(failure, Doing::StartingStream, &options.slot, &what))?;
        tracing::debug!(
            slot = options.slot,
            from = %options.from,
            wal_sender_timeout = ?sender_timeout,
            status_interval = ?interval,
            "streaming"
        );
        let vigil = Vigil::new(sender_timeout, self.version());
        let (mut transport, rest) = self.session.wire.into_parts();
        let message_size = CurrentSize::default();
        if let Err(error) = transport.gather(message_size.clone()) {
            tracing::warn!(slot = options.slot, %error, "reading the stream as it comes, which is slower");
        }
        let (reader, writer) = tokio::io::split(transport);
        let (handle, task) = status::start(writer, interval);
        let stream = ReplicationStream::new(options.slot, reader, Inbox::new(&rest), task, handle.clone(), vigil, message_size);
        Ok((stream, handle))
    }

    /// The server's `wal_sender_timeout` for this session, after it was set where the server's own does not suit; `None` when it is off.
    async fn settle_sender_timeout(&mut self) -> Result<Option<Duration>> {
        let what = "reading the setting wal_sender_timeout";
        // As a number of milliseconds, which SHOW would dress up.
        let command = "SELECT setting, source FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
        let rows = self.session.command(Doing::Statement, "", what, command).await?;
        let odd = || Error::configuration(Code::SERVER_REFUSED, format!("{what}: the answer is not understood"));
        let Some([Some(millis), Some(source), ..]) = rows.first().map(Vec::as_slice) else { return Err(odd()) };
        let millis: u64 = millis.parse().map_err(|error: std::num::ParseIntError| odd().source(error))?;
        let setting = (millis > 0).then(|| Duration::from_millis(millis));
        let Some(own) = sender_timeout::own(setting, sender_timeout::CHOSEN.contains(&source.as_str())) else {
            return Ok(setting);
        };
        let set = format!("SET wal_sender_timeout = {}", own.as_millis());
        match self.session.command(Doing::Statement, "", "setting wal_sender_timeout", &set).await {
            Ok(_) => {
                tracing::info!(server = ?setting, own = ?own, "the stream has a wal_sender_timeout of its own");
                Ok(Some(own))
            }
            Err(error) if error.code() == Code::CONNECTION_LOST => Err(error),
            Err(error) => {
                tracing::debug!(error = error.report(), "the server keeps its own wal_sender_timeout");
                Ok(setting)
            }
        }
    }

    async fn begin_stream(&mut self, command: &str) -> Result<(), Failure> {
        let mut request = BytesMut::new();
        frontend::query(command, &mut request)?;
        let wire = &mut self.session.wire;
        wire.send(&request).await?;
        loop {
            match wire.receive().await? {
                Received::CopyBoth => return Ok(()),
                Received::Message(Message::NoticeResponse(_) | Message::ParameterStatus(_)) => {}
                Received::Message(Message::ErrorResponse(body)) => {
                    return Err(ServerError::read(body.fields()).into());
                }
                Received::Message(_) => {
                    let what = "the server answered START_REPLICATION with something else than a stream";
                    return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what).into());
                }
            }
        }
    }
}

/// How often a status is sent at least.
fn status_interval(sender_timeout: Option<Duration>, wanted: Option<Duration>) -> Duration {
    let longest = sender_timeout.map_or(STATUS_INTERVAL_MAX, |timeout| STATUS_INTERVAL_MAX.min(timeout / STATUSES_PER_TIMEOUT));
    wanted.map_or(longest, |wanted| longest.min(wanted)).max(STATUS_INTERVAL_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_never_passes_a_third_of_the_servers_patience() {
        let seconds = Duration::from_secs;
        assert_eq!(status_interval(Some(seconds(60)), None), seconds(10));
        assert_eq!(status_interval(Some(seconds(6)), None), seconds(2));
        assert_eq!(status_interval(Some(seconds(6)), Some(seconds(5))), seconds(2));
        assert_eq!(status_interval(Some(seconds(6)), Some(seconds(1))), seconds(1));
        assert_eq!(status_interval(None, None), seconds(10));
        assert_eq!(status_interval(Some(Duration::from_millis(1)), None), STATUS_INTERVAL_MIN);
    }
}
