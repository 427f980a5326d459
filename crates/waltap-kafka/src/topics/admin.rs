//! The admin client: makes topics, reads their settings.

use std::collections::BTreeMap;
use std::time::Instant;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use tokio::runtime::Handle;
use waltap_error::{Code, Error, Result};

use super::TopicSpecification;
use crate::classify;
use crate::inquiry::left;
use crate::listener::Listener;
use crate::options::{self, Options};

/// How many topics are made by one request: the controller writes each batch to its log at once, and has limits on that.
const TOPICS_A_REQUEST: usize = 100;

/// A connection that may change topics. Lives on a blocking thread.
pub(super) struct Admin<'a> {
    client: AdminClient<Listener>,
    options: &'a Options,
    deadline: Instant,
}

impl<'a> Admin<'a> {
    pub(super) fn start(options: &'a Options, deadline: Instant) -> Result<Self> {
        let client = AdminClient::from_config_and_context(&options.admin_config(), Listener::default());
        Ok(Admin { client: client.map_err(|error| options::property_error(&error))?, options, deadline })
    }

    /// Makes topics. One that somebody else has made meanwhile counts as made.
    pub(super) fn create(&self, topics: &[&TopicSpecification]) -> Result<()> {
        for some in topics.chunks(TOPICS_A_REQUEST) {
            let new: Vec<NewTopic<'_>> = some.iter().map(|topic| new_topic(topic)).collect();
            let answers = Handle::current()
                .block_on(self.client.create_topics(&new, &self.patience()))
                .map_err(|error| self.unanswered("making topics", &error))?;
            for answer in answers {
                match answer {
                    Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                    Err((name, code)) => {
                        let Some(topic) = some.iter().find(|topic| topic.name == name) else { continue };
                        return Err(self.refusal(topic, code));
                    }
                }
            }
        }
        Ok(())
    }

    /// All settings of a topic, the brokers' defaults included.
    pub(super) fn configuration(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let doing = format!("asking for the settings of topic {topic}");
        let answers = Handle::current()
            .block_on(self.client.describe_configs(&[ResourceSpecifier::Topic(topic)], &self.patience()))
            .map_err(|error| self.unanswered(&doing, &error))?;
        let mut configuration = BTreeMap::new();
        for answer in answers {
            let resource = answer.map_err(|code| match code {
                RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                    self.may_not_read_settings(&doing, topic)
                }
                code => classify::client_error(code, &doing),
            })?;
            configuration.extend(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
        }
        // Every topic has settings, if only the brokers' defaults. rdkafka passes over the refusal of a single topic: what is left of it is
        // an answer without any.
        if configuration.is_empty() {
            return Err(self.may_not_read_settings(&doing, topic));
        }
        Ok(configuration)
    }

    fn may_not_read_settings(&self, doing: &str, topic: &str) -> Error {
        Error::configuration(Code::TOPIC, format!("{doing}: Kafka does not allow it")).remedy(format!(
            "kafka-acls.sh --bootstrap-server {} --add --allow-principal {} --operation DescribeConfigs --topic {topic}",
            self.options.brokers(),
            self.options.principal()
        ))
    }

    fn patience(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(left(self.deadline))).operation_timeout(Some(left(self.deadline)))
    }

    fn unanswered(&self, doing: &str, error: &KafkaError) -> Error {
        let code = match error {
            KafkaError::AdminOp(code) => *code,
            error => error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::OperationTimedOut),
        };
        classify::client_error(code, &format!("{doing} at {}", self.options.brokers()))
    }

    fn refusal(&self, topic: &TopicSpecification, code: RDKafkaErrorCode) -> Error {
        use RDKafkaErrorCode as E;
        let name = &topic.name;
        let make = create_command(self.options.brokers(), topic);
        let error = match code {
            E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed => {
                let brokers = self.options.brokers();
                let principal = self.options.principal();
                // A topic with settings of its own is that of progress: it is read as well, and its settings are looked at.
                let more = if topic.configuration.is_empty() { "" } else { " --operation Read --operation DescribeConfigs" };
                Error::configuration(Code::TOPIC, format!("topic {name} is missing and waltap may not make it")).remedy(format!(
                    "make it: {make}\nand let waltap use it: kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal {principal} \
                     --operation Describe --operation Write{more} --topic {name}\nor let waltap make its topics: kafka-acls.sh --bootstrap-server \
                     {brokers} --add --allow-principal {principal} --operation Create --operation Describe --operation Write{more} --topic {name}"
                ))
            }
            // Brokers that are starting up, or away for a moment, are not counted either: it may pass.
            E::InvalidReplicationFactor => Error::transient(
                Code::TOPIC,
                format!("topic {name} cannot be made: fewer brokers are up than its {} replicas need", topic.replication_factor),
            )
            .remedy("start more brokers, or ask for fewer replicas with --replication-factor"),
            E::InvalidTopic
            | E::InvalidPartitions
            | E::InvalidReplicaAssignment
            | E::InvalidConfig
            | E::InvalidRequest
            | E::PolicyViolation => Error::configuration(Code::TOPIC, format!("Kafka refuses to make topic {name}")).remedy(make),
            _ => Error::transient(Code::TOPIC, format!("topic {name} could not be made")),
        };
        error.source(code)
    }
}

fn new_topic(topic: &TopicSpecification) -> NewTopic<'_> {
    let mut new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(topic.replication_factor));
    new.config = topic.configuration.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    new
}

/// The command with which an administrator makes the topic as we would.
pub(super) fn create_command(brokers: &str, topic: &TopicSpecification) -> String {
    use std::fmt::Write;
    let mut command =
        format!("kafka-topics.sh --bootstrap-server {brokers} --create --topic {} --partitions {}", topic.name, topic.partitions);
    // Writing into a String does not fail.
    if topic.replication_factor > 0 {
        let _ = write!(command, " --replication-factor {}", topic.replication_factor);
    }
    for (name, value) in &topic.configuration {
        let _ = write!(command, " --config {name}={value}");
    }
    command
}

#[cfg(test)]
mod tests {
    use waltap_error::Kind;

    use super::*;
    use crate::options::Settings;
    use crate::property::Property;

    #[test]
    fn a_topic_that_may_not_be_made_comes_with_the_commands_that_make_it() {
        let properties = vec![Property::new("sasl.username", "waltap-user")];
        let options = Options::new(Settings { brokers: "kafka:9092".to_owned(), properties, ..Settings::default() }).unwrap();
        let admin = Admin::start(&options, Instant::now()).unwrap();
        let topic = TopicSpecification {
            name: "shop.public.orders".to_owned(),
            partitions: 3,
            replication_factor: -1,
            configuration: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
            known_partitions: None,
        };
        let error = admin.refusal(&topic, RDKafkaErrorCode::TopicAuthorizationFailed);
        assert_eq!((error.kind(), error.code()), (Kind::Configuration, Code::TOPIC));
        let remedy = error.remedy_text().unwrap();
        let make = "kafka-topics.sh --bootstrap-server kafka:9092 --create --topic shop.public.orders --partitions 3 --config cleanup.policy=compact";
        assert!(remedy.contains(make), "{remedy}");
        assert!(
            remedy.contains("kafka-acls.sh --bootstrap-server kafka:9092 --add --allow-principal User:waltap-user"),
            "{remedy}"
        );
        assert_eq!(remedy.matches("--operation Read --operation DescribeConfigs").count(), 2, "{remedy}");
        let replicated = TopicSpecification { replication_factor: 3, ..topic };
        assert!(create_command("kafka:9092", &replicated).contains("--replication-factor 3 --config"));
    }
}
