//! Topics: made when missing, described, listed.

mod admin;
mod lost;
mod offsets;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::types::RDKafkaErrorCode;
use waltap_error::{Code, Error, Result};

use crate::inquiry::{Inquiry, blocking};
use crate::options::Options;
use admin::Admin;

/// A topic as it should be when it has to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpecification {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas of each; -1 for the brokers' default.
    pub replication_factor: i32,
    /// Settings such as `cleanup.policy=compact`.
    pub configuration: Vec<(String, String)>,
    /// How many partitions it had when it was written to before. `None`: it never was, and is made when it is missing. One that was written
    /// to is not made again: what Kafka had confirmed in it would be gone in silence.
    pub known_partitions: Option<i32>,
}

/// A topic that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnsuredTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it has, which is not what was asked for when it was there before.
    pub partitions: i32,
    /// Whether it was made just now.
    pub created: bool,
}

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas the first of them has.
    pub replication_factor: i32,
    /// Its settings, the brokers' defaults included.
    pub configuration: BTreeMap<String, String>,
}

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many records it holds by its offsets: an upper bound, since compaction and transactions leave gaps.
    pub records: u64,
}

/// The topics in which Kafka keeps its own state, which are nobody's data.
const KAFKA_OWN: &[&str] = &["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"];

/// The pauses between looks at whether a new topic can be written to: short at first, since that mostly takes milliseconds.
const VISIBLE_PAUSE_MIN: Duration = Duration::from_millis(10);
const VISIBLE_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Makes topics and tells about them. Connects for each call anew: such calls are rare.
#[derive(Clone, Debug)]
pub struct Topics {
    options: Options,
}

impl Topics {
    /// Topics of the cluster that the options lead to.
    pub fn new(options: &Options) -> Self {
        Topics { options: options.clone() }
    }

    /// Makes the topics that are missing, and waits until every one can be written to. The answer is in the order of the question.
    ///
    /// A topic that is there is left as it is. One that may not be made is a configuration error with the command that makes it, and one that
    /// was written to before and is missing is a configuration error too: `TOPIC_LOST`.
    pub async fn ensure(&self, wanted: &[TopicSpecification], timeout: Duration) -> Result<Vec<EnsuredTopic>> {
        let (options, wanted, deadline) = (self.options.clone(), wanted.to_vec(), Instant::now() + timeout);
        blocking(move || ensure(&options, &wanted, deadline)).await
    }

    /// Whether topics that were written to before are all there, with the partitions that they had; else the error that [`Topics::ensure`] ends
    /// with. Makes nothing.
    pub async fn check_kept(&self, kept: &[TopicSpecification], timeout: Duration) -> Result<()> {
        let (options, kept, deadline) = (self.options.clone(), kept.to_vec(), Instant::now() + timeout);
        blocking(move || check_kept(&options, &kept, deadline)).await
    }

    /// The id of the cluster, where it has one.
    pub async fn cluster_id(&self, timeout: Duration) -> Result<Option<String>> {
        Ok(crate::probe::probe(&self.options, timeout).await?.cluster_id)
    }

    /// What is known of a topic; `None` when there is none of that name, or none that we may see.
    pub async fn describe(&self, name: &str, timeout: Duration) -> Result<Option<TopicDescription>> {
        let (options, name, deadline) = (self.options.clone(), name.to_owned(), Instant::now() + timeout);
        blocking(move || describe(&options, &name, deadline)).await
    }

    /// All topics that we may see, Kafka's own left out, by name.
    pub async fn list(&self, timeout: Duration) -> Result<Vec<TopicSummary>> {
        let (options, deadline) = (self.options.clone(), Instant::now() + timeout);
        blocking(move || list(&options, deadline)).await
    }
}

/// What Kafka says of topics: of all that we may see, unless one alone is wanted.
fn metadata_for(inquiry: &Inquiry, wanted: &[TopicSpecification]) -> Result<Metadata> {
    match wanted {
        [one] => inquiry.metadata_of(&one.name),
        _ => inquiry.metadata(),
    }
}

/// Every topic that we may see.
fn names(metadata: &Metadata) -> BTreeSet<&str> {
    metadata.topics().iter().filter(|topic| is_seen(topic)).map(MetadataTopic::name).collect()
}

/// Whether a topic is there, and we may see it. An answer about all topics leaves out the others; one about a topic that was named does not.
pub(crate) fn is_seen(topic: &MetadataTopic) -> bool {
    use RDKafkaErrorCode as E;
    let error = topic.error().map(E::from);
    !matches!(error, Some(E::UnknownTopicOrPartition | E::UnknownTopic | E::TopicAuthorizationFailed | E::InvalidTopic))
}

