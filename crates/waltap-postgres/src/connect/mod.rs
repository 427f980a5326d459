//! From a [`Source`](crate::Source) to an open session: sockets, TLS, start-up and authentication.

mod sql;
mod version;

pub use sql::Sql;
pub use version::ServerVersion;
