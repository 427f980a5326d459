//! Reading a table in pieces by its key, beside those who write to it.

use std::collections::HashSet;

use bytes::Bytes;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use waltap_error::{Code, Error, Kind, Result};
use waltap_pgoutput::{Lsn, Value};

use super::key_chunk::{ChunkRow, KeyChunk, KeyPart, KeyRange, condition_statements, greatest_statement};
use super::key_column::KeyColumn;
use super::reader::{CHANGED, CopyError, CopyRows, Subject};
use super::row::{RowParser, lines};
use super::watermark;
use crate::catalog::{Table, quoted_identifier, visible_transactions};
use crate::connect::Sql;
use crate::refusal::{is_state, refused};

/// How long the lock of a table is waited for. Whoever wants a stronger one meanwhile queues behind us, and other tables wait to be read.
const LOCK_TIMEOUT: &str = "1s";

/// Who has a lock that forbids reading. Of a prepared transaction there is no process.
const LOCK_HOLDERS: &str = "
SELECT coalesce(string_agg(DISTINCT coalesce(pid::text, 'none, since it is a prepared transaction'), ', '), '')
FROM pg_locks
WHERE locktype = 'relation' AND relation = $1 AND mode = 'AccessExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// How much of the rows is taken from the connection at a time.
const BATCH_BYTES: usize = 256 << 10;

/// Reads pieces of tables by key, each under a snapshot of its own that lasts as long as the reading, and says between which places of
/// the log that was.
///
/// It has two sessions: the one that reads, and one that writes the marks into the log. A future of [`KeyReader::read`] that is dropped
/// before its end leaves the reader of no use: drop it too.
pub struct KeyReader {
    reading: Sql,
    marking: Sql,
    /// Who has to be granted what is missing.
    role: String,
    /// Tables that the role may not LOCK, for which the right on single columns is not enough.
    locked_by_query: HashSet<u32>,
}

/// What a transaction begins with.
const BEGIN: &str = "
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL row_security = off;
SET LOCAL enable_sort = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL lock_timeout = ";

/// Why a transaction could not begin with the lock.
enum NotLocked {
    /// Somebody has a lock that forbids reading.
    Busy,
    /// LOCK TABLE is not for this role.
    Forbidden,
    Failed(CopyError),
}

impl From<CopyError> for NotLocked {
    fn from(error: CopyError) -> Self {
        NotLocked::Failed(error)
    }
}

impl KeyReader {
    /// Of two sessions in the database of the tables.
    pub async fn new(reading: Sql, marking: Sql) -> Result<Self> {
        watermark::prepare(&marking).await?;
        let doing = "asking for the role";
        let row = reading.query_one("SELECT current_user::text", &[]).await.map_err(|error| refused(doing, error))?;
        let role = row.try_get(0).map_err(|error| refused(doing, error))?;
        Ok(KeyReader { reading, marking, role, locked_by_query: HashSet::new() })
    }

    /// Reads rows. It waits for the lock of a SELECT for a second, so as not to hold up who waits for a stronger one for longer, and ends
    /// with [`CopyError::Locked`] then.
    ///
    /// The order of things is what the answer rests on. The lock comes before the snapshot, so that no rewrite and no TRUNCATE stands
    /// between the snapshot and the rows. The low mark is written before the snapshot, the high one after the rows, and only then does
    /// the lock go, so that the table has one shape from the snapshot to the high mark.
    pub async fn read(&mut self, table: &Table, range: &KeyRange) -> Result<KeyChunk, CopyError> {
        let subject = self.subject(table);
        let low = self.begin(table, &subject).await?;
        let chunk = self.read_in_transaction(table, range, low, &subject).await;
        self.end(chunk).await
    }

    /// The last key of a table in the order of the index; `None` where it has no rows.
    pub async fn greatest_key(&mut self, table: &Table, key: &[KeyColumn]) -> Result<Option<Vec<String>>, CopyError> {
        let subject = self.subject(table);
        self.begin(table, &subject).await?;
        let found = self.copy_key(&greatest_statement(table, key), key.len(), &subject).await;
        self.end(found).await
    }

    fn subject(&self, table: &Table) -> Subject {
        Subject {
            table: table.display_name(),
            relation: table.quoted(),
            schema: quoted_identifier(&table.schema),
            role: quoted_identifier(&self.role),
        }
    }

    /// Begins the transaction with the lock, and writes the low mark before its snapshot.
    async fn begin(&mut self, table: &Table, subject: &Subject) -> Result<Lsn, CopyError> {
        loop {
            match self.try_begin(table, subject).await {
                Ok(low) => return Ok(low),
                Err(not_locked) => {
                    // Leaves the session usable. If it is broken, the first error has said so already.
                    let _ = self.reading.batch_execute("ROLLBACK").await;
                    match not_locked {
                        NotLocked::Failed(error) => return Err(error),
                        NotLocked::Forbidden => {
                            self.locked_by_query.insert(table.oid);
                        }
                        NotLocked::Busy => return Err(self.locked(table, subject).await),
                    }
                }
            }
        }
    }

