//! All that speaks to Kafka.
//!
//! * [`Options`] says how Kafka is reached; every other piece is made from it.
//! * [`probe()`] finds out whether Kafka can be reached, and as what, before anything starts.
//! * [`Topics`] makes topics and tells about them.
//! * [`Producer`] takes records without blocking and reports on them in batches to a [`DeliveryObserver`].
//! * [`ProgressTopic`] keeps what must survive a crash, in a compacted topic.
//! * [`Tail`] reads a topic for people to look at.
//!
//! Nothing here retries for ever except the producer's own delivery. Everything else fails after the time it was given, with an error
//! whose [kind](waltap_error::Kind) says whether trying again makes sense. What blocks in librdkafka runs on threads of its own.

mod attempts;
mod classify;
mod delivery;
mod inquiry;
mod key_partition;
mod listener;
mod log_bridge;
mod options;
mod probe;
mod producer;
mod progress;
mod property;
mod reachability;
mod read;
mod tail;
mod topic_name;
mod topics;

pub use delivery::DeliveryObserver;
pub use key_partition::key_partition;
pub use options::{
    CLIENT_ID_DEFAULT, Compression, LINGER_DEFAULT, MESSAGE_BYTES_MAX_DEFAULT, Options, QUEUE_BYTES_DEFAULT, Settings,
};
pub use probe::{ClusterInfo, probe};
pub use producer::{InFlight, Producer, SendError};
pub use progress::{Entries, Follower, IsLate, NewEntry, PROGRESS_TOPIC_DEFAULT, ProgressTopic};
pub use property::Property;
pub use reachability::BrokerState;
pub use tail::{Tail, TailRecord, TailStart};
pub use topic_name::{TOPIC_NAME_BYTES_MAX, legal_topic_name};
pub use topics::{EnsuredTopic, TopicDescription, TopicSpecification, TopicSummary, Topics};
