//! Why brokers that answer confirm nothing: a partition with too few replicas in sync. librdkafka tries such records again without a word,
//! so the brokers are asked.

use std::collections::HashSet;
use std::time::Duration;

use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, Producer as _};
use waltap_error::{Code, Error};

use super::collector::Collector;

/// How long one question may take. It is asked again with the next look.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks how many replicas of these topics are in sync, and tells the collector where some are missing. Waits for the answer.
pub(super) fn ask(native: &BaseProducer<Collector>, topics: &HashSet<String>) {
    let metadata = native.client().fetch_metadata(None, TIMEOUT);
    if let Some(error) = metadata.ok().and_then(|metadata| shortage(&metadata, topics)) {
        native.context().note_shortage(error);
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
