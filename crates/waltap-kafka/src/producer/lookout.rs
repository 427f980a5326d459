//! Looks how the producer stands with the brokers while that is in doubt: when something waits and nothing was confirmed for a while, and until
//! brokers that were all away are back. Nothing is asked while all is well.
//!
//! librdkafka's statistics would tell as well; with them it keeps 23 KB more for each topic.

use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::RDKafkaErrorCode;

use super::collector::Collector;
use super::contact::{Contact, Sight};
use super::replicas;
use super::topic_handles::TopicHandles;
use crate::inquiry::Inquiry;
use crate::options::Options;
use crate::progress::PROGRESS_TOPIC_DEFAULT;

/// How long the producer may take to show a connection.
const OWN_TIMEOUT: Duration = Duration::from_secs(2);

/// How long another client may take to be made, to connect and to be answered. Where Kafka takes longer, a producer that is lost stays so: nothing
/// shows that another one would do better.
const ELSEWHERE_TIMEOUT: Duration = Duration::from_secs(10);

/// Belongs to the poll thread, and looks on short-lived threads: who polls must not wait.
pub(super) struct Lookout {
    options: Options,
    topics: Weak<TopicHandles>,
    interval: Duration,
    contact: Contact,
    /// How often something had been confirmed when all was well last.
    confirmed: u64,
    /// When to look next; none while all is well.
    next: Option<Instant>,
    /// The one that is under way, and when it began.
    look: Option<(Instant, JoinHandle<Sight>)>,
}

impl Lookout {
    pub(super) fn new(options: &Options, topics: &Arc<TopicHandles>) -> Self {
        let interval = options.look_interval();
        Lookout {
            options: options.clone(),
            topics: Arc::downgrade(topics),
            interval,
            // A look that finds no connection has waited for one.
            contact: Contact::new(interval.max(OWN_TIMEOUT), options.reconnect_patience() + ELSEWHERE_TIMEOUT),
            confirmed: 0,
            next: None,
            look: None,
        }
    }

    /// Looks when it is time to, and tells the collector what an earlier look has shown. Called several times a second.
    pub(super) fn round(&mut self, native: &Arc<BaseProducer<Collector>>) {
        let collector = native.context();
        let confirmed = collector.confirmations();
        if !collector.is_in_doubt() || confirmed != self.confirmed {
            self.confirmed = confirmed;
            if self.next.take().is_some() {
                self.contact.reset();
                // One under way has nothing more to tell.
                self.look = None;
            }
            return;
        }
        if let Some((began, look)) = self.look.take_if(|(_, look)| look.is_finished())
            && let Ok(sight) = look.join()
        {
            self.conclude(collector, sight, began);
        }
        let now = Instant::now();
        if now >= *self.next.get_or_insert(now + self.interval) && self.look.is_none() {
            self.next = Some(now + self.interval);
            self.look = self.begin(native).map(|look| (now, look));
        }
    }

    fn conclude(&mut self, collector: &Collector, sight: Sight, began: Instant) {
        if sight == Sight::Connected {
            collector.note_connected(began);
        }
        if self.contact.has_ended(sight) && collector.anything_waits() {
            collector.give_up();
        }
    }

    fn begin(&self, native: &Arc<BaseProducer<Collector>>) -> Option<JoinHandle<Sight>> {
        let (native, topics, options) = (Arc::clone(native), Weak::clone(&self.topics), self.options.clone());
        // Who waits for nothing need not try to be connected.
        let asks_elsewhere = self.contact.asks_elsewhere() && native.context().anything_waits();
        let look = thread::Builder::new().name("waltap-lookout".to_owned()).spawn(move || {
            let topics = topics.upgrade().map(|topics| topics.names()).unwrap_or_default();
            let topic = topics.iter().next().map_or(PROGRESS_TOPIC_DEFAULT, |topic| topic);
            if is_connected(&native, topic) {
                if native.context().is_silent() {
                    replicas::ask(&native, &topics);
                }
                Sight::Connected
            } else if asks_elsewhere && is_reached(&options, topic) {
                Sight::OnlyElsewhere
            } else {
                Sight::Nobody
            }
        });
        // Without the thread nothing is known, until the next look.
        look.inspect_err(|error| tracing::debug!(%error, "it is not looked how the producer stands with the brokers")).ok()
    }
}

/// Whether librdkafka has a connection that records may go over: it takes none else to ask for a topic, and says that it has found none. A
/// broker that does not answer in time is connected to.
fn is_connected(native: &BaseProducer<Collector>, topic: &str) -> bool {
    match native.client().fetch_metadata(Some(topic), OWN_TIMEOUT) {
        Ok(_) => true,
        Err(error) => error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut),
    }
}

/// Whether a client that is made for it reaches brokers. What its connections say is not logged: the producer's own say the same.
///
/// It asks twice. The first answer comes from a configured address, and names the brokers' own ones; a client that has it goes to these alone, as the producer
/// did, and the second shows that they can be reached.
fn is_reached(options: &Options, topic: &str) -> bool {
    let inquiry = Inquiry::start_quiet(options, "looking whether Kafka is there", Instant::now() + ELSEWHERE_TIMEOUT);
    inquiry.is_ok_and(|inquiry| {
        let names_brokers = || inquiry.metadata_of(topic).is_ok_and(|metadata| !metadata.brokers().is_empty());
        names_brokers() && names_brokers()
    })
}
