//! Why brokers that answer confirm nothing: a partition with too few replicas in sync. librdkafka tries such records again without a word,
//! so the brokers are asked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, Producer as _};
use waltap_error::{Code, Error};

use super::collector::Collector;

/// How long one question may take. It is asked again with the next statistics.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Of librdkafka's statistics: how much was sent to each partition. What waits to be sent again they do not tell.
#[derive(serde::Deserialize)]
struct Statistics {
    #[serde(default)]
    topics: HashMap<String, TopicStatistics>,
}

#[derive(serde::Deserialize)]
struct TopicStatistics {
    partitions: HashMap<String, PartitionStatistics>,
}

#[derive(serde::Deserialize)]
struct PartitionStatistics {
    txmsgs: u64,
}

/// The topics that records were sent to.
pub(super) fn written_topics(statistics: &[u8]) -> HashSet<String> {
    let Ok(statistics) = serde_json::from_slice::<Statistics>(statistics) else { return HashSet::new() };
    let is_written = |topic: &TopicStatistics| topic.partitions.values().any(|partition| partition.txmsgs > 0);
    statistics.topics.into_iter().filter(|(_, topic)| is_written(topic)).map(|(name, _)| name).collect()
}

/// Asks how many replicas of these topics are in sync, on a thread of its own: who polls must not wait. The collector is told.
pub(super) fn ask(native: &Arc<BaseProducer<Collector>>, topics: HashSet<String>) {
    let native = Arc::clone(native);
    let asking = thread::Builder::new().name("waltap-replicas".to_owned()).spawn(move || {
        let metadata = native.client().fetch_metadata(None, TIMEOUT);
        if let Some(error) = metadata.ok().and_then(|metadata| shortage(&metadata, &topics)) {
            native.context().note_shortage(error);
        }
    });
    // Without the thread the reason stays unknown, and nothing else.
    if let Err(error) = asking {
        tracing::debug!(%error, "the brokers are not asked for their replicas");
    }
}

/// The partition with the fewest replicas in sync, when some are missing.
fn shortage(metadata: &Metadata, topics: &HashSet<String>) -> Option<Error> {
    let written = metadata.topics().iter().filter(|topic| topics.contains(topic.name()));
    let partitions = written.flat_map(|topic| topic.partitions().iter().map(move |partition| (topic.name(), partition)));
    let short = partitions.filter(|(_, partition)| partition.isr().len() < partition.replicas().len());
    let (topic, partition) = short.min_by_key(|(_, partition)| partition.isr().len())?;
    let (id, in_sync, replicas) = (partition.id(), partition.isr().len(), partition.replicas().len());
    let message = format!(
        "Kafka takes no records: partition {id} of topic {topic} has {in_sync} of its {replicas} replicas in sync, which may be fewer than \
         min.insync.replicas"
    );
    Some(Error::transient(Code::BROKERS, message).remedy("start the brokers that hold the other replicas"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_were_written_to_are_found() {
        let statistics = br#"{"brokers":{},"topics":{
            "asked":{"partitions":{"0":{"txmsgs":0},"-1":{"txmsgs":0}}},
            "written":{"partitions":{"0":{"txmsgs":0},"1":{"txmsgs":2},"-1":{"txmsgs":0}}}}}"#;
        assert_eq!(written_topics(statistics), HashSet::from(["written".to_owned()]));
        assert!(written_topics(br#"{"brokers":{}}"#).is_empty() && written_topics(b"nothing").is_empty());
    }
}
