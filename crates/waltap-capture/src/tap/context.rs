//! What a tap has for its whole life, whatever becomes of its connections.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use waltap_error::{Code, Error, Result};
use waltap_kafka::TopicSpecification;
use waltap_postgres::catalog::Table;

use super::Covered;
use crate::board::Board;
use crate::guard::GivenUp;
use crate::kafka::{Cluster, ProgressTopic};
use crate::metrics::Metrics;
use crate::naming::{TopicClaims, outbox_topic_name};
use crate::options::{Delivery, KafkaSinkOptions, Options, SnapshotMode, TransactionBounds};
use crate::progress::Store;
use crate::sink::{Output, Reports, Sink, Topic};
use crate::source::{Replication, Server, Sql};

/// How long Kafka may take to answer about topics. Longer than a leader's election.
const TOPICS_TIMEOUT: Duration = Duration::from_secs(30);

/// What the taps of a capture share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) server: Server,
    pub(crate) metrics: Metrics,
    pub(crate) claims: TopicClaims,
    pub(crate) destination: Destination,
    /// Slots that the guard has given up.
    pub(crate) given_up: GivenUp,
}

/// Where the events of all taps go.
#[derive(Debug)]
pub(crate) enum Destination {
    Kafka(KafkaDestination),
    Output(Output),
}

#[derive(Debug)]
pub(crate) struct KafkaDestination {
    /// With the queue's bytes already shared out among the taps.
    pub(crate) options: KafkaSinkOptions,
    pub(crate) cluster: Cluster,
    pub(crate) progress: Arc<ProgressTopic>,
}

