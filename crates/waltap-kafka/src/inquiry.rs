//! Questions to the brokers, asked on a thread that may block, with an end in time.

use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use waltap_error::{Code, Error, Result};

use crate::listener::Listener;
use crate::options::{self, Options};

/// How long one request for metadata may take before we look whether the connection has failed for good. Doubled each time, for brokers
/// that take longer to answer than that.
const PATIENCE_MIN: Duration = Duration::from_millis(500);

/// The same for an answer about all topics: with thousands of them a broker works on it for a while, and would begin anew each time.
const ALL_PATIENCE_MIN: Duration = Duration::from_secs(2);

/// How long addresses at which nothing listens are tried: all that a name stands for are by then. A broker that is being started takes
/// longer, but who waits for that asks again anyway.
const REFUSED_PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait before asking again when a request failed at once.
const PAUSE: Duration = Duration::from_millis(50);

/// How long to read what the connections have to say. rdkafka reads on for that long; in no time at all it would read one thing only.
const LISTENING: Duration = Duration::from_millis(10);

/// Runs what blocks on a thread made for that.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::transient(Code::INTERNAL, "a thread that asks Kafka ended early").source(error)),
    }
}

/// What is left of the time until `deadline`.
pub(crate) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// A connection that asks the brokers what they know.
pub(crate) struct Inquiry {
    client: BaseProducer<Listener>,
    doing: String,
    started: Instant,
    deadline: Instant,
}

impl Inquiry {
    /// `doing` begins every error.
    pub(crate) fn start(options: &Options, doing: impl Into<String>, deadline: Instant) -> Result<Self> {
        Self::with_config(&options.inquiry_config(), doing.into(), deadline)
    }

    /// As [`Inquiry::start`], for a question that is asked again and again: what the connections say is not logged.
    pub(crate) fn start_quiet(options: &Options, doing: impl Into<String>, deadline: Instant) -> Result<Self> {
        Self::with_config(&options.admin_config(), doing.into(), deadline)
    }

    fn with_config(config: &ClientConfig, doing: String, deadline: Instant) -> Result<Self> {
        let client = BaseProducer::from_config_and_context(config, Listener::default());
        let client = client.map_err(|error| options::property_error(&error))?;
        Ok(Inquiry { client, doing, started: Instant::now(), deadline })
    }

    /// The brokers and all topics that we may see. Of thousands of topics that is a megabyte and more: who wants to know of one names it.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        self.ask(None, ALL_PATIENCE_MIN)
    }

    /// The brokers, and what Kafka says of one topic, be it that there is none.
    pub(crate) fn metadata_of(&self, topic: &str) -> Result<Metadata> {
        self.ask(Some(topic), PATIENCE_MIN)
    }

    fn ask(&self, topic: Option<&str>, mut patience: Duration) -> Result<Metadata> {
        loop {
            let answer = self.client.client().fetch_metadata(topic, patience.min(left(self.deadline)));
            // Log lines and errors of the connections wait in a queue until now.
            self.client.poll(LISTENING);
            match answer {
                Ok(metadata) => return Ok(metadata),
                Err(error) => self.go_on_after(&error)?,
            }
            patience *= 2;
        }
    }

    /// What Kafka says of a topic that is asked for by its name; `None` when nothing is wrong with it.
    pub(crate) fn topic_error(&self, name: &str) -> Result<Option<RDKafkaErrorCode>> {
        let answer = self.client.client().fetch_metadata(Some(name), left(self.deadline));
        let metadata = answer.map_err(|error| self.timed_out(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        Ok(topic.map_or(Some(RDKafkaErrorCode::UnknownTopicOrPartition), |topic| topic.error().map(RDKafkaErrorCode::from)))
    }

    /// The cluster's id, where it has one.
    pub(crate) fn cluster_id(&self) -> Option<String> {
        self.client.client().fetch_cluster_id(left(self.deadline))
    }

    /// The error that the question ends with when its time is over.
    pub(crate) fn timed_out(&self, code: RDKafkaErrorCode) -> Error {
        self.client.poll(LISTENING);
        self.client.context().explain(&self.doing, code)
    }

    fn go_on_after(&self, error: &KafkaError) -> Result<()> {
        if let Some(error) = self.client.context().hopeless(&self.doing) {
            return Err(error);
        }
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let is_refused = self.started.elapsed() >= REFUSED_PATIENCE && self.client.context().is_refused();
        if is_refused || left(self.deadline).is_zero() {
            return Err(self.timed_out(code));
        }
        std::thread::sleep(PAUSE.min(left(self.deadline)));
        Ok(())
    }
}
