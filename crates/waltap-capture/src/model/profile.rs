//! What kind of world a seed makes: how slow, how broken, how busy.

use std::time::Duration;

use super::random::Random;
use crate::options::{Delivery, TransactionBounds};

#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// The longest ordinary answer of a server.
    pub(super) round_trip_millis: u64,
    /// The longest ordinary way of a record into Kafka, and of its report back.
    pub(super) delivery_millis: u64,
    /// How many bytes a producer's queue holds.
    pub(super) queue_bytes: u64,
    pub(super) partitions: i32,
    pub(super) tables: u64,
    /// Rows of each table before the capture begins, at most.
    pub(super) rows_max: u64,
    /// Steps of the writers: beginnings, changes, ends.
    pub(super) writer_steps: u64,
    /// The longest pause between two of them.
    pub(super) writer_pause_millis: u64,
    /// How many of a hundred steps truncate a table, or rewrite it.
    pub(super) alters_percent: u64,
    /// How many of these rewrite it, and leave its rows.
    pub(super) rewrites_percent: u64,
    pub(super) discovery_millis: u64,
    /// How many runs of waltap end by force or by request, before one is left to finish.
    pub(super) ends: u64,
    /// The longest such run.
    pub(super) lifetime_millis: u64,
    /// How many faults of the two systems there are.
    pub(super) faults: u64,
    pub(super) fault_pause_millis: u64,
    /// Before PostgreSQL 15 transactions of which nothing is published are told of too.
    pub(super) tells_empty_transactions: bool,
    pub(super) messages: bool,
    pub(super) tombstones: bool,
    pub(super) workers: usize,
    pub(super) deliveries: Deliveries,
    pub(super) bounds: TransactionBounds,
    /// With so many changes waiting the server sends those of an open transaction; `None`: it sends none before its commit.
    pub(super) streams_after: Option<usize>,
    pub(super) spill_bytes: usize,
    /// Whether tables that join are read in chunks.
    pub(super) chunks: bool,
    pub(super) chunk_rows: u64,
    /// How often a table is to be read again, between two runs.
    pub(super) repairs_percent: u64,
    /// How many commits of a hundred are visible later than logged, and how much later at most.
    pub(super) late_percent: u64,
    pub(super) late_millis: u64,
    /// How often somebody pauses a table, or lets it go on.
    pub(super) pauses: u64,
    /// How many updates of a hundred leave the value out.
    pub(super) unchanged_percent: u64,
}

/// How each run of waltap delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deliveries {
    AtLeastOnce,
    ExactlyOnce,
    /// Now so, now so.
    Either,
}

impl Profile {
    /// How a run delivers.
    pub(super) fn delivery(&self, random: &mut Random) -> Delivery {
        let exactly_once = match self.deliveries {
            Deliveries::AtLeastOnce => false,
            Deliveries::ExactlyOnce => true,
            Deliveries::Either => random.percent(50),
        };
        if exactly_once { Delivery::ExactlyOnce(self.bounds) } else { Delivery::AtLeastOnce }
    }

    pub(super) fn choose(random: &mut Random) -> Self {
        let messages = random.percent(40);
        let slow = random.percent(25);
        let (chunks, repairs) = (random.percent(40), random.percent(40));
        let delivery_max = if random.percent(30) { 300 } else { 30 };
        Profile {
            round_trip_millis: if slow { 150 } else { random.between(1, 15) },
            delivery_millis: random.between(1, delivery_max),
            queue_bytes: random.between(1, 20) * 1_000,
            partitions: random.between(1, 3) as i32,
            tables: random.between(1, 3),
            rows_max: random.between(0, 12),
            writer_steps: random.between(10, 120),
            writer_pause_millis: random.between(1, 120),
            rewrites_percent: 40,
            alters_percent: if random.percent(20) { random.between(5, 25) } else { 2 },
            discovery_millis: random.between(200, 2_000),
            ends: random.below(6),
            lifetime_millis: if random.percent(40) { 600 } else { 5_000 },
            faults: random.below(8),
            fault_pause_millis: random.between(50, 2_000),
            tells_empty_transactions: random.percent(50),
            messages,
            tombstones: random.percent(30),
            workers: random.between(1, 3) as usize,
            deliveries: match random.below(5) {
                0..=1 => Deliveries::AtLeastOnce,
                2..=3 => Deliveries::ExactlyOnce,
                _ => Deliveries::Either,
            },
            bounds: TransactionBounds {
                latency_max: Duration::from_millis(random.between(1, 1_000)),
                bytes_max: random.between(1, 4_000),
            },
            streams_after: (!messages && random.percent(60)).then(|| random.between(1, 12) as usize),
            spill_bytes: if random.percent(10) { 0 } else { random.between(1, 3_000) as usize },
            chunks,
            chunk_rows: random.between(1, 5),
            repairs_percent: if repairs { 60 } else { 0 },
            late_percent: if random.percent(60) { 0 } else { random.between(5, 60) },
            late_millis: random.between(1, 4_000),
            pauses: 0,
            unchanged_percent: if (chunks || repairs) && random.percent(60) { random.between(10, 60) } else { 0 },
        }
    }
}
