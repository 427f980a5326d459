//! A session that reads rows under an exported snapshot.

use bytes::Bytes;
use waltap_error::Result;
use waltap_postgres::catalog::Table;
use waltap_postgres::copy::{self, Chunk, CopyError, KeyChunk, KeyColumn, KeyRange, SnapshotReader};

use super::Sql;

/// An SQL session inside the transaction that reads a snapshot.
pub(crate) enum SnapshotSession {
    Postgres(Box<SnapshotReader<waltap_postgres::Sql>>),
    #[cfg(test)]
    Simulated(crate::model::postgres::SnapshotSession),
}

impl SnapshotSession {
    /// Begins to copy a chunk of a table, unless its rows cannot be seen under the snapshot any more.
    pub(crate) async fn copy(&self, table: &Table, chunk: &Chunk) -> Result<CopyRows, CopyError> {
        match self {
            SnapshotSession::Postgres(reader) => reader.copy(table, chunk).await.map(CopyRows::Postgres),
            #[cfg(test)]
            SnapshotSession::Simulated(session) => session.copy(table, chunk).await.map(CopyRows::Simulated),
        }
    }

    /// Ends the transaction and gives the session back.
    pub(crate) async fn end(self) -> Result<Sql> {
        match self {
            SnapshotSession::Postgres(reader) => reader.end().await.map(Sql::Postgres),
            #[cfg(test)]
            SnapshotSession::Simulated(session) => session.end().await.map(Sql::Simulated),
        }
    }
}

/// The rows of a chunk as they come from the server.
pub(crate) enum CopyRows {
    Postgres(copy::CopyRows),
    #[cfg(test)]
    Simulated(crate::model::postgres::SnapshotRows),
}

impl CopyRows {
    /// Adds lines to `batch`, at least one and about `bytes_max` bytes; whether there may be more.
    pub(crate) async fn read_batch(&mut self, batch: &mut Vec<Bytes>, bytes_max: usize) -> Result<bool, CopyError> {
        match self {
            CopyRows::Postgres(rows) => rows.read_batch(batch, bytes_max).await,
            #[cfg(test)]
            CopyRows::Simulated(rows) => rows.read_batch(batch).await,
        }
    }
}

/// Two sessions that read pieces of tables by key, beside those who write, and say between which places of the log.
pub(crate) enum KeyReader {
    Postgres(Box<copy::KeyReader>),
    #[cfg(test)]
    Simulated(crate::model::postgres::KeyReader),
}

impl KeyReader {
    /// Reads rows. A future that is dropped before its end leaves the reader of no use.
    pub(crate) async fn read(&mut self, table: &Table, range: &KeyRange) -> Result<KeyChunk, CopyError> {
        match self {
            KeyReader::Postgres(reader) => reader.read(table, range).await,
            #[cfg(test)]
            KeyReader::Simulated(reader) => reader.read(table, range).await,
        }
    }

    /// The last key of a table in the order of the index; `None` where it has no rows.
    pub(crate) async fn greatest_key(&mut self, table: &Table, key: &[KeyColumn]) -> Result<Option<Vec<String>>, CopyError> {
        match self {
            KeyReader::Postgres(reader) => reader.greatest_key(table, key).await,
            #[cfg(test)]
            KeyReader::Simulated(reader) => reader.greatest_key(table).await,
        }
    }
}
