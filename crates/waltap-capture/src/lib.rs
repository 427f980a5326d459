//! The job: a capture's taps, their snapshots and streams, and the supervisor of many databases.
//!
//! [`Capture::new`] takes validated [`Options`]; [`Capture::run`] works until it is told to stop or cannot go on; [`Handle`]s, cheap to
//! clone, show meanwhile what goes on.

mod naming;
mod options;
mod selection;
mod status;

pub use naming::TopicTemplate;
pub use options::{KafkaSinkOptions, Options, SinkOptions, SnapshotMode};
pub use selection::{DatabaseSelection, KeyChoice, TablePattern, TableSelection};
pub use status::{CaptureStatus, TapState, TapStatus};
