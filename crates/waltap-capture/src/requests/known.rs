//! What is known of a capture before anything is asked of it: the command line looks first whether a request can be meant.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use waltap_error::{Code, Error, Result};
use waltap_kafka::PROGRESS_TOPIC_DEFAULT;

use crate::kafka::ProgressTopic;
use crate::progress::{Progress, Store, capture_prefix, unescaped};
use crate::selection::DatabaseSelection;

/// How long Kafka may take to answer.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);

/// What is known of a capture, by its progress.
pub(super) struct Known {
    topic: Arc<ProgressTopic>,
    capture: String,
    pub(super) keys: BTreeSet<String>,
}

impl Known {
    pub(super) async fn read(kafka: &waltap_kafka::Options, capture: &str) -> Result<Self> {
        let topic = waltap_kafka::ProgressTopic::open_if_there(kafka, PROGRESS_TOPIC_DEFAULT, KAFKA_TIMEOUT).await?;
        let topic = topic.ok_or_else(|| unknown(capture))?;
        // Whatever Kafka transactions a capture that is at work has open: it writes no requests.
        let prefix = capture_prefix(capture).into_bytes();
        let entries = topic.latest(move |key| key.starts_with(&prefix)).await?;
        let keys: BTreeSet<String> = entries.into_keys().filter_map(|key| String::from_utf8(key).ok()).collect();
        match keys.is_empty() {
            true => Err(unknown(capture)),
            false => Ok(Known { topic: Arc::new(ProgressTopic::Kafka(topic)), capture: capture.to_owned(), keys }),
        }
    }

    /// Writes requests, or takes them back.
    pub(super) async fn write(&self, entries: &[(String, Option<Vec<u8>>)]) -> Result<()> {
        let entries: Vec<(&[u8], Option<&[u8]>)> =
            entries.iter().map(|(key, value)| (key.as_bytes(), value.as_deref())).collect();
        self.topic.write(&entries).await
    }

    /// The progress of a tap, without waiting for Kafka transactions that are open.
    pub(super) async fn progress(&self, database: &str) -> Result<Progress> {
        let store = Store::new(Some(Arc::clone(&self.topic)), &self.capture, database);
        Progress::peek(store).await.map(|(progress, _)| progress)
    }

    /// The progress of a tap, once the Kafka transactions have ended that are open now.
    pub(super) async fn settled_progress(&self, database: &str) -> Result<Progress> {
        Progress::load(Store::new(Some(Arc::clone(&self.topic)), &self.capture, database)).await
    }

    /// The databases that the capture has read, of those of the choice.
    pub(super) fn databases(&self, wanted: &DatabaseSelection) -> Result<Vec<String>> {
        let prefix = capture_prefix(&self.capture);
        let database = |key: &String| Some(unescaped(key.strip_prefix(&prefix)?.split('/').next()?));
        let all: BTreeSet<String> = self.keys.iter().filter_map(database).collect();
        let found: Vec<String> = all.iter().filter(|database| wanted.matches(database)).cloned().collect();
        match found.is_empty() {
            false => Ok(found),
            true => {
                let all: Vec<String> = all.into_iter().collect();
                let message = format!("the capture {} reads no such database", self.capture);
                Err(Error::configuration(Code::REQUEST, message).remedy(format!("it reads: {}", all.join(", "))))
            }
        }
    }
}

fn unknown(capture: &str) -> Error {
    Error::configuration(Code::REQUEST, format!("no capture named {capture} has left anything in this Kafka cluster"))
        .remedy("check --name and --brokers; a capture is known once it has run")
}
