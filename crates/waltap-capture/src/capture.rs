//! A capture as its user sees it: made, run, watched.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use waltap_error::{Error, Result};

use crate::alarm::{Alarm, AlarmStatus, Alarms};
use crate::board::Board;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::status::CaptureStatus;
use crate::supervisor;

/// A capture that is about to run.
#[derive(Debug)]
pub struct Capture {
    options: Options,
    handle: Handle,
}

impl Capture {
    /// A capture with these options. Nothing happens before [`Capture::run`].
    pub fn new(options: Options) -> Self {
        let handle = Handle(Arc::new(Watched {
            capture: options.name.clone(),
            source: options.source.to_string(),
            start_error: Mutex::default(),
            boards: Mutex::default(),
            alarms: Alarms::default(),
            metrics: Metrics::new(),
        }));
        Capture { options, handle }
    }

    /// Shows what goes on, from before the start to after the end.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until `shutdown` turns true, or the work is done (`--snapshot only`), or no tap can go on.
    ///
    /// A tap that fails does not end the others. When none is left that can work, the first failure is the error. A stop drains: it waits a
    /// few seconds for what is in flight, acknowledges, and says goodbye to the server.
    pub async fn run(self, shutdown: watch::Receiver<bool>) -> Result<()> {
        supervisor::run(self.options, self.handle, shutdown).await
    }
}

/// A view on a capture. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    capture: String,
    source: String,
    /// Why the capture has not started yet, and what to do about it.
    start_error: Mutex<Option<(String, Option<String>)>>,
    boards: Mutex<Vec<Arc<Board>>>,
    alarms: Alarms,
    metrics: Metrics,
}

impl Handle {
    pub(crate) fn add(&self, board: Arc<Board>) {
        self.0.boards.lock().unwrap_or_else(PoisonError::into_inner).push(board);
    }

    /// Says why the capture has not started yet; `None` when it has.
    pub(crate) fn set_start_error(&self, error: Option<&Error>) {
        let told = error.map(|error| (error.report(), error.remedy_text().map(str::to_owned)));
        *self.0.start_error.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }

    pub(crate) fn boards(&self) -> Vec<Arc<Board>> {
        self.0.boards.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn alarms(&self) -> &Alarms {
        &self.0.alarms
    }

    /// The alarms that are on: those that were raised, and what the taps themselves have to say.
    fn alarms_on(&self) -> Vec<AlarmStatus> {
        let mut alarms = self.0.alarms.all();
        alarms.extend(self.boards().iter().filter_map(|board| {
            let text = board.facts().dead_letters_text.clone()?;
            Some(AlarmStatus { database: board.database().to_owned(), alarm: Alarm::DeadLetters, text })
        }));
        alarms
    }

    pub(crate) fn metrics_handle(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Where each tap stands.
    pub fn status(&self) -> CaptureStatus {
        let mut taps: Vec<_> = self.boards().iter().map(|board| board.status()).collect();
        taps.sort_by(|a, b| a.database.cmp(&b.database));
        let (error, remedy) = match &*self.0.start_error.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((error, remedy)) => (Some(error.clone()), remedy.clone()),
            None => (None, None),
        };
        CaptureStatus {
            capture: self.0.capture.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            source: self.0.source.clone(),
            ready: self.is_ready(),
            error,
            remedy,
            alarms: self.alarms_on(),
            taps,
        }
    }

    /// All metrics, as OpenMetrics text.
    pub fn metrics(&self) -> String {
        self.0.metrics.text(&self.boards(), &self.alarms_on())
    }

    /// Whether there is a tap, and every tap does what it should: streams, or reads existing rows, or waits for a first table or to take
    /// over, or rests as asked, and Kafka answers; and no alarm says otherwise.
    pub fn is_ready(&self) -> bool {
        let boards = self.boards();
        let works = |board: &Arc<Board>| {
            let facts = board.facts();
            facts.state.is_well() && facts.waits().is_none()
        };
        let is_grave = |status: &AlarmStatus| status.alarm.is_grave();
        !boards.is_empty() && boards.iter().all(works) && !self.alarms_on().iter().any(is_grave)
    }
}
