//! The standby status: what tells the server how far it may forget, and that we are alive.
//!
//! It is written by a task of its own, so that it goes on while the reader is held up: then keepalives are not read, and nothing but the
//! task's own clock keeps the server from giving us up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncWrite, AsyncWriteExt as _, WriteHalf};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use waltap_error::{Code, Error, Result};
use waltap_ledger::Durable;
use waltap_pgoutput::{Lsn, STANDBY_STATUS_BYTES, StandbyStatus, encode_standby_status};

use crate::connect::Transport;

/// How long a newer durable place may wait for company. The server does a little work for each report (it looks whether log can go), and
/// nobody is served by hearing it more often.
const CONFIRM_PAUSE: Duration = Duration::from_millis(100);

/// Tag and length of a CopyData message.
const HEADER_BYTES: usize = 5;

/// Tells the status task what to report. Cheap to clone; every method returns at once.
#[derive(Clone, Debug)]
pub struct StatusHandle {
    shared: Arc<Shared>,
    interval: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    /// Only [`StatusHandle::confirm`] writes it.
    durable: AtomicU64,
    received: AtomicU64,
    reports: AtomicU64,
    confirmed: Notify,
    asked: Notify,
}

impl StatusHandle {
    /// Notes that every event before this place is durable in the sink. Only a ledger can make one, and nothing else can move the slot.
    /// The server hears of it soon (at most every 100 ms).
    pub fn confirm(&self, durable: Durable) {
        let place = durable.lsn().0;
        // Never backwards, and no wake-up for what is known.
        if self.shared.durable.fetch_max(place, Ordering::AcqRel) < place {
            self.shared.confirmed.notify_one();
        }
    }

    /// Notes how far the log was received. It never moves the slot.
    pub fn received(&self, lsn: Lsn) {
        self.shared.received.fetch_max(lsn.0, Ordering::AcqRel);
    }

    /// Sends a status at once. The stream does it by itself when a keepalive asks for it.
    pub fn reply_now(&self) {
        self.shared.asked.notify_one();
    }

    /// How many statuses were sent.
    pub fn reports(&self) -> u64 {
        self.shared.reports.load(Ordering::Relaxed)
    }

    /// How often a status is sent at least.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

/// The running task. Dropping it ends the task without a farewell.
pub(super) struct StatusTask<W = WriteHalf<Transport>> {
    stop: Option<oneshot::Sender<()>>,
    /// `None` once its end was seen.
    task: Option<JoinHandle<Result<W>>>,
}

impl<W> Drop for StatusTask<W> {
    fn drop(&mut self) {
        // It may stand in the middle of writing to somebody who reads no more.
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl<W> StatusTask<W> {
    /// Asks for the last status and the end of our side of the stream.
    pub(super) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until the task has ended and gives back what it wrote to, once. Cancel safe.
    pub(super) async fn ended(&mut self) -> Result<W> {
        let gone = || Error::transient(Code::CONNECTION_LOST, "the standby status has ended");
        let Some(task) = &mut self.task else { return Err(gone()) };
        let ended = task.await;
        self.task = None;
        ended.unwrap_or_else(|error| Err(gone().source(error)))
    }
}

/// Starts to report.
pub(super) fn start<W>(writer: W, interval: Duration) -> (StatusHandle, StatusTask<W>)
where
    W: AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::new(Shared::default());
    let (stop, stopped) = oneshot::channel();
    let reporter = Reporter { writer, shared: Arc::clone(&shared), interval, reported: 0, last: Instant::now() };
    let task = tokio::spawn(reporter.run(stopped));
    (StatusHandle { shared, interval }, StatusTask { stop: Some(stop), task: Some(task) })
}

impl Shared {
    /// Waits until there is a newer durable place than the reported one, and the last report is long enough ago.
    async fn more_confirmed(&self, reported: u64, last: Instant) {
        while self.durable.load(Ordering::Acquire) <= reported {
            self.confirmed.notified().await;
        }
        sleep_until(last + CONFIRM_PAUSE).await;
    }
}

/// Why a status is sent.
enum Reason {
    /// It is time. The server is asked to answer, so that its silence tells something too.
    Due,
    /// Somebody asked.
    Asked,
    /// More is durable.
    Confirmed,
}

struct Reporter<W> {
    writer: W,
    shared: Arc<Shared>,
    interval: Duration,
    /// The durable place that the server knows.
    reported: u64,
    last: Instant,
}

impl<W: AsyncWrite + Unpin> Reporter<W> {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Result<W> {
        loop {
            let reason = tokio::select! {
                biased;
                stop = &mut stopped => {
                    // An error means that the stream was dropped: nobody is left to say goodbye for.
                    if stop.is_ok() {
                        self.send(Reason::Asked).await?;
                        self.finish().await?;
                    }
                    return Ok(self.writer);
                }
                () = self.shared.asked.notified() => Reason::Asked,
                () = sleep_until(self.last + self.interval) => Reason::Due,
                () = self.shared.more_confirmed(self.reported, self.last) => Reason::Confirmed,
            };
            self.send(reason).await?;
        }
    }

    async fn send(&mut self, reason: Reason) -> Result<()> {
        let durable = self.shared.durable.load(Ordering::Acquire);
        let received = self.shared.received.load(Ordering::Acquire);
        let status = encode_standby_status(&StandbyStatus {
            write: Lsn(received.max(durable)),
            flush: Lsn(durable),
            apply: Lsn(durable),
            sent_at: SystemTime::now().into(),
            reply_requested: matches!(reason, Reason::Due),
        });
        let mut frame = [0; HEADER_BYTES + STANDBY_STATUS_BYTES];
        frame[0] = b'd';
        // The length counts itself.
        frame[1..HEADER_BYTES].copy_from_slice(&(STANDBY_STATUS_BYTES as u32 + 4).to_be_bytes());
        frame[HEADER_BYTES..].copy_from_slice(&status);
        self.write(&frame).await?;
        self.shared.reports.fetch_add(1, Ordering::Relaxed);
        self.reported = durable;
        self.last = Instant::now();
        Ok(())
    }

    /// Ends our side of the stream.
    async fn finish(&mut self) -> Result<()> {
        let copy_done = [b'c', 0, 0, 0, 4];
        self.write(&copy_done).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let failed = |error| Error::transient(Code::CONNECTION_LOST, "reporting the standby status").source(error);
        self.writer.write_all(bytes).await.map_err(failed)?;
        self.writer.flush().await.map_err(failed)
    }
}
