//! The replication protocol: commands, the stream and its standby status.

mod command;
mod connection;
mod inbox;
mod slot;
mod start;
mod status;
mod stream;
mod vigil;

pub use connection::{ReplicationConnection, SystemIdentity};
pub use slot::{CreatedSlot, SlotOptions};
pub use start::StartOptions;
pub use status::StatusHandle;
pub use stream::{Filled, ReplicationStream};
