//! Progress: what must survive a crash, by key, in a compacted topic.

mod confirmations;
mod follow;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::message::Message;
use tokio::sync::Mutex;
use waltap_error::{Code, Error, Result};

use crate::inquiry::{blocking, left};
use crate::options::{LINGER, Options};
use crate::producer::{Producer, SendError};
use crate::read::{Bounds, Reader, Step};
use crate::topics::{TopicDescription, TopicSpecification, Topics};
use confirmations::{Confirmations, Waiting};
pub use follow::{Follower, NewEntry};

/// The topic that progress is kept in, unless the user says otherwise.
pub const PROGRESS_TOPIC_DEFAULT: &str = "__waltap_progress";

const PARTITION: i32 = ProgressTopic::PARTITION;

/// How long to wait before looking again whether a transaction has ended.
const TRANSACTION_PAUSE: Duration = Duration::from_millis(50);

/// How long one look for records takes at most before the time is checked.
const ROUND: Duration = Duration::from_millis(100);

/// The latest value of each key.
pub type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Whether a value that came to a key after another one is older than that all the same, and not to be believed: of a key, the value of before,
/// and the later one.
pub type IsLate = fn(&[u8], &[u8], &[u8]) -> bool;

/// A compacted topic of one partition, read as a map from key to latest value.
///
/// Keys and values are the caller's own. One `ProgressTopic` writes in order; of two that write the same key, the later one wins.
#[derive(Debug)]
pub struct ProgressTopic {
    options: Options,
    name: String,
    timeout: Duration,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Writer {
    producer: Producer,
    confirmations: Confirmations,
}

impl ProgressTopic {
    /// The one partition that it has.
    pub const PARTITION: i32 = 0;

    /// Makes the topic when it is missing, and refuses it when it is not compacted, or has several partitions.
    ///
    /// `replication_factor` is that of a topic made now; -1 for the brokers' default. `timeout` is for each call, this one included.
    pub async fn open(options: &Options, name: &str, replication_factor: i32, timeout: Duration) -> Result<Self> {
        let deadline = Instant::now() + timeout;
        let topics = Topics::new(options);
        topics.ensure(&[Self::specification(name, replication_factor)], timeout).await?;
        match topics.describe(name, left(deadline)).await? {
            Some(description) => Self::check(&description)?,
            None => return Err(Error::transient(Code::PROGRESS, format!("the progress topic {name} has just vanished"))),
        }
        Ok(Self::new(options, name, timeout))
    }

    /// The topic when it is there already: for those who look, or forget, and make nothing.
    pub async fn open_if_there(options: &Options, name: &str, timeout: Duration) -> Result<Option<Self>> {
        let Some(description) = Topics::new(options).describe(name, timeout).await? else { return Ok(None) };
        Self::check(&description)?;
        Ok(Some(Self::new(options, name, timeout)))
    }

    fn new(options: &Options, name: &str, timeout: Duration) -> Self {
        // A record of progress waits for nobody.
        let options = options.clone().with_property(LINGER, "0");
        ProgressTopic { options, name: name.to_owned(), timeout, writer: Mutex::new(None) }
    }

    /// The topic as it is made when it is missing.
    pub fn specification(name: &str, replication_factor: i32) -> TopicSpecification {
        // Kafka compacts closed segments only, and by default closes one after a week or a gigabyte: every start would read that much.
        // The ends of transactions, and deletions, are kept for a day by default, and of the former there are many.
        let configuration = [
            ("cleanup.policy", "compact"),
            ("segment.bytes", "16777216"),
            ("segment.ms", "3600000"),
            ("delete.retention.ms", "600000"),
        ];
        let configuration = configuration.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        TopicSpecification { name: name.to_owned(), partitions: 1, replication_factor, configuration, known_partitions: None }
    }

    /// Refuses a topic that would lose progress: not compacted, or of several partitions.
    pub fn check(description: &TopicDescription) -> Result<()> {
        let name = &description.name;
        let Some(policy) = description.configuration.get("cleanup.policy") else {
            let what = format!("the settings of the progress topic {name} do not say whether it is compacted");
            return Err(Error::configuration(Code::PROGRESS, what).remedy("let waltap read them: operation DescribeConfigs"));
        };
        if policy != "compact" {
            return Err(Error::configuration(
                Code::PROGRESS,
                format!("the progress topic {name} has cleanup.policy={policy}: Kafka would delete progress from it"),
            )
            .remedy(format!(
                "kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config cleanup.policy=compact"
            )));
        }
        if description.partitions != 1 {
            let partitions = description.partitions;
            return Err(Error::configuration(
                Code::PROGRESS,
                format!("the progress topic {name} has {partitions} partitions, not one"),
            )
            .remedy(format!(
                "if nothing is in it, delete it, and waltap makes it anew: kafka-topics.sh --delete --topic {name}"
            )));
        }
        Ok(())
    }

