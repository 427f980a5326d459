//! What a running capture says of itself, as `/status` shows it and `waltap status` reads it.

use serde::{Deserialize, Serialize};

use crate::alarm::AlarmStatus;

/// A whole capture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaptureStatus {
    /// The capture's name.
    pub capture: String,
    /// waltap's version.
    pub version: String,
    /// The server, without a password.
    pub source: String,
    /// Whether every tap streams and Kafka answers.
    pub ready: bool,
    /// Why the capture has not started yet: code, message and causes.
    #[serde(default)]
    pub error: Option<String>,
    /// What to do about it.
    #[serde(default)]
    pub remedy: Option<String>,
    /// What somebody should look at, by database.
    #[serde(default)]
    pub alarms: Vec<AlarmStatus>,
    /// The taps, by database.
    pub taps: Vec<TapStatus>,
}

/// Where a tap stands in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TapState {
    /// Connecting, checking, making the publication and the slot.
    #[default]
    Starting,
    /// No table is wanted here so far; looking for one.
    Idle,
    /// Reading existing rows.
    Snapshot,
    /// Sending changes as they come.
    Streaming,
    /// Waiting after a transient error, to try again.
    Waiting,
    /// Another process works with the slot: waiting to take over.
    Standby,
    /// Resting, as asked: the slot is kept, and nothing is sent.
    Paused,
    /// Ended by an error that somebody must mend.
    Failed,
    /// Ended as asked.
    Stopped,
}

impl TapState {
    /// Every state, for metrics that show one series a state.
    pub const ALL: [TapState; 9] = [
        TapState::Starting,
        TapState::Idle,
        TapState::Snapshot,
        TapState::Streaming,
        TapState::Waiting,
        TapState::Standby,
        TapState::Paused,
        TapState::Failed,
        TapState::Stopped,
    ];

    /// Whether a tap in it does what it should.
    pub fn is_well(self) -> bool {
        matches!(self, TapState::Streaming | TapState::Snapshot | TapState::Idle | TapState::Standby | TapState::Paused)
    }

    /// The word used in logs, metrics and the status page.
    pub fn as_str(self) -> &'static str {
        match self {
            TapState::Starting => "starting",
            TapState::Idle => "idle",
            TapState::Snapshot => "snapshot",
            TapState::Streaming => "streaming",
            TapState::Waiting => "waiting",
            TapState::Standby => "standby",
            TapState::Paused => "paused",
            TapState::Failed => "failed",
            TapState::Stopped => "stopped",
        }
    }
}

/// One tap. LSNs are written as PostgreSQL writes them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TapStatus {
    /// The database that it reads.
    pub database: String,
    /// Where it stands.
    pub state: TapState,
    /// The slot's name.
    pub slot: String,
    /// The end of what was received.
    pub received_lsn: String,
    /// Up to where everything is confirmed by Kafka.
    pub confirmed_lsn: String,
    /// The end of the server's log, as the server last said.
    pub server_lsn: String,
    /// From `confirmed_lsn` to `server_lsn`.
    pub lag_bytes: u64,
    /// How long ago the oldest transaction that is not confirmed was committed; 0 when there is none.
    pub lag_seconds: f64,
    /// Log that the server keeps for the slot, where known.
    pub retained_wal_bytes: Option<u64>,
    /// The server's word on the slot's log: `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Events confirmed since the start.
    pub events: u64,
    /// Events a second, over the last few seconds.
    pub events_per_second: f64,
    /// Bytes handed to Kafka and not confirmed.
    pub in_flight_bytes: u64,
    /// Transactions of which changes came and the commit has not, with PostgreSQL 14 and later.
    #[serde(default)]
    pub open_transactions: usize,
    /// Bytes of their changes that are held in memory.
    #[serde(default)]
    pub spill_memory_bytes: u64,
    /// Bytes of their changes that are on the disk.
    #[serde(default)]
    pub spill_disk_bytes: u64,
    /// How often the tap had to begin again.
    pub reconnects: u64,
    /// Events that were written to the topic of dead letters since the start.
    #[serde(default)]
    pub dead_letters: u64,
    /// Tables that are captured.
    pub tables: usize,
    /// Rows of the snapshot that were sent.
    pub snapshot_rows: u64,
    /// Rows that the snapshot is expected to have, by the catalog's estimate.
    pub snapshot_rows_expected: u64,
    /// Tables whose rows are read in chunks while the stream goes on.
    #[serde(default)]
    pub chunks: Vec<ChunkProgress>,
    /// Tables that are paused, or were and have not caught up.
    #[serde(default)]
    pub paused_tables: Vec<PausedTable>,
    /// The last error: code, message and causes. No row's values, no secrets.
    pub error: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// A table that is behind the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedTable {
    /// `schema.table`.
    pub table: String,
    /// Whether it is paused still.
    pub state: PausedTableState,
    /// Where the first change may stand that is not sent.
    pub since_lsn: String,
    /// When it was paused, in milliseconds since 1970.
    pub paused_at: u64,
}

/// How a table is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausedTableState {
    /// Its changes are withheld, and the slot keeps the log that has them.
    Paused,
    /// What was withheld is being sent; other tables wait meanwhile.
    CatchingUp,
}

/// How far a table is whose rows are read in chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkProgress {
    /// `schema.table`.
    pub table: String,
    /// The request that asked for it.
    pub request: String,
    /// Rows that were sent.
    pub rows: u64,
    /// Rows that the table has, by the catalog's estimate.
    pub rows_expected: Option<u64>,
    /// What it waits for, if anything is out of the ordinary.
    #[serde(default)]
    pub waiting_for: Option<String>,
}
