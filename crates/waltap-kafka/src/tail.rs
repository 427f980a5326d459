//! Reads a topic for people to look at.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rdkafka::message::{BorrowedMessage, Headers, Message};
use tokio::sync::mpsc;
use waltap_error::{Code, Error, Result};

use crate::inquiry::blocking;
use crate::options::Options;
use crate::read::{Reader, Step};

/// How much one batch holds, and how many batches wait: together the most that a slow reader of ours keeps in memory, beside one record.
const BATCH_BYTES_MAX: usize = 256 << 10;
const BATCHES_MAX: usize = 8;

/// How long the reading thread waits for records before it looks whether anybody still listens.
const ROUND: Duration = Duration::from_millis(100);

/// Where to start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TailStart {
    /// At the oldest record that is still there.
    #[default]
    Beginning,
    /// Behind the newest record.
    End,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailRecord {
    /// Its partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// When it was produced, in milliseconds since 1970, where Kafka knows.
    pub timestamp_ms: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl TailRecord {
    fn new(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        TailRecord {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
        }
    }

    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
        size_of::<Self>() + self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers
    }
}

type Batch = Result<Vec<TailRecord>>;

/// Reads all partitions of a topic, committed records only, outside any consumer group. Dropping it ends the reading.
#[derive(Debug)]
pub struct Tail {
    batches: mpsc::Receiver<Batch>,
    ready: VecDeque<TailRecord>,
}

impl Tail {
    /// Starts reading. Without `follow` it ends where the topic ended when it started.
    ///
    /// `timeout` is for the start, and without `follow` for every pause in the reading; with it, a pause is nothing unusual.
    pub async fn start(options: &Options, topic: &str, from: TailStart, follow: bool, timeout: Duration) -> Result<Self> {
        let (options, topic) = (options.clone(), topic.to_owned());
        let reading = blocking(move || Reading::start(&options, &topic, from, follow, timeout)).await?;
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        std::thread::Builder::new()
            .name("waltap-tail".to_owned())
            .spawn(move || reading.run(&sender))
            .map_err(|error| Error::transient(Code::INTERNAL, "starting the thread that reads a topic").source(error))?;
        Ok(Tail { batches, ready: VecDeque::new() })
    }

    /// The next record; `None` at the end. Records of one partition come in their order.
    pub async fn next(&mut self) -> Result<Option<TailRecord>> {
        while self.ready.is_empty() {
            match self.batches.recv().await {
                Some(batch) => self.ready.extend(batch?),
                None => return Ok(None),
            }
        }
        Ok(self.ready.pop_front())
    }
}

/// The state of the reading thread.
struct Reading {
    reader: Reader,
    /// The end that each unfinished partition had at the start; `None` when there is no end.
    ends: Option<BTreeMap<i32, i64>>,
    timeout: Duration,
}

impl Reading {
    fn start(options: &Options, topic: &str, from: TailStart, follow: bool, timeout: Duration) -> Result<Self> {
        let deadline = Instant::now() + timeout;
        let reader = Reader::open(options, topic)?;
        let mut places = Vec::new();
        let mut ends = BTreeMap::new();
        for partition in 0..reader.partitions(options, deadline)? {
            let bounds = reader.bounds(partition, deadline)?;
            let place = match from {
                TailStart::Beginning => bounds.oldest,
                TailStart::End => bounds.end,
            };
            if follow || place < bounds.end {
                places.push((partition, place));
                ends.insert(partition, bounds.end);
            }
        }
        reader.assign(places)?;
        Ok(Reading { reader, ends: (!follow).then_some(ends), timeout })
    }

    fn run(mut self, batches: &mpsc::Sender<Batch>) {
        loop {
            match self.batch(batches) {
                // The end is reached, or nobody listens any more.
                Ok(records) if records.is_empty() => return,
                Ok(records) => {
                    if batches.blocking_send(Ok(records)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    // If nobody listens, nobody needs to hear of it.
                    let _ = batches.blocking_send(Err(error));
                    return;
                }
            }
        }
    }

    /// The next records: what is there at the moment, at least one unless the end is reached or nobody listens any more.
    fn batch(&mut self, batches: &mpsc::Sender<Batch>) -> Batch {
        let mut records = Vec::new();
        let mut bytes = 0;
        let start = Instant::now();
        while bytes < BATCH_BYTES_MAX && self.ends.as_ref().is_none_or(|ends| !ends.is_empty()) {
            let patience = if records.is_empty() { ROUND } else { Duration::ZERO };
            match self.reader.step(patience)? {
                Step::Record(message) => {
                    let record = TailRecord::new(&message);
                    let (partition, next) = (record.partition, record.offset + 1);
                    if let Some(ends) = &mut self.ends {
                        // What was written since the start is left for the next reading.
                        match ends.get(&partition) {
                            Some(end) if next <= *end => {}
                            _ => continue,
                        }
                        if ends.get(&partition) == Some(&next) {
                            ends.remove(&partition);
                        }
                    }
                    bytes += record.bytes();
                    records.push(record);
                }
                Step::End(partition) => {
                    // The rest up to the end was compacted away, or is no data, or belongs to transactions that are not committed.
                    if let Some(ends) = &mut self.ends {
                        ends.remove(&partition);
                    }
                }
                Step::Nothing if !records.is_empty() || batches.is_closed() => break,
                Step::Nothing if self.ends.is_some() && start.elapsed() >= self.timeout => return Err(self.reader.timed_out()),
                Step::Nothing => {}
            }
        }
        Ok(records)
    }
}
