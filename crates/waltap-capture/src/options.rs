//! What a capture is told to do: validated, complete, and all that travels below the command line.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use waltap_event::{Format, HeaderSet, OutboxColumns};
use waltap_postgres::source::Source;

use crate::naming::TopicTemplate;
use crate::selection::{ColumnSelection, DatabaseSelection, KeyChoice, OutboxChoice, TableSelection};

/// One capture: a source server, a choice of databases and tables, a sink.
#[derive(Debug, Clone)]
pub struct Options {
    /// Prefixes the names of slots, publications and progress. See [`Options::is_valid_name`].
    pub name: String,
    /// The server.
    pub source: Source,
    /// Which databases. None named: every one that takes connections and is no template.
    pub databases: DatabaseSelection,
    /// Which tables of each database. None named: every user table.
    pub tables: TableSelection,
    /// Which columns of each table, and which of them masked. None named: every column as it is.
    pub columns: ColumnSelection,
    /// A publication that the user made, to be read as it is instead of waltap's own.
    pub publication: Option<String>,
    /// What becomes of the rows that are there before the stream starts.
    pub snapshot: SnapshotMode,
    /// How many connections read a snapshot at once, for each database.
    pub snapshot_workers: NonZeroUsize,
    /// How tables are read in chunks while the stream goes on.
    pub chunks: ChunkOptions,
    /// Where events go.
    pub sink: SinkOptions,
    /// The name of each table's topic.
    pub topic: TopicTemplate,
    /// The topic in which each version of a table is told; none: they are not told.
    pub schema_topic: Option<String>,
    /// Record keys other than the replica identity.
    pub keys: Vec<KeyChoice>,
    /// Tables whose new rows are messages, and not events.
    pub outboxes: Vec<OutboxChoice>,
    /// How an event is written.
    pub format: Format,
    /// Which headers every record has.
    pub headers: HeaderSet,
    /// Whether logical messages (`pg_logical_emit_message`) become events. Needs PostgreSQL 14.
    pub messages: bool,
    /// How transactions come that are large, or prepared.
    pub streaming: StreamingOptions,
    /// What is watched beside the stream.
    pub guard: GuardOptions,
    /// Whether standbys keep the slots too, so that they are there after a failover. Needs PostgreSQL 17.
    pub failover_slot: bool,
    /// What becomes of a tap whose slot is lost.
    pub on_slot_lost: OnSlotLost,
    /// Whether to wait, for as long as it takes, while another process works with a slot, and then take over.
    pub standby: bool,
    /// How often the catalog is asked for new databases and tables.
    pub discovery_interval: Duration,
}

impl Options {
    /// What the columns of a table are, if its rows are messages.
    pub fn outbox(&self, schema: &str, table: &str) -> Option<&OutboxColumns> {
        self.outboxes.iter().find_map(|outbox| outbox.columns_of(schema, table))
    }

    /// The longest name of a capture: leaves room for a database's name in a slot's 63 bytes.
    pub const NAME_BYTES_MAX: usize = 24;

    /// Whether a capture may have this name: what PostgreSQL allows in a slot's name, `[a-z0-9_]`, and short.
    pub fn is_valid_name(name: &str) -> bool {
        (1..=Self::NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    }
}

/// What becomes of the rows that are there before the stream starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotMode {
    /// Each table's rows are read once, then its changes are streamed.
    #[default]
    Initial,
    /// Changes only, from the slot's start.
    Never,
    /// Rows only: read every table once and end.
    Only,
}

/// How tables are read in chunks while the stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkOptions {
    /// How the rows of tables are read that join while the capture runs.
    pub new_tables: NewTables,
    /// How many rows a chunk has at most.
    pub rows: NonZeroU64,
    /// How many rows are read a second at most, for each database; `None`: as many as come.
    pub rate: Option<NonZeroU64>,
}

impl ChunkOptions {
    /// Enough rows that the marks around them cost little, and few enough that they are read in milliseconds.
    pub const ROWS_DEFAULT: NonZeroU64 = NonZeroU64::new(2_048).unwrap();
}

