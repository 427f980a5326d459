//! The simulated side of [`crate::kafka::Cluster`].

use std::time::Duration;

use waltap_error::{Code, Error, Result};
use waltap_kafka::{EnsuredTopic, TopicSpecification};

use super::super::world::World;
use super::Producer;
use crate::sink::{Reports, Sink};

/// The cluster, as one run of waltap reaches it.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(in crate::model) world: World,
}

impl Cluster {
    pub(crate) async fn ensure(&self, wanted: &[TopicSpecification], timeout: Duration) -> Result<Vec<EnsuredTopic>> {
        self.world.round_trip().await;
        if !self.world.lock().kafka.up {
            tokio::time::sleep(timeout).await;
        }
        let state = &mut *self.world.lock();
        if !state.kafka.up || state.fault(1) {
            return Err(Error::transient(Code::BROKERS, "asking the simulated cluster for its topics"));
        }
        let ensure = |topic: &TopicSpecification| {
            let partitions = *state.kafka.topics.entry(topic.name.clone()).or_insert(topic.partitions);
            EnsuredTopic { name: topic.name.clone(), partitions, created: false }
        };
        Ok(wanted.iter().map(ensure).collect())
    }

    pub(crate) fn open_sink(&self, reports: Reports) -> Sink {
        Sink::Simulated(Producer::start(self.world.clone(), None, reports))
    }

    /// Fences every producer of this id, and rolls back what they left open.
    pub(crate) async fn open_transactions(&self, id: &str, reports: Reports, patience: Duration) -> Result<Sink> {
        let failed = || Error::transient(Code::BROKERS, "joining the transactions of the simulated cluster");
        self.world.round_trip().await;
        let reached = async {
            while !self.world.lock().kafka.up {
                self.world.kafka_moves().await;
            }
        };
        tokio::time::timeout(patience, reached).await.map_err(|_| failed())?;
        {
            let state = &mut *self.world.lock();
            state.fence(id);
            if state.fault(1) {
                return Err(failed());
            }
        }
        self.world.kafka_moved();
        Ok(Sink::Simulated(Producer::start(self.world.clone(), Some(id.to_owned()), reports)))
    }
}
