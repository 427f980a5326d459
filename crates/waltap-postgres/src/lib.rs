//! All that speaks to PostgreSQL.
//!
//! A [`Source`] is read from a URL and gives two kinds of connections: [`Source::sql`], a `tokio_postgres` client, and
//! [`Source::replication`], a thin client of our own for the replication protocol, which `tokio_postgres` does not know. Both go over
//! the same transport, so that hosts, TLS, passwords and session settings mean the same for both.

pub mod catalog;
pub mod connect;
pub mod copy;
pub mod preflight;
pub mod publication;
mod refusal;
pub mod replication;
mod server_error;
pub mod slot;
pub mod source;

pub use connect::{ServerVersion, Sql};
pub use replication::{
    CreatedSlot, Filled, ReplicationConnection, ReplicationStream, SlotOptions, StartOptions, StatusHandle, SystemIdentity,
};
pub use server_error::{Doing, ServerError, sql_error};
pub use source::{Environment, Password, Source};