    /// That a table is locked, and by whom, as far as that can be told: of a partition it is not.
    async fn locked(&self, table: &Table, subject: &Subject) -> CopyError {
        let holders = self.marking.query_one(LOCK_HOLDERS, &[&table.oid]).await;
        let holders: String = match holders.and_then(|row| row.try_get(0)) {
            Ok(holders) => holders,
            Err(error) => return subject.error(error),
        };
        let by = if holders.is_empty() { String::new() } else { format!(", by the process {holders}") };
        CopyError::Locked(Error::transient(Code::SNAPSHOT, format!("it is locked against reading{by}")))
    }

    async fn try_begin(&self, table: &Table, subject: &Subject) -> Result<Lsn, NotLocked> {
        let failed = |error| NotLocked::Failed(subject.error(error));
        self.reading.batch_execute(&format!("{BEGIN}'{LOCK_TIMEOUT}'")).await.map_err(failed)?;
        let only = if table.partitioned { "" } else { "ONLY " };
        let not_locked = |error: tokio_postgres::Error| match is_state(&error, &SqlState::LOCK_NOT_AVAILABLE) {
            true => NotLocked::Busy,
            false => NotLocked::Failed(subject.error(error)),
        };
        let low = if self.locked_by_query.contains(&table.oid) {
            // A query takes the lock too, but it takes the snapshot before it.
            let low = watermark::watermark(&self.marking).await.map_err(CopyError::Failed)?;
            let query = format!("SELECT FROM {only}{} LIMIT 0", table.quoted());
            self.reading.batch_execute(&query).await.map_err(not_locked)?;
            low
        } else {
            let lock = format!("LOCK TABLE {only}{} IN ACCESS SHARE MODE", table.quoted());
            if let Err(error) = self.reading.batch_execute(&lock).await {
                return Err(match is_state(&error, &SqlState::INSUFFICIENT_PRIVILEGE) {
                    true => NotLocked::Forbidden,
                    false => not_locked(error),
                });
            }
            watermark::watermark(&self.marking).await.map_err(CopyError::Failed)?
        };
        // The names may mean another table by now; and where the snapshot came first, the file may be another.
        let changed = self.reading.query_one(CHANGED, &[&table.oid, &table.quoted()]).await;
        match changed.and_then(|row| row.try_get(0)).map_err(failed)? {
            false => Ok(low),
            true => Err(NotLocked::Failed(CopyError::Changed(Error::transient(
                Code::SNAPSHOT,
                format!("{} was renamed, rewritten or truncated", table.quoted()),
            )))),
        }
    }

    /// Ends the transaction, and with it the lock.
    async fn end<T>(&self, result: Result<T, CopyError>) -> Result<T, CopyError> {
        // There is nothing to keep, and a rollback works in a failed transaction too.
        let ended = self.reading.batch_execute("ROLLBACK").await;
        let result = result?;
        ended.map_err(|error| CopyError::Failed(refused("ending the transaction of a read", error)))?;
        Ok(result)
    }

    async fn read_in_transaction(
        &self,
        table: &Table,
        range: &KeyRange,
        low: Lsn,
        subject: &Subject,
    ) -> Result<KeyChunk, CopyError> {
        let visible = visible_transactions(&self.reading).await.map_err(CopyError::Failed)?;
        let is_range = matches!(range.part, KeyPart::Range { .. });
        let upper = match is_range && range.is_filtered(table) {
            true => self.copy_key(&range.upper_statement(table), range.key.len(), subject).await?,
            false => None,
        };
        let statement = range.copy_statement(table, upper.as_deref());
        // What is cut off must not end the transaction, which has the lock.
        self.reading.batch_execute("SAVEPOINT rows").await.map_err(|error| subject.error(error))?;
        let (rows, cut_off) = self.copy_rows(table, range, &statement, subject).await?;
        if cut_off {
            self.reading.batch_execute("ROLLBACK TO SAVEPOINT rows").await.map_err(|error| subject.error(error))?;
        }
        let high = watermark::watermark(&self.marking).await.map_err(CopyError::Failed)?;
        let last_row = || rows.last().map(|row| row.key.clone());
        let (last_key, at_end) = match (&range.part, upper) {
            (KeyPart::Keys(_), _) => (None, !cut_off),
            (KeyPart::Range { .. }, _) if cut_off => (last_row(), false),
            (KeyPart::Range { .. }, Some(upper)) => (Some(upper), false),
            (KeyPart::Range { .. }, None) => {
                let is_full = !range.is_filtered(table) && rows.len() as u64 >= range.rows.max(1);
                (last_row(), !is_full)
            }
        };
        Ok(KeyChunk { low, high, visible, rows, last_key, at_end })
    }

