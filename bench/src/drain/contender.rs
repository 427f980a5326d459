//! Who drains a slot.

use std::time::Duration;

use waltap_bench::foreign::wait_for_quiet;
use waltap_bench::sampler::Sampler;
use waltap_tests::{Result, Sql, wait_until};

use super::Bench;
use super::capture::{self, Manner, PLAIN};
use super::clients::decode;
use super::connect::{self, Tuning, warm_up_slot};
use super::mq_bridge;
use super::replay::replay;
use super::watch::Drained;

/// A drain that takes longer has broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(900);

/// One way to drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// PostgreSQL's own client, to nowhere: what everything is measured against.
    PgRecvlogical,
    /// The barest client, by its manner of reading.
    Bare { manner: &'static str, over_socket: bool },
    /// Decoding without sending: an SQL function of the server.
    Decoding,
    /// The barest producer, of the records that waltap makes.
    Producer,
    /// Into Kafka, whole way.
    Waltap(Manner),
    /// Debezium in Kafka Connect, into Kafka.
    Debezium(Tuning),
    /// Another free program, into Kafka.
    MqBridge,
}

pub(crate) const CONTENDERS: [Contender; 14] = [
    Contender::PgRecvlogical,
    Contender::Bare { manner: "eager", over_socket: false },
    Contender::Bare { manner: "gathering", over_socket: false },
    Contender::Bare { manner: "gathering", over_socket: true },
    Contender::Decoding,
    Contender::Producer,
    Contender::Waltap(PLAIN),
    Contender::Waltap(Manner { over_socket: true, ..PLAIN }),
    Contender::Waltap(Manner { delivery: "exactly-once", ..PLAIN }),
    Contender::Waltap(Manner { format: "flat", ..PLAIN }),
    Contender::Waltap(Manner { format: "debezium", ..PLAIN }),
    Contender::Debezium(Tuning::Default),
    Contender::Debezium(Tuning::Tuned),
    Contender::MqBridge,
];

impl Contender {
    /// Fails with what to do where something that it needs is not installed.
    pub(crate) fn ensure_installed(&self) -> Result {
        match self {
            Contender::Debezium(_) => connect::home().map(drop),
            Contender::MqBridge => mq_bridge::home().map(drop),
            _ => Ok(()),
        }
    }

    /// Without commas, which stand between the names in `CONTENDERS`.
    pub(crate) fn name(&self) -> String {
        let over = |over_socket: bool| if over_socket { " socket" } else { "" };
        match self {
            Contender::PgRecvlogical => "pg_recvlogical".to_owned(),
            Contender::Bare { manner, over_socket } => format!("bare client {manner}{}", over(*over_socket)),
            Contender::Decoding => "decoding alone".to_owned(),
            Contender::Producer => "bare producer".to_owned(),
            Contender::Waltap(manner) => format!("waltap {} {}{}", manner.delivery, manner.format, over(manner.over_socket)),
            Contender::Debezium(tuning) => format!("Debezium {}", tuning.name()),
            Contender::MqBridge => "mq-bridge".to_owned(),
        }
    }

    /// The name of its slot, or of its capture, in a round. Slots have short names.
    pub(crate) fn slot(&self, bench: &Bench<'_>, round: usize) -> String {
        let place = CONTENDERS.iter().position(|contender| contender == self).unwrap_or_default();
        format!("{}_{place}_{}{round}", bench.workload.name, bench.route.path.slug())
    }

    /// Whether the path to the server is a matter of it: not by the socket, nor where the server itself or Kafka alone is at work.
    pub(crate) fn takes_a_path(&self) -> bool {
        match self {
            Contender::PgRecvlogical => true,
            Contender::Bare { over_socket, .. } => !over_socket,
            Contender::Waltap(manner) => !manner.over_socket,
            Contender::Decoding | Contender::Producer | Contender::Debezium(_) | Contender::MqBridge => false,
        }
    }

    /// How it captures, where waltap is part of it.
    pub(crate) fn manner(&self) -> Option<Manner> {
        match self {
            Contender::Waltap(manner) => Some(*manner),
            Contender::Producer => Some(PLAIN),
            _ => None,
        }
    }

    /// Makes its slots, where waltap does not.
    pub(crate) async fn prepare(&self, bench: &Bench<'_>, sql: &Sql, round: usize) -> Result {
        let slot = self.slot(bench, round);
        let slots = match self {
            Contender::Waltap(_) | Contender::Producer => vec![],
            Contender::Debezium(_) => vec![warm_up_slot(&slot), slot],
            _ => vec![slot],
        };
        for slot in slots {
            sql.rows(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await?;
        }
        Ok(())
    }

    /// Drains up to the end of the log, once, when the machine is quiet.
    pub(crate) async fn drain(&self, bench: &Bench<'_>, round: usize, end: &str) -> Result<Drained> {
        wait_for_quiet().await?;
        let slot = self.slot(bench, round);
        let sampler = Sampler::start();
        let drained = match self {
            Contender::Decoding => decode(bench, &sampler, &slot).await?,
            Contender::Producer => replay(bench, &sampler, &slot, end).await?,
            Contender::Waltap(manner) => manner.capture_all(bench, &sampler, &slot, end).await?,
            Contender::Debezium(tuning) => tuning.drain(bench, &sampler, &slot).await?,
            Contender::MqBridge => mq_bridge::drain(bench, &sampler, &slot).await?,
            Contender::PgRecvlogical | Contender::Bare { .. } => self.read_all(bench, &sampler, &slot, end).await?,
        };
        sampler.stop()?;
        clean_up(bench, &slot, self.manner().is_some()).await?;
        Ok(drained)
    }

    /// Whether Kafka has a part in it.
    pub(crate) fn fills_topics(&self) -> bool {
        !matches!(self, Contender::PgRecvlogical | Contender::Bare { .. } | Contender::Decoding)
    }
}

/// Removes a slot, or that of a capture, and the records.
pub(crate) async fn clean_up(bench: &Bench<'_>, slot: &str, is_capture: bool) -> Result {
    let sql = bench.postgres.sql("postgres").await?;
    let slot = if is_capture { capture::slot(&sql, slot).await? } else { slot.to_owned() };
    wait_until("the slot is free", DEADLINE, async || {
        sql.rows(&format!("SELECT pg_drop_replication_slot('{slot}')")).await.map(|_| true)
    })
    .await?;
    bench.topics.empty().await
}