impl Default for ChunkOptions {
    fn default() -> Self {
        ChunkOptions { new_tables: NewTables::default(), rows: Self::ROWS_DEFAULT, rate: None }
    }
}

/// How the rows of tables are read that join while the capture runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewTables {
    /// Under an exported snapshot, which waits for every transaction that is open, while the stream may wait for it.
    #[default]
    Snapshot,
    /// In chunks by key, while the stream goes on. Tables without a key as above.
    Chunks,
}

/// How transactions come that are large, or prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamingOptions {
    /// Whether the server sends large transactions while they are open. Needs PostgreSQL 14; older servers are not asked.
    pub open_transactions: bool,
    /// Whether transactions are sent when they are prepared, and not at COMMIT PREPARED. Needs PostgreSQL 15.
    pub two_phase: bool,
    /// How many bytes of what waits for its commit may be held in memory, over all databases.
    pub spill_memory: usize,
    /// Where the rest is kept.
    pub spill_directory: PathBuf,
}

impl Options {
    /// Whether the server is asked for large transactions while they are open. Not where logical messages are events: of one that is streamed
    /// the server names the transaction and not the subtransaction (`ReorderBufferApplyMessage` gives the callback the former), so it could
    /// not be told whether a savepoint that is rolled back takes it along.
    pub(crate) fn streams_open_transactions(&self) -> bool {
        self.streaming.open_transactions && !self.messages
    }
}

/// What becomes of a tap whose slot, or the log behind it, is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSlotLost {
    /// It stops, and says what is lost and how to begin anew.
    #[default]
    Fail,
    /// It begins anew by itself, with a new slot, and reads every table again: once a day at most, unless it streams for an hour in between.
    Resnapshot,
}

/// What is watched beside the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardOptions {
    /// How many bytes of log a slot may keep; `None`: as many as the server lets it.
    pub max_retained_wal: Option<u64>,
    /// What becomes of a slot that keeps more.
    pub on_max_retained_wal: OnMaxRetainedWal,
    /// How long a tap that is behind may stand still before that is an alarm; `None`: for ever.
    pub stall_timeout: Option<Duration>,
    /// How often a message is written into the log of each database; `None`: never.
    pub heartbeat_interval: Option<Duration>,
}

/// What becomes of a slot that keeps more log than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMaxRetainedWal {
    /// It is said, and the slot stays.
    #[default]
    Warn,
    /// It is dropped, so that the source's disk is given back; what it had not sent is lost.
    DropSlot,
}

/// Where events go.
#[derive(Debug, Clone)]
pub enum SinkOptions {
    /// To Kafka, and progress with them.
    Kafka(KafkaSinkOptions),
    /// To standard output, a line a record, from a temporary slot that leaves nothing behind.
    Stdout,
}

/// The Kafka side of a capture.
#[derive(Debug, Clone)]
pub struct KafkaSinkOptions {
    /// Brokers, properties and bounds. `queue_bytes_max` is that of the whole capture, shared out among its taps.
    pub client: waltap_kafka::Options,
    /// Partitions of a topic that waltap makes.
    pub partitions: i32,
    /// Replicas of a topic that waltap makes; -1 is the broker's own default.
    pub replication_factor: i32,
    /// What a reader may rely on.
    pub delivery: Delivery,
    /// What becomes of an event that Kafka does not take.
    pub bad_events: BadEvents,
}

/// What becomes of an event that Kafka does not take: one that is too large.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BadEvents {
    /// The tap stops there.
    #[default]
    Stop,
    /// It is written to another topic, whole, and the others go on.
    DeadLetter {
        /// That topic.
        topic: String,
    },
}

/// What a reader of the topics may rely on, through any number of crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Every change is there; one that comes again carries the same position.
    #[default]
    AtLeastOnce,
    /// Every change is there once, for readers with `isolation.level=read_committed`.
    ExactlyOnce(TransactionBounds),
}

/// How large a Kafka transaction may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionBounds {
    /// It is committed at the end of a PostgreSQL transaction when its first event is older than this.
    pub latency_max: Duration,
    /// With so many bytes it is committed amid a PostgreSQL transaction too.
    pub bytes_max: u64,
}
