//! Kafka, or what stands in for it where there is no Java.

use std::path::PathBuf;
use std::time::Duration;

use waltap_tests::{Kafka, Kit, Launch, Process, Result, Topics, free_port, wait_until};

/// Names the program of `tests/embedded-broker`; `scripts/demo.sh` sets it where no Kafka can be had.
const EMBEDDED_VARIABLE: &str = "E2E_EMBEDDED_BROKER";

/// The broker of the demo.
pub(crate) enum Broker {
    /// Apache Kafka.
    Kafka(Box<Kafka>),
    /// An embedded, Kafka-compatible one, without durability. It ends with its process.
    Embedded { port: u16, _process: Process },
}

impl Broker {
    pub(crate) async fn start(kit: &Kit) -> Result<Self> {
        let Some(program) = std::env::var_os(EMBEDDED_VARIABLE) else {
            return Ok(Broker::Kafka(Box::new(kit.kafka().await?)));
        };
        let port = free_port()?;
        let launch = Launch::new(PathBuf::from(program), kit.folder().join("broker.log"));
        let mut process = Process::start("the embedded broker", &launch.arguments(&[format!("127.0.0.1:{port}")]))?;
        let topics = Topics::new(format!("127.0.0.1:{port}"));
        wait_until("the embedded broker answers", Duration::from_secs(30), async || topics.names().await.map(|_| true)).await?;
        process.ensure_running()?;
        Ok(Broker::Embedded { port, _process: process })
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Broker::Kafka(kafka) => format!("Apache Kafka on port {}", kafka.port()),
            Broker::Embedded { port, .. } => format!("an embedded, Kafka-compatible broker on port {port} (not Apache Kafka)"),
        }
    }

    pub(crate) fn brokers(&self) -> String {
        match self {
            Broker::Kafka(kafka) => kafka.brokers(),
            Broker::Embedded { port, .. } => format!("127.0.0.1:{port}"),
        }
    }

    pub(crate) fn topics(&self) -> Topics {
        Topics::new(self.brokers())
    }
}