/// One tap: a database of the capture.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    pub(crate) database: String,
    /// The capture's name as slots and publications bear it.
    pub(crate) name: String,
    pub(crate) slot: String,
    pub(crate) board: Arc<Board>,
    /// Where columns are hidden, they stay so.
    pub(crate) covered: Covered,
    /// Partitions of the topics that Kafka is known to have, so that a table's first change does not wait for its answer again.
    known_topics: Arc<Mutex<HashMap<String, i32>>>,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, database: String, name: String, slot: String, board: Arc<Board>) -> Self {
        Context { shared, database, name, slot, board, covered: Covered::default(), known_topics: Arc::default() }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Whether the slot goes with the session, so that nothing of the tap is left behind.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.shared.destination, Destination::Output(_))
    }

    /// Opens an SQL session in the tap's database.
    pub(crate) async fn sql(&self) -> Result<Sql> {
        self.shared.server.sql(&self.database).await
    }

    /// Opens a session for replication commands in the tap's database.
    pub(crate) async fn replication(&self) -> Result<Replication> {
        self.shared.server.replication(&self.database).await
    }

    pub(crate) fn store(&self) -> Store {
        let topic = match &self.shared.destination {
            Destination::Kafka(kafka) => Some(Arc::clone(&kafka.progress)),
            Destination::Output(_) => None,
        };
        Store::new(topic, &self.options().name, &self.database)
    }

    /// A new sink, with nothing in flight. With Kafka transactions it ends those that an earlier one of this tap left open.
    pub(crate) async fn open_sink(&self, reports: Reports) -> Result<Sink> {
        match &self.shared.destination {
            Destination::Kafka(kafka) => match kafka.options.delivery {
                Delivery::AtLeastOnce => kafka.cluster.open_sink(&kafka.options, reports),
                Delivery::ExactlyOnce(_) => {
                    kafka.cluster.open_transactions(&kafka.options, &self.transactional_id(), reports).await
                }
            },
            Destination::Output(output) => Ok(Sink::Output(output.sink(reports))),
        }
    }

    /// Ends the Kafka transactions that a tap of exactly-once delivery may have left open, where this one has none.
    pub(crate) async fn fence(&self) -> Result<()> {
        match &self.shared.destination {
            Destination::Kafka(kafka) => {
                let id = self.transactional_id();
                kafka.cluster.open_transactions(&kafka.options, &id, Reports::default()).await.map(drop)
            }
            Destination::Output(_) => Ok(()),
        }
    }

    /// By this the transactions of this tap are known to Kafka, and those of no other.
    fn transactional_id(&self) -> String {
        let run = match self.options().snapshot {
            // It takes no slot, and may run beside the capture of this name.
            SnapshotMode::Only => "-snapshot",
            _ => "",
        };
        format!("waltap-{}-{}{run}", self.options().name, self.database)
    }

    /// How long a Kafka transaction of a snapshot may last, where there are any: half of what Kafka allows.
    pub(crate) fn transaction_budget(&self) -> Option<Duration> {
        match &self.shared.destination {
            Destination::Kafka(kafka) if kafka.options.delivery != Delivery::AtLeastOnce => {
                Some(kafka.options.client.transaction_timeout() / 2)
            }
            _ => None,
        }
    }

    /// The bounds of Kafka transactions, where there are any.
    pub(crate) fn transactions(&self) -> Option<TransactionBounds> {
        match &self.shared.destination {
            Destination::Kafka(KafkaDestination {
                options: KafkaSinkOptions { delivery: Delivery::ExactlyOnce(bounds), .. },
                ..
            }) => Some(*bounds),
            _ => None,
        }
    }

    /// Whether the choice of tables has this one. An extension's tables (PostGIS's `spatial_ref_sys`) are data of the extension, not the
    /// user's: they have to be named.
    pub(crate) fn wants(&self, table: &Table) -> bool {
        let tables = &self.options().tables;
        tables.matches(&table.schema, &table.name) && (table.extension.is_none() || !tables.included().is_empty())
    }

    /// The tables that are captured, of those with these OIDs, as they are now and as far as they are published.
    pub(crate) async fn tables(&self, sql: &Sql, oids: &[u32]) -> Result<Vec<Table>> {
        let mut tables = sql.tables_by_oid(oids).await?;
        tables.retain(|table| self.wants(table));
        match &self.options().publication {
            Some(name) => sql.published(name, tables).await,
            None => Ok(tables),
        }
    }

    /// The topics of tables (`schema`, `table`), claimed for them and made when they are missing. In the order of the question.
    pub(crate) async fn topics(&self, tables: &[(&str, &str)]) -> Result<Vec<Topic>> {
        let mut names = Vec::with_capacity(tables.len());
        for (schema, table) in tables {
            let topic = self.options().topic.topic(&self.database, schema, table)?;
            match self.options().topic.is_shared() {
                true => self.shared.claims.claim(&topic, "", "", "tables")?,
                false => self.shared.claims.claim(&topic, &self.database, schema, table)?,
            }
            names.push(topic);
        }
        self.ensure_topics(names).await
    }

    /// The topic of the database's logical messages, made when it is missing.
    pub(crate) async fn message_topic(&self) -> Result<Topic> {
        let name = format!("{}.message", self.database);
        let name = waltap_kafka::legal_topic_name(&name)?.into_owned();
        self.shared.claims.claim(&name, &self.database, "", "message")?;
        let mut topics = self.ensure_topics(vec![name]).await?;
        Ok(topics.swap_remove(0))
    }

    /// A topic for records that are no table's, made when it is missing. The databases of a capture may share it, for the same purpose.
    pub(crate) async fn side_topic(&self, name: &str, purpose: &str) -> Result<Topic> {
        self.side_topic_with(name, purpose, &[]).await
    }

    /// A topic that rows of outboxes name, made when it is missing. It may be a table's too: what rows name is for the user to say.
    pub(crate) async fn outbox_topic(&self, name: &str) -> Result<Topic> {
        let mut topics = self.ensure_topics(vec![outbox_topic_name(name)]).await?;
        Ok(topics.swap_remove(0))
    }

    /// The topic of tables' versions, made when it is missing: compacted, so that the last version of every table stays.
    pub(crate) async fn schema_topic(&self) -> Result<Option<Topic>> {
        match &self.options().schema_topic {
            Some(name) => self.side_topic_with(name, "schemas", &[("cleanup.policy", "compact")]).await.map(Some),
            None => Ok(None),
        }
    }

    async fn side_topic_with(&self, name: &str, purpose: &str, configuration: &[(&str, &str)]) -> Result<Topic> {
        let name = waltap_kafka::legal_topic_name(name)?.into_owned();
        self.shared.claims.claim(&name, "", "", purpose)?;
        let mut topics = self.ensure_topics_with(vec![name], configuration).await?;
        Ok(topics.swap_remove(0))
    }

    async fn ensure_topics(&self, names: Vec<String>) -> Result<Vec<Topic>> {
        self.ensure_topics_with(names, &[]).await
    }

    async fn ensure_topics_with(&self, names: Vec<String>, configuration: &[(&str, &str)]) -> Result<Vec<Topic>> {
        let Destination::Kafka(kafka) = &self.shared.destination else {
            return Ok(names.into_iter().map(|name| Topic { name, partitions: 1 }).collect());
        };
        let missing: Vec<TopicSpecification> = {
            let known = self.known_topics();
            // Tables may share a topic, which is asked for once.
            let names: BTreeSet<&String> = names.iter().collect();
            names
                .into_iter()
                .filter(|name| !known.contains_key(*name))
                .map(|name| TopicSpecification {
                    name: name.clone(),
                    partitions: kafka.options.partitions,
                    replication_factor: kafka.options.replication_factor,
                    configuration: configuration.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
                })
                .collect()
        };
        if !missing.is_empty() {
            let ensured = kafka.cluster.ensure(&missing, TOPICS_TIMEOUT).await?;
            self.known_topics().extend(ensured.into_iter().map(|topic| (topic.name, topic.partitions)));
        }
        let known = self.known_topics();
        let topic = |name: String| match known.get(&name) {
            Some(&partitions) => Ok(Topic { name, partitions }),
            None => Err(Error::configuration(Code::INTERNAL, format!("topic {name} was asked for and is not known"))),
        };
        names.into_iter().map(topic).collect()
    }

    /// Forgets the topics that Kafka was seen to have: one may have been deleted since.
    pub(crate) fn forget_topics(&self) {
        self.known_topics().clear();
    }

    fn known_topics(&self) -> MutexGuard<'_, HashMap<String, i32>> {
        self.known_topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