/// Partitions of every topic that can be written to: all of them have a leader.
fn usable(metadata: &Metadata) -> BTreeMap<&str, i32> {
    let topics = metadata.topics().iter().filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
    let led = topics.filter(|topic| topic.partitions().iter().all(|partition| partition.leader() >= 0));
    led.map(|topic| (topic.name(), topic.partitions().len() as i32)).collect()
}

fn ensure(options: &Options, wanted: &[TopicSpecification], deadline: Instant) -> Result<Vec<EnsuredTopic>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let inquiry = Inquiry::start(options, format!("asking Kafka at {} for its topics", options.brokers()), deadline)?;
    let metadata = lost::find_again(options, &inquiry, wanted)?;
    let there = names(&metadata);
    let missing: Vec<&TopicSpecification> = wanted.iter().filter(|topic| !there.contains(topic.name.as_str())).collect();
    if !missing.is_empty() {
        Admin::start(options, deadline)?.create(&missing)?;
        tracing::debug!(topics = missing.len(), "Kafka's controller has made the topics: its brokers make their logs");
    }
    let created: Vec<bool> = wanted.iter().map(|topic| !there.contains(topic.name.as_str())).collect();
    let partitions = wait_until_usable(&inquiry, wanted, deadline, metadata)?;
    for (topic, found) in wanted.iter().zip(&partitions) {
        if topic.known_partitions.is_some_and(|known| known > *found) {
            return Err(lost::made_anew(options, topic, *found));
        }
    }
    let ensured = wanted.iter().zip(partitions).zip(created);
    let ensured = ensured.map(|((topic, partitions), created)| EnsuredTopic { name: topic.name.clone(), partitions, created });
    Ok(ensured.collect())
}

fn check_kept(options: &Options, kept: &[TopicSpecification], deadline: Instant) -> Result<()> {
    let inquiry = Inquiry::start(options, format!("asking Kafka at {} for its topics", options.brokers()), deadline)?;
    let metadata = lost::find_again(options, &inquiry, kept)?;
    let partitions = usable(&metadata);
    for topic in kept {
        // One without a leader may have any number.
        if let Some(found) = partitions.get(topic.name.as_str()).copied()
            && topic.known_partitions.is_some_and(|known| known > found)
        {
            return Err(lost::made_anew(options, topic, found));
        }
    }
    Ok(())
}

/// Waits until every wanted topic can be written to; their partition counts, in the order of `wanted`.
fn wait_until_usable(
    inquiry: &Inquiry,
    wanted: &[TopicSpecification],
    deadline: Instant,
    mut metadata: Metadata,
) -> Result<Vec<i32>> {
    let mut pause = VISIBLE_PAUSE_MIN;
    loop {
        let usable = usable(&metadata);
        let absent = match wanted.iter().map(|topic| usable.get(topic.name.as_str()).copied().ok_or(&topic.name)).collect() {
            Ok(partitions) => return Ok(partitions),
            Err(absent) => absent,
        };
        if Instant::now() + pause >= deadline {
            return Err(Error::transient(
                Code::TOPIC,
                format!("topic {absent} is there, but has no leader that takes records yet"),
            ));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(VISIBLE_PAUSE_MAX);
        metadata = metadata_for(inquiry, wanted)?;
    }
}

fn describe(options: &Options, name: &str, deadline: Instant) -> Result<Option<TopicDescription>> {
    let inquiry = Inquiry::start(options, format!("asking Kafka at {} for topic {name}", options.brokers()), deadline)?;
    let metadata = inquiry.metadata_of(name)?;
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name && is_seen(topic)) else { return Ok(None) };
    let description = TopicDescription {
        name: name.to_owned(),
        partitions: topic.partitions().len() as i32,
        replication_factor: topic.partitions().first().map_or(0, |partition| partition.replicas().len() as i32),
        configuration: Admin::start(options, deadline)?.configuration(name)?,
    };
    Ok(Some(description))
}

fn list(options: &Options, deadline: Instant) -> Result<Vec<TopicSummary>> {
    let inquiry = Inquiry::start(options, format!("asking Kafka at {} for its topics", options.brokers()), deadline)?;
    let metadata = inquiry.metadata()?;
    let mut summaries: Vec<TopicSummary> = metadata
        .topics()
        .iter()
        .filter(|topic| !KAFKA_OWN.contains(&topic.name()))
        .map(|topic| TopicSummary { name: topic.name().to_owned(), partitions: topic.partitions().len() as i32, records: 0 })
        .collect();
    summaries.sort_by(|a, b| a.name.cmp(&b.name));
    offsets::count_records(options, &mut summaries, deadline)?;
    Ok(summaries)
}
