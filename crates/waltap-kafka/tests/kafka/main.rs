//! The crate against a real Kafka, and against librdkafka's mock where a fault has to be made.

// A test that cannot go on says so by stopping.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod broker;
mod fenced;
mod metadata_proxy;
mod outage;
mod probing;
mod producing;
mod progress;
mod recorder;
mod tailing;
mod topics;
mod transaction_faults;
mod transactions;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use waltap_kafka::{Options, Property, Settings, TopicSpecification, Topics};

/// Long enough for a busy machine; nothing waits that long where all is well.
const PATIENCE: Duration = Duration::from_secs(120);

fn options_with(brokers: &str, properties: &[(&str, &str)]) -> Options {
    let properties = properties.iter().map(|(name, value)| Property::new(*name, *value)).collect();
    Options::new(Settings { brokers: brokers.to_owned(), properties, ..Settings::default() }).unwrap()
}

fn specification(name: &str, partitions: i32, configuration: &[(&str, &str)]) -> TopicSpecification {
    let configuration = configuration.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    TopicSpecification { name: name.to_owned(), partitions, replication_factor: 1, configuration, known_partitions: None }
}

/// A name that no other test uses.
fn unique(name: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A new topic of the real Kafka.
async fn topic(name: &str, partitions: i32, configuration: &[(&str, &str)]) -> String {
    let name = unique(name);
    let topics = Topics::new(&options_with(&broker::brokers(), &[]));
    topics.ensure(&[specification(&name, partitions, configuration)], PATIENCE).await.unwrap();
    name
}
