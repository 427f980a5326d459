//! The dead letters of a tap: their topic, and what brokers have refused.

use std::sync::{Arc, Mutex, PoisonError};

use waltap_error::{Code, Error, Kind, Result};
use waltap_kafka::{MESSAGE_BYTES_MAX_DEFAULT, TopicDescription, TopicSpecification};

use super::context::{Context, Destination, KafkaDestination};
use super::topics::TOPICS_TIMEOUT;
use crate::dead_letters::{Rooms, Verdict, Verdicts, Writer};
use crate::human_size::human_size;
use crate::options::{BadEvents, KafkaSinkOptions};
use crate::preflight::losing_letters;

/// What a tap has for them, through all its sessions. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Letters {
    /// That of this session.
    writer: Arc<Mutex<Option<Arc<Writer>>>>,
    pub(super) rooms: Rooms,
    pub(super) verdicts: Verdicts,
}

impl Letters {
    /// The way of this session's dead letters, where they are wanted.
    pub(super) fn writer(&self) -> Option<Arc<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Context {
    /// Makes sure of the topic of dead letters, where they are wanted: at the beginning of a session, and not when the first one is there.
    pub(super) async fn open_dead_letters(&self) -> Result<()> {
        self.letters.verdicts.take();
        let Destination::Kafka(kafka) = &self.shared.destination else { return Ok(()) };
        let BadEvents::DeadLetter { topic } = &kafka.options.bad_events else { return Ok(()) };
        let writer = self.dead_letter_writer(kafka, topic).await?;
        *self.letters.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(writer));
        Ok(())
    }

    async fn dead_letter_writer(&self, kafka: &KafkaDestination, topic: &str) -> Result<Writer> {
        let name = waltap_kafka::legal_topic_name(topic)?.into_owned();
        self.shared.claims.claim(&name, "", "", "dead letters")?;
        let wanted = TopicSpecification {
            name: name.clone(),
            partitions: 1,
            replication_factor: kafka.options.replication_factor,
            // They stay until they are sent, which takes them out; and a repeat takes the place of the first.
            configuration: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
            known_partitions: None,
        };
        let ensured = kafka.cluster.ensure(&[wanted], TOPICS_TIMEOUT).await;
        let ensured = ensured.map_err(|error| refusal(&name, error))?;
        let partitions = ensured.first().map_or(1, |topic| topic.partitions);
        let description = self.described(kafka, &name).await?;
        if let Some(lossy) = description.as_ref().and_then(losing_letters) {
            tracing::warn!(database = self.database, topic = name, remedy = lossy.remedy, "{}", lossy.what);
        }
        let told = description.as_ref().and_then(bytes_max);
        if let Some(told) = told {
            self.letters.rooms.set(&name, told);
        }
        let bytes_max = told.unwrap_or(MESSAGE_BYTES_MAX_DEFAULT).min(kafka.options.client.message_bytes_max());
        let (capture, board, metrics) = (&self.options().name, Arc::clone(&self.board), self.shared.metrics.clone());
        Writer::new(name, partitions, bytes_max, capture, board, metrics)
    }

    /// A topic's settings, where they can be read.
    async fn described(&self, kafka: &KafkaDestination, topic: &str) -> Result<Option<TopicDescription>> {
        match kafka.cluster.describe(topic, TOPICS_TIMEOUT).await {
            Err(error) if error.kind() != Kind::Transient => {
                tracing::debug!(topic, error = error.report(), "the settings of the topic cannot be read");
                Ok(None)
            }
            result => result,
        }
    }

    /// The most that a record of the topic may have, and where it goes if it has more.
    pub(super) fn room(&self, topic: &str, options: &KafkaSinkOptions) -> (usize, Option<Arc<Writer>>) {
        match self.letters.writer() {
            Some(writer) => (self.letters.rooms.of(topic, options.client.message_bytes_max()), Some(writer)),
            None => (usize::MAX, None),
        }
    }

    /// What the error that ended a session means, where a broker has refused a record: one that is too large for its topic is found in advance
    /// by the next session, and one of the dead letters ends the tap.
    pub(super) async fn judge(&self, error: Error) -> Error {
        let (Some(writer), Some(verdict)) = (self.letters.writer(), self.letters.verdicts.take()) else { return error };
        let Destination::Kafka(kafka) = &self.shared.destination else { return error };
        let told = match verdict.code {
            Code::RECORD_TOO_LARGE => match self.described(kafka, &verdict.topic).await {
                Ok(description) => description.as_ref().and_then(bytes_max),
                Err(error) if error.kind() == Kind::Transient => return error,
                Err(_) => None,
            },
            _ => None,
        };
        let Verdict { topic, bytes, code } = verdict;
        let rooms = &self.letters.rooms;
        if topic == writer.topic {
            // It takes less than it did: the next session cuts smaller pieces.
            return match told.filter(|told| rooms.bytes_max(&topic).is_none_or(|known| *told < known)) {
                Some(told) => Error::transient(code, format!("topic {topic} takes {} only by now", human_size(told as u64))),
                None => refusal(&topic, error),
            };
        }
        if code != Code::RECORD_TOO_LARGE {
            return error;
        }
        let Some(told) = told else {
            // A broker refuses a batch, and not a record: small ones that were in it must not be taken for too large.
            let right = format!("allow DescribeConfigs on topic {topic}, so that waltap can learn how large a record it takes");
            return error.remedy(right);
        };
        match rooms.learn(&topic, told, bytes) {
            Some(bytes_max) => {
                let bytes_max = human_size(bytes_max as u64);
                Error::transient(
                    code,
                    format!("topic {topic} takes {bytes_max}: what is larger goes to {} from here on", writer.topic),
                )
                .source(error)
            }
            None => error,
        }
    }
}

/// How large a batch the topic takes.
fn bytes_max(topic: &TopicDescription) -> Option<usize> {
    topic.configuration.get("max.message.bytes")?.parse().ok()
}

/// The error for a topic of dead letters that does not take them. What passes by itself stays what it is.
fn refusal(topic: &str, error: Error) -> Error {
    if error.kind() == Kind::Transient {
        return error;
    }
    let remedy = match error.remedy_text() {
        Some(remedy) => remedy.to_owned(),
        None => format!("let waltap write to topic {topic}; or stop at such events with --on-bad-event stop"),
    };
    Error::configuration(Code::DEAD_LETTER, format!("the topic of dead letters {topic} does not take them"))
        .remedy(remedy)
        .source(error)
}