    /// The topic's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the topic to its end: the latest value of each key that starts with `prefix`. What was deleted is left out. Waits for
    /// transactions that are open there.
    pub async fn load(&self, prefix: &[u8]) -> Result<Entries> {
        self.load_in_time(prefix, |_, _, _| false).await
    }

    /// As [`ProgressTopic::load`], but for values that came late. They are seen as such for as long as the topic is not compacted up to them.
    pub async fn load_in_time(&self, prefix: &[u8], is_late: IsLate) -> Result<Entries> {
        self.read(prefix, true, is_late).await.map(|(values, _)| values)
    }

    /// As [`ProgressTopic::load_in_time`], without waiting: what stands behind an open transaction is not seen. Says whether that is nothing.
    pub async fn peek(&self, prefix: &[u8], is_late: IsLate) -> Result<(Entries, bool)> {
        self.read(prefix, false, is_late).await
    }

    async fn read(&self, prefix: &[u8], waits: bool, is_late: IsLate) -> Result<(Entries, bool)> {
        self.settle().await.map_err(|error| self.fault("reading", error))?;
        let (options, name, prefix, deadline) =
            (self.options.clone(), self.name.clone(), prefix.to_vec(), Instant::now() + self.timeout);
        blocking(move || load(&options, &name, &prefix, (waits, is_late), deadline))
            .await
            .map_err(|error| self.fault("reading", error))
    }

    /// Waits for entries of which nobody waited for the end: what comes in after it was read would be believed later, and not known now.
    async fn settle(&self) -> Result<()> {
        let mut writer = self.writer.lock().await;
        let Some(current) = &*writer else { return Ok(()) };
        match current.producer.drain(self.timeout).await {
            // It will deliver nothing more.
            Err(_) if current.producer.in_flight().records == 0 || current.producer.has_ended() => *writer = None,
            result => return result,
        }
        Ok(())
    }

    /// Writes values, or deletes (`None`), in the order given, and returns when all in-sync replicas have them.
    ///
    /// After an error the entries may or may not be there, now or a little later; a later write is never overtaken by them.
    pub async fn write(&self, entries: &[(&[u8], Option<&[u8]>)]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        // One write at a time: the next one must not pass it.
        let mut writer = self.writer.lock().await;
        let result = tokio::time::timeout(self.timeout, self.write_through(&mut writer, entries)).await;
        let result = result.unwrap_or_else(|_| {
            // The producer is kept: it still holds the entries, and puts whatever comes later behind them.
            let silence = format!("Kafka at {} has not confirmed it in {:?}", self.options.brokers(), self.timeout);
            Err(writer.as_ref().and_then(Writer::connection_error).unwrap_or_else(|| Error::transient(Code::BROKERS, silence)))
        });
        result.map_err(|error| self.fault("writing", error))
    }

    async fn write_through(&self, writer: &mut Option<Writer>, entries: &[(&[u8], Option<&[u8]>)]) -> Result<()> {
        let current = match writer.take() {
            Some(current) => current,
            None => Writer::start(&self.options)?,
        };
        let current = writer.insert(current);
        let result = current.write(&self.name, entries).await;
        if result.is_err() {
            // A producer that has failed once takes no more.
            *writer = None;
        }
        result
    }

    fn fault(&self, doing: &str, error: Error) -> Error {
        let wrapped = Error::new(error.kind(), Code::PROGRESS, format!("{doing} the progress topic {}", self.name));
        let wrapped = match error.remedy_text() {
            Some(remedy) => wrapped.remedy(remedy),
            None => wrapped,
        };
        wrapped.source(error)
    }
}

impl Writer {
    fn start(options: &Options) -> Result<Self> {
        let confirmations = Confirmations::default();
        Ok(Writer { producer: Producer::start(options, confirmations.observer())?, confirmations })
    }

    async fn write(&self, topic: &str, entries: &[(&[u8], Option<&[u8]>)]) -> Result<()> {
        let waiting: Waiting = self.confirmations.expect(entries.len() as u64);
        for (key, value) in entries {
            while let Err(error) = self.producer.send(topic, Some(PARTITION), Some(key), *value, waiting.id()) {
                match error {
                    SendError::Full => self.producer.space().await,
                    SendError::Refused(error) => return Err(error),
                }
            }
        }
        waiting.confirmed().await
    }