    /// Copies rows until they are enough. Says whether there may be more, which are then not sent any more.
    async fn copy_rows(
        &self,
        table: &Table,
        range: &KeyRange,
        statement: &str,
        subject: &Subject,
    ) -> Result<(Vec<ChunkRow>, bool), CopyError> {
        let columns: Vec<&str> = table.published_columns().map(|column| column.name.as_str()).collect();
        let places = range.key.iter().map(|column| columns.iter().position(|name| *name == column.name));
        let places: Vec<usize> = places.collect::<Option<_>>().ok_or_else(|| {
            CopyError::Failed(Error::configuration(Code::INTERNAL, "a column of the key is not among those that are read"))
        })?;
        let mut copied = self.copy(statement, subject).await?;
        let mut parser = RowParser::new(columns.len());
        let (mut rows, mut bytes, mut batch) = (Vec::new(), 0, Vec::new());
        while copied.read_batch(&mut batch, BATCH_BYTES).await? {
            for piece in batch.drain(..) {
                for line in lines(&piece) {
                    if bytes >= range.bytes && !rows.is_empty() {
                        self.cut_off(&mut copied).await?;
                        return Ok((rows, true));
                    }
                    rows.push(ChunkRow { key: key_texts(&mut parser, line, &places, subject)?, line: piece.slice_ref(line) });
                    bytes += line.len() as u64;
                }
            }
        }
        Ok((rows, false))
    }

    /// Has the server stop what it sends, and throws away what was sent already.
    async fn cut_off(&self, copied: &mut CopyRows) -> Result<(), CopyError> {
        self.marking
            .execute("SELECT pg_cancel_backend($1)", &[&self.reading.process_id()])
            .await
            .map_err(|error| CopyError::Failed(refused("cutting off a read", error)))?;
        let mut thrown_away = Vec::new();
        loop {
            match copied.read_batch(&mut thrown_away, BATCH_BYTES).await {
                Ok(true) => thrown_away.clear(),
                // It was through already.
                Ok(false) => return Ok(()),
                // That it was cancelled, or that the connection is lost, which the next statement says.
                Err(_) => return Ok(()),
            }
        }
    }

    async fn copy(&self, statement: &str, subject: &Subject) -> Result<CopyRows, CopyError> {
        CopyRows::begin(&self.reading, statement, subject.clone()).await
    }

    /// Copies the one key that a statement gives, if it does.
    async fn copy_key(&self, statement: &str, columns: usize, subject: &Subject) -> Result<Option<Vec<String>>, CopyError> {
        let mut copied = self.copy(statement, subject).await?;
        let mut batch: Vec<Bytes> = Vec::new();
        while copied.read_batch(&mut batch, BATCH_BYTES).await? {}
        let places: Vec<usize> = (0..columns).collect();
        let mut parser = RowParser::new(columns);
        batch.iter().flat_map(|piece| lines(piece)).next().map(|line| key_texts(&mut parser, line, &places, subject)).transpose()
    }
}

/// The texts of a row's key.
fn key_texts(parser: &mut RowParser, line: &[u8], places: &[usize], subject: &Subject) -> Result<Vec<String>, CopyError> {
    let row = parser.parse(line).map_err(|error| {
        CopyError::Failed(Error::configuration(Code::INTERNAL, format!("reading the table {}", subject.table)).source(error))
    })?;
    let text = |place: &usize| match row.get(*place) {
        Some(Value::Text(bytes)) => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    };
    places.iter().map(text).collect::<Option<_>>().ok_or_else(|| {
        // The columns are NOT NULL, so it can only be that.
        let message = format!("a key of the table {} is not UTF-8, so that it cannot be read in pieces by it", subject.table);
        CopyError::Failed(Error::configuration(Code::TEXT_ENCODING, message))
    })
}

/// Has a session wait for locks no longer than a reader of keys does. Functions that measure tables, or list partitions, take locks too.
pub async fn bound_lock_waits(sql: &Sql) -> Result<()> {
    let statement = format!("SET lock_timeout = '{LOCK_TIMEOUT}'");
    sql.batch_execute(&statement).await.map_err(|error| refused("preparing a session", error))
}

/// Whether an SQL condition can be put to the rows of a table, without looking at any: by the rights and the search path of this session.
pub async fn check_condition(client: &Client, table: &Table, condition: &str) -> Result<()> {
    let doing = || format!("the condition {condition:?} is none for rows of the table {}", table.display_name());
    for statement in condition_statements(table, condition) {
        let prepared = client.prepare(&statement).await.map_err(|error| {
            let told = refused(doing(), error);
            match told.kind() {
                Kind::Transient => told,
                _ => Error::configuration(Code::REQUEST, doing())
                    .remedy("it is SQL about the table's columns; what is not in pg_catalog needs the name of its schema")
                    .source(told),
            }
        })?;
        if !prepared.params().is_empty() {
            return Err(Error::configuration(Code::REQUEST, doing()).remedy("it has a parameter ($1), which has no value"));
        }
    }
    Ok(())
}
