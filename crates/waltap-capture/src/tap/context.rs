//! What a tap has for its whole life, whatever becomes of its connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use waltap_error::{Code, Error, Result};
use waltap_postgres::catalog::Table;

use super::Covered;
use super::dead_letters::Letters;
use super::sent::LastSent;
use super::standby::Recovery;
use super::topics::KnownTopics;
use crate::board::Board;
use crate::guard::GivenUp;
use crate::kafka::{Cluster, ProgressTopic};
use crate::metrics::Metrics;
use crate::naming::TopicClaims;
use crate::options::{Delivery, KafkaSinkOptions, Options, SnapshotMode, TransactionBounds};
use crate::progress::Store;
use crate::requests::{Answered, Requested, Requests};
use crate::sink::{Output, Reports, Sink};
use crate::source::{Replication, Server, Sql};

/// How long Kafka may take to say which cluster it is.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(30);

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
    /// What is requested of each tap.
    pub(crate) requests: Requests,
}

/// Where the events of all taps go.
#[derive(Debug)]
pub(crate) enum Destination {
    Kafka(Box<KafkaDestination>),
    Output(Output),
}

#[derive(Debug)]
pub(crate) struct KafkaDestination {
    /// With the queue's bytes already shared out among the taps.
    pub(crate) options: KafkaSinkOptions,
    pub(crate) cluster: Cluster,
    /// The cluster's id when the capture was started, where it has one.
    pub(crate) cluster_id: Option<String>,
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
    /// What is requested of the tap, now and later.
    pub(crate) requested: watch::Receiver<Arc<Requested>>,
    /// Where columns are hidden, they stay so.
    pub(crate) covered: Covered,
    pub(super) topics: KnownTopics,
    pub(super) sent: LastSent,
    pub(super) letters: Letters,
    pub(crate) recovery: Recovery,
    pub(super) answered: Answered,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, database: String, name: String, slot: String, board: Arc<Board>) -> Self {
        let requested = shared.requests.of(&database);
        Context {
            shared,
            database,
            name,
            slot,
            board,
            requested,
            covered: Covered::default(),
            topics: KnownTopics::default(),
            sent: LastSent::default(),
            letters: Letters::default(),
            recovery: Recovery::default(),
            answered: Answered::default(),
        }
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

    /// Opens a session for replication commands in the tap's database, and for changes of so many bytes on average, if that is known.
    pub(crate) async fn replication(&self, change_bytes: Option<u64>) -> Result<Replication> {
        self.shared.server.replication(&self.database, change_bytes).await
    }

    pub(crate) fn store(&self) -> Store {
        let topic = match &self.shared.destination {
            Destination::Kafka(kafka) => Some(Arc::clone(&kafka.progress)),
            Destination::Output(_) => None,
        };
        Store::new(topic, &self.options().name, &self.database)
    }

    /// A new sink, with nothing in flight, for so many topics or more. With Kafka transactions it ends those that an earlier one of this tap left
    /// open.
    pub(crate) async fn open_sink(&self, reports: Reports, topics: usize) -> Result<Sink> {
        self.open_dead_letters().await?;
        match &self.shared.destination {
            Destination::Kafka(kafka) => {
                reports.tell_verdicts(self.letters.verdicts.clone());
                let mut options = self.sink_options(kafka, topics);
                match options.delivery {
                    Delivery::AtLeastOnce => kafka.cluster.open_sink(&options, reports),
                    // Who reads committed records waits for the commit, and that for no batch.
                    Delivery::ExactlyOnce(_) => {
                        options.client = options.client.for_throughput(options.partitions);
                        kafka.cluster.open_transactions(&options, &self.transactional_id(), reports).await
                    }
                }
            }
            Destination::Output(output) => Ok(Sink::Output(output.sink(reports))),
        }
    }

    /// Where rows go that are read in bulk: at least once a sink of their own, beside one that is open. Of Kafka transactions there is one at a
    /// time, since another would end what it has begun.
    pub(crate) fn bulk_sink(&self, sink: &Arc<Sink>, reports: &Reports) -> Result<Arc<Sink>> {
        match &self.shared.destination {
            Destination::Kafka(kafka) if kafka.options.delivery == Delivery::AtLeastOnce => {
                let mut options = self.sink_options(kafka, 0);
                options.client = options.client.for_throughput(options.partitions);
                Ok(Arc::new(kafka.cluster.open_sink(&options, reports.clone())?))
            }
            Destination::Kafka(_) | Destination::Output(_) => Ok(Arc::clone(sink)),
        }
    }

    fn sink_options(&self, kafka: &KafkaDestination, topics: usize) -> KafkaSinkOptions {
        let mut options = kafka.options.clone();
        options.client = options.client.for_topics(topics.max(self.board.facts().tables));
        if let Some(bytes) = self.letters.rooms.smallest() {
            options.client = options.client.with_batch_bytes(bytes);
        }
        options
    }

    /// The id of the Kafka cluster, where it has one. Asked anew each time: the brokers' names may lead elsewhere by now, to where nothing is
    /// known of this capture.
    pub(crate) async fn same_cluster(&self) -> Result<Option<String>> {
        let Destination::Kafka(kafka) = &self.shared.destination else { return Ok(None) };
        let now = kafka.cluster.id(CLUSTER_TIMEOUT).await?;
        match (&kafka.cluster_id, &now) {
            (Some(before), Some(now)) if before != now => Err(Error::configuration(
                Code::OTHER_CLUSTER,
                format!("the brokers lead to the Kafka cluster {now}, and when the capture was started it was {before}"),
            )
            .remedy("correct --brokers, or the names that they are known by, and start the capture again")),
            _ => Ok(now),
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
        let Destination::Kafka(kafka) = &self.shared.destination else { return None };
        match kafka.options.delivery {
            Delivery::ExactlyOnce(bounds) => Some(bounds),
            Delivery::AtLeastOnce => None,
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
}
