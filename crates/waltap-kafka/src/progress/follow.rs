//! Following the topic: what is there, and then what comes.

use std::time::{Duration, Instant};

use rdkafka::message::Message;
use tokio::sync::mpsc;
use waltap_error::{Code, Error, Result};

use super::{Entries, PARTITION, ProgressTopic, read_through};
use crate::inquiry::blocking;
use crate::options::Options;
use crate::read::{Reader, Step};

/// How many entries one batch has at most, and how many batches wait. Who follows wants few of the topic's keys, and small values.
const BATCH_ENTRIES_MAX: usize = 256;
const BATCHES_MAX: usize = 4;

/// How long the reading thread waits for records before it looks whether anybody still listens. Not shorter: the last part of a millisecond of each
/// round rdkafka spends turning in a circle.
const ROUND: Duration = Duration::from_secs(1);

/// A key with its new value; `None` when it was deleted.
pub type NewEntry = (Vec<u8>, Option<Vec<u8>>);

/// What comes to a progress topic. Dropping it ends the reading.
#[derive(Debug)]
pub struct Follower {
    batches: mpsc::Receiver<Result<Vec<NewEntry>>>,
}

impl ProgressTopic {
    /// The latest value of each key that is wanted, and a follower of what comes behind that: nothing is lost between the two.
    ///
    /// It sees everything at once, whatever becomes of the Kafka transaction that wrote it: an open one of somebody else would hide the
    /// rest for minutes. So what counts only when it is committed must not be read in this way.
    pub async fn follow(&self, wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Result<(Entries, Follower)> {
        self.settle().await.map_err(|error| self.fault("following", error))?;
        let (entries, following) = self.start_following(wanted).await?;
        following.go_on().map_err(|error| self.fault("following", error))?;
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        std::thread::Builder::new()
            .name("waltap-follow".to_owned())
            .spawn(move || following.run(&sender))
            .map_err(|error| Error::transient(Code::INTERNAL, "starting the thread that follows progress").source(error))?;
        Ok((entries, Follower { batches }))
    }

    /// The latest value of each key that is wanted, whatever becomes of the Kafka transactions that wrote them: see
    /// [`ProgressTopic::follow`].
    pub async fn latest(&self, wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Result<Entries> {
        self.settle().await.map_err(|error| self.fault("reading", error))?;
        self.start_following(wanted).await.map(|(entries, _)| entries)
    }

    async fn start_following<W: Fn(&[u8]) -> bool + Send + 'static>(&self, wanted: W) -> Result<(Entries, Following<W>)> {
        let (options, name, deadline) = (self.options.clone(), self.name.clone(), Instant::now() + self.timeout);
        let started = blocking(move || Following::start(&options, &name, wanted, deadline)).await;
        started.map_err(|error| self.fault("following", error))
    }
}

impl Follower {
    /// Waits for what comes next, in the order in which it came. An error is the end: follow anew. Cancel safe.
    pub async fn next(&mut self) -> Result<Vec<NewEntry>> {
        let ended = || Err(Error::transient(Code::PROGRESS, "the thread that follows progress ended"));
        self.batches.recv().await.unwrap_or_else(ended)
    }
}

/// The state of the reading thread.
struct Following<W> {
    reader: Reader,
    wanted: W,
    /// Where to begin, unless the reader is there already.
    from: Option<i64>,
}

impl<W: Fn(&[u8]) -> bool> Following<W> {
    fn start(options: &Options, name: &str, wanted: W, deadline: Instant) -> Result<(Entries, Self)> {
        let reader = Reader::open_uncommitted(options, name)?;
        let bounds = reader.bounds(PARTITION, deadline)?;
        let mut entries = Entries::new();
        let next = read_through(&reader, bounds, deadline, |key, value| {
            if wanted(key) {
                match value {
                    Some(value) => entries.insert(key.to_vec(), value.to_vec()),
                    None => entries.remove(key),
                };
            }
        })?;
        // What was empty was not begun to be read. The other way, to assign a partition anew that is assigned already, and then to end
        // the reader at once, is one that librdkafka does not survive (an assertion, `rktp_started`).
        let from = (bounds.oldest >= bounds.end).then_some(next);
        Ok((entries, Following { reader, wanted, from }))
    }

    fn go_on(&self) -> Result<()> {
        match self.from {
            Some(from) => self.reader.assign([(PARTITION, from)]),
            None => Ok(()),
        }
    }

    fn run(self, batches: &mpsc::Sender<Result<Vec<NewEntry>>>) {
        while !batches.is_closed() {
            match self.batch() {
                Ok(batch) if batch.is_empty() => {}
                batch => {
                    let is_over = batch.is_err();
                    if batches.blocking_send(batch).is_err() || is_over {
                        return;
                    }
                }
            }
        }
    }

    /// What comes within a round. Most of what is written is not wanted.
    fn batch(&self) -> Result<Vec<NewEntry>> {
        let mut batch = Vec::new();
        let end = Instant::now() + ROUND;
        while batch.len() < BATCH_ENTRIES_MAX {
            let patience = if batch.is_empty() { end.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match self.reader.step(patience)? {
                Step::Record(message) => {
                    if let Some(key) = message.key().filter(|key| (self.wanted)(key)) {
                        batch.push((key.to_vec(), message.payload().map(<[u8]>::to_vec)));
                    }
                }
                // More may come within the round.
                Step::End(_) if batch.is_empty() => {}
                Step::End(_) => break,
                Step::Nothing if !batch.is_empty() || Instant::now() >= end => break,
                Step::Nothing => {}
            }
        }
        Ok(batch)
    }
}
