//! What a tap has for its whole life, whatever becomes of its connections.

use std::sync::Arc;
use std::time::Duration;

use waltap_error::Result;
use waltap_postgres::catalog::Table;

use super::Covered;
use super::topics::KnownTopics;
use crate::board::Board;
use crate::guard::GivenUp;
use crate::kafka::{Cluster, ProgressTopic};
use crate::metrics::Metrics;
use crate::naming::TopicClaims;
use crate::options::{Delivery, KafkaSinkOptions, Options, SnapshotMode, TransactionBounds};
use crate::progress::Store;
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
    pub(super) topics: KnownTopics,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, database: String, name: String, slot: String, board: Arc<Board>) -> Self {
        Context { shared, database, name, slot, board, covered: Covered::default(), topics: KnownTopics::default() }
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

    /// The id of the Kafka cluster, where it has one. Asked anew each time: the brokers' names may lead elsewhere by now.
    pub(crate) async fn cluster_id(&self) -> Result<Option<String>> {
        match &self.shared.destination {
            Destination::Kafka(kafka) => kafka.cluster.id(CLUSTER_TIMEOUT).await,
            Destination::Output(_) => Ok(None),
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
}
