//! The replication protocol: commands, the stream and its standby status.

mod command;
mod connection;
mod inbox;
pub(crate) mod sender_timeout;
mod slot;
mod start;
mod status;
mod stream;
mod timeline;
mod vigil;

pub use connection::{ReplicationConnection, SystemIdentity};
pub use slot::{CreatedSlot, SlotOptions};
pub use start::StartOptions;
pub use status::StatusHandle;
pub use stream::{Filled, ReplicationStream, Waiting};
pub use timeline::TimelineHistory;
