//! A session that reads under an exported snapshot.

use std::borrow::Borrow;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, CopyOutStream};
use waltap_error::{Code, Error, Result};

use super::chunk::Chunk;
use crate::catalog::{Table, quoted_identifier, quoted_literal};
use crate::refusal::{is_state, refused};

/// The function of the server that refuses to read a table when a policy would hide rows (`row_security` is off). Unlike the message it
/// is never translated.
const ROW_SECURITY_ROUTINE: &str = "check_enable_rls";

/// Whether the name means another relation today, or the relation, or a leaf of a partitioned one, has another file than the snapshot's
/// view of the catalog says.
pub(super) const CHANGED: &str = "
SELECT to_regclass($2)::oid IS DISTINCT FROM $1::oid OR EXISTS (
    SELECT FROM pg_class c
    WHERE c.oid IN (SELECT $1::oid UNION ALL SELECT relid FROM pg_partition_tree($1::oid::regclass) WHERE isleaf)
      AND c.relkind = 'r' AND c.relfilenode <> pg_relation_filenode(c.oid))";

/// An SQL session inside the transaction that reads a snapshot.
///
/// Dropping it leaves the session in its transaction: give it back by [`SnapshotReader::end`], or close the session.
pub struct SnapshotReader<C: Borrow<Client>> {
    session: C,
    /// Who has to be granted what is missing.
    role: String,
}

/// Why a chunk could not be read.
#[derive(Debug)]
pub enum CopyError {
    /// The relation is not what was planned with or what the snapshot can see: it was dropped, renamed, rewritten, truncated, or lost a
    /// column. It takes a new look into the catalog and a new snapshot.
    Changed(Error),
    /// Somebody has a lock that forbids reading. Only who reads by key leaves off waiting for it.
    Locked(Error),
    /// Everything else.
    Failed(Error),
}

impl CopyError {
    /// The error, for who does not care whether the relation has changed.
    pub fn into_error(self) -> Error {
        match self {
            CopyError::Changed(error) | CopyError::Locked(error) | CopyError::Failed(error) => error,
        }
    }
}

impl From<CopyError> for Error {
    fn from(error: CopyError) -> Self {
        error.into_error()
    }
}

impl<C: Borrow<Client>> SnapshotReader<C> {
    /// Begins a transaction under a snapshot that another session exported and still holds (`pg_export_snapshot`, or the making of a
    /// slot). Takes a session by value, by reference or shared.
    pub async fn begin(session: C, snapshot: &str) -> Result<Self> {
        let doing = || format!("taking over the snapshot {snapshot}");
        // Row security off means an error where rows would be hidden. The timeouts would cut off a long copy or a pause in it.
        let statements = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
             SET TRANSACTION SNAPSHOT {};
             SET LOCAL row_security = off;
             SET LOCAL statement_timeout = 0;
             SET LOCAL idle_in_transaction_session_timeout = 0",
            quoted_literal(snapshot)
        );
        let client: &Client = session.borrow();
        if let Err(error) = client.batch_execute(&statements).await {
            // The server says "invalid snapshot identifier" in either way once the exporter has ended.
            let gone = is_state(&error, &SqlState::UNDEFINED_OBJECT) || is_state(&error, &SqlState::INVALID_PARAMETER_VALUE);
            // Leaves the session usable. If it is broken, the first error has said so already.
            let _ = client.batch_execute("ROLLBACK").await;
            return Err(match gone {
                true => Error::transient(Code::SNAPSHOT, format!("the snapshot {snapshot} is not held any more")).source(error),
                false => refused(doing(), error),
            });
        }
        let row = client.query_one("SELECT current_user::text", &[]).await.map_err(|error| refused(doing(), error))?;
        let role = row.try_get(0).map_err(|error| refused(doing(), error))?;
        Ok(SnapshotReader { session, role })
    }

    /// The session, for queries under the snapshot.
    pub fn client(&self) -> &Client {
        self.session.borrow()
    }

    /// Begins to copy a chunk of a table, unless its rows cannot be seen under the snapshot any more. After an error the transaction is
    /// of no use: [`SnapshotReader::end`] it and begin again.
    ///
    /// TRUNCATE and the forms of ALTER TABLE that rewrite a table are not MVCC-safe: under a snapshot taken before them the table appears
    /// empty (PostgreSQL manual, "Caveats" of "Concurrency Control"). A rewrite leaves no trace in the stream either, so its rows would be
    /// lost. Both give the table a new file: the snapshot's own view of the catalog names the old one. The lock comes first, so that
    /// nothing happens in between, and stays until the transaction ends. COPY goes by the name, which may mean another table meanwhile.
    ///
    /// The rows must be read to their end before the session can do anything else; to give up in the middle, close the session.
    pub async fn copy(&self, table: &Table, chunk: &Chunk) -> Result<CopyRows, CopyError> {
        let subject = Subject {
            table: table.display_name(),
            relation: chunk.relation.clone(),
            schema: quoted_identifier(&table.schema),
            role: quoted_identifier(&self.role),
        };
        let lock = format!("SELECT FROM {} LIMIT 0", chunk.relation);
        let locked = match chunk.only {
            // Parsed and not run: that takes the lock, and leaves out the planner, whom a table can defeat (see Chunk::copy_statement).
            true => self.client().prepare(&lock).await.map(drop),
            // The planner locks the partitions too.
            false => self.client().batch_execute(&lock).await,
        };
        locked.map_err(|error| subject.error(error))?;
        let changed = self.client().query_one(CHANGED, &[&chunk.relation_oid, &chunk.relation]).await;
        if changed.and_then(|row| row.try_get(0)).map_err(|error| subject.error(error))? {
            return Err(CopyError::Changed(Error::transient(
                Code::SNAPSHOT,
                format!("{} was renamed, rewritten or truncated after the snapshot was taken", chunk.relation),
            )));
        }
        CopyRows::begin(self.client(), &chunk.copy_statement(), subject).await
    }

    /// Ends the transaction and gives the session back.
    pub async fn end(self) -> Result<C> {
        // There is nothing to keep, and a rollback works in a failed transaction too.
        self.client()
            .batch_execute("ROLLBACK")
            .await
            .map_err(|error| refused("ending the transaction of the snapshot", error))?;
        Ok(self.session)
    }
}

