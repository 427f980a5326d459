//! The stage: both servers, the wires to them, and waltap between; and what breaks them.
//!
//! A crash is that of a process: what it had handed to the kernel is not lost with it. So PostgreSQL runs without fsync, and one broker is
//! enough for acks=all, and still both keep through kill -9 all that they have acknowledged.

use std::time::Duration;

use waltap_tests::checker::Delivery;
use waltap_tests::{Kafka, KafkaOptions, Kit, Postgres, PostgresOptions, Proxy, Result, TopicEnds, Waltap, free_port};

use crate::fault::{Fault, Wire, WireFault};
use crate::sampler::Sampler;
use crate::workload::{self, UNSEEN};

/// Partitions of each topic.
pub(crate) const PARTITIONS: i32 = 3;

/// Where a transaction is parted over several of Kafka's: early, so that the large ones of the workload are.
const SPLIT_BYTES: &str = "1MiB";

/// What was done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) waltap_kills: u64,
    pub(crate) broker_kills: u64,
    pub(crate) server_kills: u64,
    pub(crate) other: u64,
}

impl Deeds {
    /// How many kills these are, of whatever.
    pub(crate) fn kills(&self) -> u64 {
        self.waltap_kills + self.broker_kills + self.server_kills
    }

    /// What was done since.
    pub(crate) fn since(&self, earlier: &Deeds) -> Deeds {
        Deeds {
            waltap_kills: self.waltap_kills - earlier.waltap_kills,
            broker_kills: self.broker_kills - earlier.broker_kills,
            server_kills: self.server_kills - earlier.server_kills,
            other: self.other - earlier.other,
        }
    }

    pub(crate) fn add(&mut self, more: &Deeds) {
        self.waltap_kills += more.waltap_kills;
        self.broker_kills += more.broker_kills;
        self.server_kills += more.server_kills;
        self.other += more.other;
    }
}

/// See the module's documentation.
pub(crate) struct Stage<'a> {
    kit: &'a Kit,
    pub(crate) postgres: Postgres,
    pub(crate) kafka: Kafka,
    pub(crate) postgres_wire: Proxy,
    pub(crate) kafka_wire: Proxy,
    pub(crate) deeds: Deeds,
    pub(crate) delivery: Delivery,
    arguments: Vec<String>,
    /// What waltap finds in its environment, beside what the tests run in.
    pub(crate) environment: Vec<(String, String)>,
}

impl<'a> Stage<'a> {
    /// Starts the servers and the wires.
    pub(crate) async fn set(kit: &'a Kit, delivery: Delivery, options: PostgresOptions) -> Result<Self> {
        let through_port = free_port()?;
        let kafka_options = KafkaOptions { through_port: Some(through_port), ..KafkaOptions::default() };
        let (postgres, kafka) = tokio::join!(kit.postgres_with(options), kit.kafka_with(kafka_options));
        let (postgres, kafka) = (postgres?, kafka?);
        // Both sides of a dead wire notice it within seconds.
        postgres.sql("postgres").await?.run("ALTER ROLE postgres SET wal_sender_timeout = '4s'").await?;
        let postgres_wire = Proxy::start(postgres.port()).await?;
        let kafka_wire = Proxy::start_on(through_port, kafka.inner_port()).await?;
        // A broker that does not answer is given up as soon as the server is.
        let arguments = ["--kafka-property", "socket.timeout.ms=8000"].map(str::to_owned).to_vec();
        let deeds = Deeds::default();
        Ok(Stage { kit, postgres, kafka, postgres_wire, kafka_wire, deeds, delivery, arguments, environment: Vec::new() })
    }

    /// Gives waltap more arguments, from its next start on.
    pub(crate) fn with_arguments(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    }

