//! The job: a capture's taps, their snapshots and streams, and the supervisor of many databases.
//!
//! [`Capture::new`] takes validated [`Options`]; [`Capture::run`] works until it is told to stop or cannot go on; [`Handle`]s, cheap to
//! clone, show meanwhile what goes on.

mod alarm;
mod belongings;
mod board;
mod capture;
mod clock;
mod dead_letters;
mod event_error;
mod guard;
mod human_size;
mod kafka;
mod metrics;
#[cfg(test)]
mod model;
mod naming;
mod options;
mod position;
mod preflight;
mod progress;
mod publications;
mod requests;
mod sabotage;
mod selection;
mod sink;
mod slot_plan;
mod snapshot;
mod source;
mod status;
mod supervisor;
mod tap;

pub use alarm::{Alarm, AlarmStatus};
pub use belongings::{Belongings, Removed, at_work, belongings, is_known, remove};
pub use capture::{Capture, Handle};
pub use dead_letters::{DEAD_LETTER_TOPIC_DEFAULT, DeadLetter, Replay, dead_letters, replay};
pub use human_size::human_size;
pub use naming::TopicTemplate;
pub use options::{
    BadEvents, ChunkOptions, Delivery, GuardOptions, KafkaSinkOptions, NewTables, OnMaxRetainedWal, OnSlotLost, Options,
    SinkOptions, SnapshotMode, StreamingOptions, TransactionBounds,
};
pub use preflight::{check_progress, check_sink, check_source};
pub use publications::{AcceptedLoss, accept_losses};
pub use requests::{AskState, Asked, Asking, PauseState, Paused, pause, resume};
pub use sabotage::SABOTAGE_VARIABLE;
pub use selection::{ColumnSelection, DatabaseSelection, KeyChoice, OutboxChoice, TablePattern, TableSelection};
pub use status::{CaptureStatus, ChunkProgress, PausedTable, PausedTableState, TapState, TapStatus};
