//! A Kafka of several brokers, each of which can be broken by itself.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{Kafka, KafkaOptions, START_DEADLINE, copy_formatted, kafka_home, launch};
use crate::topics::blocking;
use crate::{Failure, Process, Result, TempFolder, Topics, free_port, wait_until};

/// The brokers: as many as the replicas that production has of each partition.
const BROKERS: u32 = 3;

/// The node that is the controller and no broker, so that every broker may die.
const CONTROLLER_ID: u32 = 100;

/// Four nodes share the memory of a machine, and hold little.
pub(super) const NODE_HEAP: &str = "-Xmx192m";

/// What a broker remembers keys in while it compacts: 128 MB by default, at once.
const CLEANER_BYTES: u32 = 4 << 20;

/// How long a broker may take to answer which brokers and leaders there are.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// A node of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Node {
    id: u32,
    controller_port: u16,
}

impl Node {
    /// What its data folder says of it. Its id alone tells its folder from those of the others.
    pub(super) fn identity(&self) -> [(&'static str, String); 2] {
        // Twenty-two characters of base64, as an id of 16 bytes has.
        [("node.id", self.id.to_string()), ("directory.id", format!("bm9kZS1vZi10aGUta2{:03}A", self.id))]
    }

    /// What a broker and the controller are told alike.
    pub(super) fn properties(&self) -> String {
        let Node { id, controller_port } = self;
        format!(
            "\nnode.id={id}\ncontroller.quorum.voters={CONTROLLER_ID}@127.0.0.1:{controller_port}\n\
             default.replication.factor={BROKERS}\nmin.insync.replicas=2\n\
             offsets.topic.replication.factor={BROKERS}\n\
             transaction.state.log.replication.factor={BROKERS}\ntransaction.state.log.min.isr=2\n\
             log.cleaner.dedupe.buffer.size={CLEANER_BYTES}\n"
        )
    }
}

/// Three brokers and a controller. Topics have three replicas unless they ask for fewer, of which two must be in sync.
#[derive(Debug)]
pub struct KafkaCluster {
    brokers: Vec<Kafka>,
    // Ends before its folder is removed.
    _controller: Process,
    _folder: TempFolder,
}

impl KafkaCluster {
    /// Starts one; returns when all its brokers are there. `log` names the logs of its nodes, the controller's first.
    pub async fn start(log: impl Fn() -> PathBuf) -> Result<Self> {
        let home = kafka_home()?;
        let folder = TempFolder::new()?;
        let controller_port = free_port()?;
        let data = folder.path().join("data");
        let node = |id| Node { id, controller_port };
        copy_formatted(&home, &data, &node(CONTROLLER_ID).identity())?;
        let properties = include_str!("../../../scripts/kafka/server.properties")
            .replace("@CONTROLLER_PORT@", &controller_port.to_string())
            .replace("@DATA@", &data.display().to_string());
        let properties = format!(
            "{properties}{}\nprocess.roles=controller\nlisteners=CONTROLLER://127.0.0.1:{controller_port}\n\
             advertised.listeners=CONTROLLER://127.0.0.1:{controller_port}\n",
            node(CONTROLLER_ID).properties()
        );
        let file = folder.path().join("server.properties");
        fs::write(&file, properties)?;
        let controller = Process::start("the controller", &launch(&home, &log(), &file, &[NODE_HEAP.to_owned()]))?;
        let prepare = |id| Kafka::prepare(&KafkaOptions::default(), Some(&node(id)), log());
        let mut brokers = (1..=BROKERS).map(prepare).collect::<Result<Vec<Kafka>>>()?;
        for broker in &mut brokers {
            broker.launch()?;
        }
        for broker in &mut brokers {
            broker.wait_answering().await?;
        }
        let cluster = KafkaCluster { brokers, _controller: controller, _folder: folder };
        wait_until("every broker is known", START_DEADLINE, async || Ok(cluster.brokers_known().await? == BROKERS as usize))
            .await?;
        Ok(cluster)
    }

    /// What `--brokers` takes.
    pub fn brokers(&self) -> String {
        let brokers: Vec<String> = self.brokers.iter().map(Kafka::brokers).collect();
        brokers.join(",")
    }

    /// What is in it.
    pub fn topics(&self) -> Topics {
        Topics::new(self.brokers())
    }

    /// One of the brokers, by the number that [`KafkaCluster::leader`] gives.
    pub fn broker(&mut self, number: usize) -> Result<&mut Kafka> {
        self.brokers.get_mut(number).ok_or_else(|| Failure::new(format!("there is no broker {number}")))
    }

    /// Which broker leads a topic's first partition.
    pub async fn leader(&self, topic: &str) -> Result<usize> {
        let (_, leader, _) = self.look(topic).await?;
        usize::try_from(leader - 1).map_err(|_| Failure::new(format!("nobody leads {topic}")))
    }

    /// How many replicas a topic's first partition has, and how many of them are in sync.
    pub async fn replicas(&self, topic: &str) -> Result<(usize, usize)> {
        let (_, _, replicas) = self.look(topic).await?;
        Ok(replicas)
    }

    async fn brokers_known(&self) -> Result<usize> {
        let brokers = self.brokers();
        blocking(move || Ok(client(&brokers)?.fetch_metadata(None, METADATA_TIMEOUT)?.brokers().len())).await
    }

    async fn look(&self, topic: &str) -> Result<(usize, i32, (usize, usize))> {
        let (brokers, topic) = (self.brokers(), topic.to_owned());
        blocking(move || {
            let metadata = client(&brokers)?.fetch_metadata(Some(&topic), METADATA_TIMEOUT)?;
            let partition = metadata.topics().first().and_then(|topic| topic.partitions().first());
            let partition = partition.ok_or_else(|| Failure::new(format!("nothing is known of topic {topic}")))?;
            Ok((metadata.brokers().len(), partition.leader(), (partition.replicas().len(), partition.isr().len())))
        })
        .await
    }
}

fn client(brokers: &str) -> Result<BaseConsumer> {
    Ok(ClientConfig::new().set("bootstrap.servers", brokers).create()?)
}