    /// Starts a waltap that captures a database of the workload, through the wires.
    pub(crate) fn capture(&self, database: &str) -> Result<Waltap> {
        let source = self.postgres.url_through("postgres", self.postgres_wire.port());
        let (brokers, partitions, delivery) = (self.kafka.brokers(), PARTITIONS.to_string(), self.delivery.to_string());
        let mut arguments = vec!["capture", "--source", &source, "--brokers", &brokers, "--database", database];
        arguments.extend(["--exclude-table", UNSEEN, "--partitions", &partitions, "--streaming", "on"]);
        if self.delivery == Delivery::ExactlyOnce {
            arguments.extend(["--delivery", &delivery, "--transaction-max-bytes", SPLIT_BYTES]);
        }
        arguments.extend(self.arguments.iter().map(String::as_str));
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.kit.waltap(&arguments, &environment)
    }

    /// Starts looking at the slot and the topics of a database.
    pub(crate) fn watch(&self, database: &str) -> Result<Sampler> {
        let brokers = format!("127.0.0.1:{}", self.kafka.port());
        let ends = TopicEnds::new(&brokers, workload::topics(database), PARTITIONS)?;
        Ok(Sampler::start(self.postgres.port(), database, ends))
    }

    /// Does it, and undoes it where it is to be undone. `meanwhile` is done in the middle of what lasts.
    pub(crate) async fn inflict(&mut self, waltap: &mut Waltap, fault: Fault, meanwhile: Option<Fault>) -> Result {
        match fault {
            Fault::KillWaltap => {
                waltap.kill().await?;
                waltap.start_again()?;
                self.deeds.waltap_kills += 1;
            }
            Fault::StopWaltap => {
                waltap.stop_cleanly().await?;
                waltap.start_again()?;
                self.deeds.other += 1;
            }
            Fault::PauseWaltap(lasting) => {
                waltap.process().pause()?;
                tokio::time::sleep(lasting).await;
                waltap.process().resume()?;
                self.deeds.other += 1;
            }
            Fault::KillBroker(down) => {
                self.kafka.kill().await?;
                tokio::time::sleep(down).await;
                self.kafka.start_again().await?;
                self.deeds.broker_kills += 1;
            }
            Fault::PauseBroker(lasting) => {
                self.kafka.pause()?;
                tokio::time::sleep(lasting).await;
                self.kafka.resume()?;
                self.deeds.other += 1;
            }
            Fault::KillServer(down) => {
                self.postgres.kill().await?;
                tokio::time::sleep(down).await;
                self.postgres.start_again().await?;
                self.deeds.server_kills += 1;
            }
            Fault::BreakWire(wire, fault, lasting) => {
                break_wire(self.wire(wire), fault);
                tokio::time::sleep(lasting / 2).await;
                if let Some(kill) = meanwhile {
                    Box::pin(self.inflict(waltap, kill, None)).await?;
                }
                tokio::time::sleep(lasting / 2).await;
                self.wire(wire).heal();
                self.deeds.other += 1;
            }
        }
        Ok(())
    }

    fn wire(&self, wire: Wire) -> &Proxy {
        match wire {
            Wire::Postgres => &self.postgres_wire,
            Wire::Kafka => &self.kafka_wire,
        }
    }
}

fn break_wire(proxy: &Proxy, fault: WireFault) {
    match fault {
        WireFault::Cut => proxy.cut(),
        WireFault::Down => {
            proxy.refuse(true);
            proxy.cut();
        }
        WireFault::Late(delay) => proxy.delay(delay, delay),
        WireFault::Narrow(bytes_per_second) => proxy.throttle(Some(bytes_per_second)),
        WireFault::Frozen => proxy.freeze(true),
        WireFault::HalfFrozen(direction) => proxy.freeze_one(direction, true),
        WireFault::HalfClosed(side) => proxy.abandon(side),
    }
}

/// How long the slot may stay where it is, with everything mended and the writers at rest: several of waltap's longest waits.
pub(crate) const TO_THE_END: Duration = Duration::from_secs(90);