    /// Why nothing is confirmed, when the connections have said.
    fn connection_error(&self) -> Option<Error> {
        let state = self.producer.brokers().borrow().clone();
        let error = state.last_error?;
        Some(Error::new(error.kind(), error.code(), error.message()).source(error.report()))
    }
}

/// Where the records lie, and whether that is all of them. `waits`: once every transaction that is open now has ended. Before that, what
/// is committed behind an open one is not seen: a tap would start from an older place than the one it had reached, and send again what it
/// had sent.
fn settled_bounds(options: &Options, name: &str, reader: &Reader, waits: bool, deadline: Instant) -> Result<(Bounds, bool)> {
    let end = Reader::open_uncommitted(options, name)?.bounds(PARTITION, deadline)?.end;
    let mut told = false;
    loop {
        let bounds = reader.bounds(PARTITION, deadline)?;
        let is_settled = bounds.end >= end;
        if is_settled || !waits {
            return Ok((bounds, is_settled));
        }
        if left(deadline).is_zero() {
            let message =
                format!("a transaction in the topic {name} has been open all the time: Kafka ends it after its timeout");
            return Err(Error::transient(Code::PROGRESS, message));
        }
        if !told {
            tracing::info!(topic = name, "waiting for the end of a transaction that another producer has open");
            told = true;
        }
        std::thread::sleep(TRANSACTION_PAUSE.min(left(deadline)));
    }
}

fn load(
    options: &Options,
    name: &str,
    prefix: &[u8],
    (waits, is_late): (bool, IsLate),
    deadline: Instant,
) -> Result<(Entries, bool)> {
    let reader = Reader::open(options, name)?;
    let (bounds, is_settled) = settled_bounds(options, name, &reader, waits, deadline)?;
    let mut values = Entries::new();
    read_through(&reader, bounds, deadline, |key, value| {
        if key.starts_with(prefix) {
            match value {
                Some(value) if values.get(key).is_some_and(|before| is_late(key, before, value)) => None,
                Some(value) => values.insert(key.to_vec(), value.to_vec()),
                None => values.remove(key),
            };
        }
    })?;
    Ok((values, is_settled))
}

/// Reads what lies between the bounds, and gives the offset behind it.
fn read_through(
    reader: &Reader,
    Bounds { oldest, end }: Bounds,
    mut deadline: Instant,
    mut take: impl FnMut(&[u8], Option<&[u8]>),
) -> Result<i64> {
    // One past the last record seen.
    let mut next = oldest;
    let mut ended_at = None;
    if next < end {
        reader.assign([(PARTITION, next)])?;
    }
    while next < end {
        match reader.step(ROUND.min(left(deadline)))? {
            Step::Record(message) => {
                next = message.offset() + 1;
                // As long as something comes, it may take its time.
                deadline = deadline.max(Instant::now() + ROUND * 10);
                if let Some(key) = message.key() {
                    take(key, message.payload());
                }
            }
            // Ends of transactions take offsets and are no records, so the last record may stand before the end. But a leader
            // that is new may also see an end before the one that its predecessor promised, for a moment: so we look twice.
            Step::End(_) if ended_at == Some(next) => break,
            Step::End(_) => {
                ended_at = Some(next);
                reader.bounds(PARTITION, deadline)?;
                reader.assign([(PARTITION, next)])?;
            }
            Step::Nothing if left(deadline).is_zero() => return Err(reader.timed_out()),
            Step::Nothing => {}
        }
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::options::Settings;

    #[tokio::test]
    async fn what_a_write_that_was_given_up_left_under_way_is_read() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("progress", 1, 1).unwrap();
        let options = Options::new(Settings { brokers: mock.bootstrap_servers(), ..Settings::default() }).unwrap();
        let progress = ProgressTopic::new(&options, "progress", Duration::from_secs(4));
        progress.write(&[(b"table", Some(b"reading"))]).await.unwrap();
        mock.broker_down(1).unwrap();
        progress.write(&[(b"table", Some(b"done"))]).await.unwrap_err();
        mock.broker_up(1).unwrap();
        let read = progress.load(b"").await.unwrap();
        assert_eq!(read.get(b"table".as_slice()).map(Vec::as_slice), Some(b"done".as_slice()));
    }
}
