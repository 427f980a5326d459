//! PostgreSQL's replication messages: bytes in, borrowed messages out.

mod lsn;

pub use lsn::{Lsn, ParseLsnError};