/// The rows of a chunk as they come from the server.
pub struct CopyRows {
    stream: Pin<Box<CopyOutStream>>,
    /// Whether the stream has ended: it must not be asked again.
    finished: bool,
    /// The beginning of a line whose end has not come yet.
    partial: BytesMut,
    subject: Subject,
}

impl CopyRows {
    /// Begins to copy what a statement says.
    pub(super) async fn begin(client: &Client, statement: &str, subject: Subject) -> Result<Self, CopyError> {
        match client.copy_out(statement).await {
            Ok(stream) => Ok(CopyRows { stream: Box::pin(stream), finished: false, partial: BytesMut::new(), subject }),
            Err(error) => Err(subject.error(error)),
        }
    }

    /// Waits for rows and appends them to `batch`: the first to come, and with it those that are there already, up to about `bytes_max`.
    /// Each piece holds whole lines, usually one; see [`super::lines`]. Answers `false`, adding nothing, after the last row.
    pub async fn read_batch(&mut self, batch: &mut Vec<Bytes>, bytes_max: usize) -> Result<bool, CopyError> {
        let mut bytes = 0;
        let mut read = false;
        // At least one piece, whatever the bound.
        while !self.finished && (!read || bytes < bytes_max) {
            // Once there is something to give, only what needs no waiting is added.
            let next = match read {
                false => self.stream.next().await,
                true => match self.stream.next().now_or_never() {
                    Some(next) => next,
                    None => break,
                },
            };
            let Some(piece) = next else {
                self.finished = true;
                break;
            };
            let piece = piece.map_err(|error| self.subject.error(error))?;
            if let Some(lines) = whole_lines(&mut self.partial, piece) {
                bytes += lines.len();
                read = true;
                batch.push(lines);
            }
        }
        if !read && !self.partial.is_empty() {
            // The last line of a sender that leaves out the last line break.
            batch.push(self.partial.split().freeze());
            read = true;
        }
        Ok(read)
    }
}

/// The whole lines among what was kept and what came. A server sends one line at a time, but nothing in the protocol says so.
fn whole_lines(partial: &mut BytesMut, piece: Bytes) -> Option<Bytes> {
    if partial.is_empty() && piece.ends_with(b"\n") {
        return Some(piece);
    }
    partial.extend_from_slice(&piece);
    let end = memchr::memrchr(b'\n', partial)?;
    Some(partial.split_to(end + 1).freeze())
}

/// What is being read, for the errors.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) table: String,
    pub(super) relation: String,
    pub(super) schema: String,
    pub(super) role: String,
}

impl Subject {
    pub(super) fn error(&self, error: tokio_postgres::Error) -> CopyError {
        let doing = format!("reading the table {} for the snapshot", self.table);
        let changed = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::INVALID_SCHEMA_NAME];
        if changed.iter().any(|state| is_state(&error, state)) {
            return CopyError::Changed(Error::transient(Code::SNAPSHOT, doing).source(error));
        }
        if !is_state(&error, &SqlState::INSUFFICIENT_PRIVILEGE) {
            return CopyError::Failed(refused(doing, error));
        }
        let filtered = error.as_db_error().and_then(|error| error.routine()) == Some(ROW_SECURITY_ROUTINE);
        let refusal = match filtered {
            true => Error::configuration(Code::ROW_SECURITY, doing).remedy(format!("ALTER ROLE {} BYPASSRLS;", self.role)),
            false => Error::configuration(Code::SELECT_RIGHT, doing).remedy(format!(
                "GRANT USAGE ON SCHEMA {} TO {role};\nGRANT SELECT ON {} TO {role};",
                self.schema,
                self.relation,
                role = self.role
            )),
        };
        CopyError::Failed(refusal.source(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_any_pieces() {
        let text = b"one\ttwo\nthree\t\\\\\n\nlast\n";
        for size in 1..=text.len() {
            let mut partial = BytesMut::new();
            let mut joined = Vec::new();
            for piece in text.chunks(size) {
                if let Some(lines) = whole_lines(&mut partial, Bytes::copy_from_slice(piece)) {
                    assert!(lines.ends_with(b"\n"), "pieces of {size}");
                    joined.extend_from_slice(&lines);
                }
            }
            assert!(partial.is_empty());
            assert_eq!(joined, text);
        }
    }
}
