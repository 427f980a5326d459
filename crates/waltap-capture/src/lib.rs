//! The job: a capture's taps, their snapshots and streams, and the supervisor of many databases.
//!
//! [`Capture::new`] takes validated [`Options`]; [`Capture::run`] works until it is told to stop or cannot go on; [`Handle`]s, cheap to
//! clone, show meanwhile what goes on.

mod alarm;
mod belongings;
mod board;
mod capture;
mod event_error;
mod guard;
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
pub use belongings::{Belongings, Removed, belongings, remove};
pub use capture::{Capture, Handle};
pub use naming::TopicTemplate;
pub use options::{
    Delivery, GuardOptions, KafkaSinkOptions, OnMaxRetainedWal, Options, SinkOptions, SnapshotMode, StreamingOptions,
    TransactionBounds,
};
pub use preflight::{check_progress, check_sink, check_source};
pub use publications::{AcceptedLoss, accept_losses};
pub use sabotage::SABOTAGE_VARIABLE;
pub use selection::{ColumnSelection, DatabaseSelection, KeyChoice, OutboxChoice, TablePattern, TableSelection};
pub use status::{CaptureStatus, TapState, TapStatus};
