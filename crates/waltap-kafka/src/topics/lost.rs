//! Topics that were written to and are gone.

use std::time::{Duration, Instant};

use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode;
use waltap_error::{Code, Error, Result};

use super::admin::create_command;
use super::{TopicSpecification, VISIBLE_PAUSE_MAX, VISIBLE_PAUSE_MIN, metadata_for, names};
use crate::inquiry::Inquiry;
use crate::options::Options;

/// How long a topic that was there is looked for: a broker that has just started may not know of all of them yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many topics an error names; the others are counted.
const NAMED_MAX: usize = 10;

/// Asks for topics, until those that were written to before are among them.
pub(super) fn find_again(options: &Options, inquiry: &Inquiry, wanted: &[TopicSpecification]) -> Result<Metadata> {
    let until = Instant::now() + PATIENCE;
    let mut pause = VISIBLE_PAUSE_MIN;
    loop {
        let metadata = metadata_for(inquiry, wanted)?;
        let there = names(&metadata);
        let is_gone = |topic: &&TopicSpecification| topic.known_partitions.is_some() && !there.contains(topic.name.as_str());
        let gone: Vec<&TopicSpecification> = wanted.iter().filter(is_gone).collect();
        let Some(first) = gone.first() else { return Ok(metadata) };
        if Instant::now() + pause >= until {
            return Err(match inquiry.topic_error(&first.name)? {
                Some(RDKafkaErrorCode::TopicAuthorizationFailed) => hidden(options, &first.name),
                Some(_) => lost(options, &gone),
                // Just now it has come.
                None => Error::transient(Code::TOPIC, format!("topic {} is there again", first.name)),
            });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(VISIBLE_PAUSE_MAX);
    }
}

/// Kafka does not show a topic to who may not describe it.
fn hidden(options: &Options, name: &str) -> Error {
    let (brokers, principal) = (options.brokers(), options.principal());
    Error::configuration(Code::TOPIC, format!("Kafka does not let waltap see topic {name} any more")).remedy(format!(
        "grant the rights: kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal {principal} --operation Describe \
         --operation Write --topic {name}"
    ))
}

fn lost(options: &Options, gone: &[&TopicSpecification]) -> Error {
    let mut named: Vec<String> = gone.iter().take(NAMED_MAX).map(|topic| topic.name.clone()).collect();
    if gone.len() > NAMED_MAX {
        named.push(format!("{} more", gone.len() - NAMED_MAX));
    }
    let (is, each) = if gone.len() == 1 { ("topic", "it") } else { ("topics", "them") };
    let message = format!(
        "{is} {} gone: the events that Kafka had confirmed in {each} are lost, and PostgreSQL has forgotten them",
        if gone.len() == 1 { format!("{} is", named[0]) } else { format!("{} are", named.join(", ")) }
    );
    Error::configuration(Code::TOPIC_LOST, message).remedy(remedy(options, gone))
}

/// A topic never has fewer partitions than it had.
pub(super) fn made_anew(options: &Options, topic: &TopicSpecification, found: i32) -> Error {
    let before = topic.known_partitions.unwrap_or_default();
    let message = format!(
        "topic {} had {before} partitions and has {found}: it was deleted and made anew, and the events that Kafka had confirmed in it are lost",
        topic.name
    );
    Error::configuration(Code::TOPIC_LOST, message).remedy(remedy(options, &[topic]))
}

/// Either everything again, or nothing of what was.
fn remedy(options: &Options, gone: &[&TopicSpecification]) -> String {
    let make = gone.iter().take(NAMED_MAX).map(|topic| {
        let topic = TopicSpecification { partitions: topic.known_partitions.unwrap_or(topic.partitions), ..(*topic).clone() };
        create_command(options.brokers(), &topic)
    });
    format!(
        "to have every row again, as it is now, start anew: `waltap slots drop --name NAME --source ... --brokers ...`, then capture again; to \
         go on with the next change and without those that are lost, make the topic yourself, with all of its partitions: {}",
        make.collect::<Vec<String>>().join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Settings;

    #[test]
    fn the_remedy_makes_the_topic_as_it_was() {
        let options = Options::new(Settings { brokers: "kafka:9092".to_owned(), ..Settings::default() }).unwrap();
        let topic = |name: &str| TopicSpecification {
            name: name.to_owned(),
            partitions: 1,
            replication_factor: -1,
            configuration: Vec::new(),
            known_partitions: Some(4),
        };
        let error = lost(&options, &[&topic("shop.public.orders")]);
        assert_eq!((error.code(), error.kind()), (Code::TOPIC_LOST, waltap_error::Kind::Configuration));
        assert!(error.message().starts_with("topic shop.public.orders is gone"), "{error}");
        let make = "kafka-topics.sh --bootstrap-server kafka:9092 --create --topic shop.public.orders --partitions 4";
        assert!(error.remedy_text().is_some_and(|remedy| remedy.ends_with(make)));
        let many: Vec<TopicSpecification> = (0..12).map(|number| topic(&format!("t{number}"))).collect();
        let error = lost(&options, &many.iter().collect::<Vec<_>>());
        assert!(error.message().starts_with("topics t0, t1,") && error.message().contains("t9, 2 more are gone"), "{error}");
        assert!(made_anew(&options, &topic("t"), 3).message().starts_with("topic t had 4 partitions and has 3"));
    }
}
