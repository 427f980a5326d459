//! The kit of the end-to-end tests: it starts a private PostgreSQL, a real Kafka and waltap itself on free loopback ports, breaks
//! them on purpose, and judges what arrived by rebuilding every table from the topics alone.
//!
//! ```no_run
//! use waltap_tests::{Result, run};
//!
//! # fn main() -> Result {
//! run("arrives", async |kit| {
//!     let postgres = kit.postgres().await?;
//!     let kafka = kit.kafka().await?;
//!     postgres.sql("postgres").await?.run("CREATE TABLE a (id int PRIMARY KEY)").await?;
//!     let mut waltap = kit.capture(&postgres, &kafka, &["--database", "postgres"])?;
//!     waltap.wait_ready().await
//! })
//! # }
//! ```
//!
//! Every server dies with the process of the test, however that ends, and its folder is removed, by the next run at the latest.

mod certificates;
pub mod checker;
mod clock;
mod failure;
mod folder;
mod http;
mod kafka;
mod kafka_rights;
mod kit;
pub mod oracle;
mod pooler;
mod ports;
mod postgres;
mod process;
mod proxy;
mod random;
mod small_disk;
mod sql;
mod topic_ends;
mod topics;
mod wait;
mod waltap;

pub use certificates::Certificates;
pub use clock::Clock;
pub use failure::{Failure, Result};
pub use folder::TempFolder;
pub use http::{Response, get};
pub use kafka::{Kafka, KafkaCluster, KafkaOptions};
pub use kafka_rights::{Operation, Pattern, Resource};
pub use kit::{Kit, run, run_within};
pub use pooler::Pooler;
pub use ports::free_port;
pub use postgres::{Pair, Postgres, PostgresOptions, repository};
pub use process::{Launch, Process, open_file_bytes};
pub use proxy::{Direction, Proxy, Side};
pub use random::Random;
pub use small_disk::SmallDisk;
pub use sql::Sql;
pub use topic_ends::TopicEnds;
pub use topics::{PROGRESS, Record, Topics};
pub use wait::{wait_for, wait_until};
pub use waltap::{Output, Waltap, waltap_binary};
