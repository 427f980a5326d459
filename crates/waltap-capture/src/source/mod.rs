//! How a tap speaks to its database: everything that it asks of PostgreSQL passes here.
//!
//! Each type is a port: an enum with the real thing in it, so that what a tap decides can also be driven by tests against a server that is
//! simulated. The methods are the tap's questions and nothing more; what they mean is documented where `waltap-postgres` answers them.

mod copy;
mod replication;
mod sql;
mod stream;

use waltap_error::Result;
use waltap_postgres::Source;

pub(crate) use copy::{KeyReader, SnapshotSession};
pub(crate) use replication::Replication;
pub(crate) use sql::Sql;
pub(crate) use stream::{Status, Wire};

/// The server of a capture.
#[derive(Debug)]
pub(crate) enum Server {
    Postgres(Box<Source>),
    #[cfg(test)]
    Simulated(crate::model::postgres::Server),
}

impl Server {
    /// Opens an SQL session in a database.
    pub(crate) async fn sql(&self, database: &str) -> Result<Sql> {
        match self {
            Server::Postgres(source) => source.sql(database).await.map(Sql::Postgres),
            #[cfg(test)]
            Server::Simulated(server) => server.sql().await.map(Sql::Simulated),
        }
    }

    /// Opens two sessions that read tables of a database by key.
    pub(crate) async fn key_reader(&self, database: &str) -> Result<KeyReader> {
        match self {
            Server::Postgres(source) => {
                let (reading, marking) = (source.sql(database).await?, source.sql(database).await?);
                Ok(KeyReader::Postgres(Box::new(waltap_postgres::copy::KeyReader::new(reading, marking).await?)))
            }
            #[cfg(test)]
            Server::Simulated(server) => server.key_reader().await.map(KeyReader::Simulated),
        }
    }

    /// Opens a session for replication commands in a database, and for changes of so many bytes on average, if that is known.
    pub(crate) async fn replication(&self, database: &str, change_bytes: Option<u64>) -> Result<Replication> {
        match self {
            Server::Postgres(source) => source.replication_of_changes(database, change_bytes).await.map(Replication::Postgres),
            #[cfg(test)]
            Server::Simulated(server) => server.replication().await.map(Replication::Simulated),
        }
    }
}
