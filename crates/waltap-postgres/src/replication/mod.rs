//! The replication protocol: commands, the stream and its standby status.

mod connection;
mod status;
mod stream;

pub use connection::{CreatedSlot, ReplicationConnection, SlotOptions, StartOptions, SystemIdentity};
pub use status::StatusHandle;
pub use stream::{Filled, ReplicationStream};
