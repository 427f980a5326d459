//! Who reads chunks: a task of its own for each question, with sessions that stay open in between.

use std::sync::Arc;

use tokio::task::JoinHandle;
use waltap_error::{Code, Error, Result};
use waltap_postgres::ServerError;
use waltap_postgres::copy::{CopyError, KeyChunk, KeyRange};

use super::table::{ChunkTable, Looked};
use super::watch::Key;
use crate::source::{KeyReader, Sql};
use crate::tap::Context;

/// The SQLSTATE of a statement that waited for a lock for as long as it may.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// What is asked.
pub(crate) enum Question {
    /// Up to where transactions may have been logged before this session began, and be invisible still.
    Settle,
    /// Look at a table; `true`: and find its last key.
    Look(u32, bool),
    /// Read rows of a table.
    Read(Arc<ChunkTable>, KeyRange),
}

/// What came of it.
pub(crate) enum Answer {
    /// Transactions of before have ids below this one; whether their commits may wait for a standby.
    Settled(u64, bool),
    Looked(Looked, Option<Key>),
    Chunk(KeyChunk),
    /// The table is not what it was.
    Changed,
    /// It is locked against reading, in words.
    Locked(String),
}

struct Sessions {
    sql: Sql,
    keys: KeyReader,
}

/// Asks one question at a time.
#[derive(Default)]
pub(crate) struct Reader {
    sessions: Option<Sessions>,
    task: Option<JoinHandle<(Option<Sessions>, Result<Answer>)>>,
}

impl Reader {
    /// Asks.
    pub(crate) fn ask(&mut self, context: &Context, question: Question) {
        let (context, sessions) = (context.clone(), self.sessions.take());
        self.task = Some(tokio::spawn(async move {
            let sessions = match sessions {
                Some(sessions) => sessions,
                None => match open(&context).await {
                    Ok(sessions) => sessions,
                    Err(error) => return (None, Err(error)),
                },
            };
            // What failed in the middle may have left them of no use.
            match answer(&context, sessions, question).await {
                Ok((sessions, answer)) => (Some(sessions), Ok(answer)),
                Err(error) if is_lock_timeout(&error) => (None, Ok(Answer::Locked(format!("it is locked: {}", error.message())))),
                Err(error) => (None, Err(error)),
            }
        }));
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.task.is_some()
    }

    /// Waits for the answer, for ever when nothing was asked. Cancel safe.
    pub(crate) async fn answer(&mut self) -> Result<Answer> {
        let Some(task) = &mut self.task else { return std::future::pending().await };
        let joined = task.await;
        self.task = None;
        match joined {
            Ok((sessions, answer)) => {
                self.sessions = sessions;
                answer
            }
            Err(error) => Err(Error::configuration(Code::INTERNAL, "the reading of a chunk broke").source(error)),
        }
    }

    /// Forgets what was asked, and closes the sessions: nothing is to be read any more.
    pub(crate) fn close(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.sessions = None;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}

async fn open(context: &Context) -> Result<Sessions> {
    let sql = context.sql().await?;
    // Other tables are not to wait for one that is locked.
    sql.bound_lock_waits().await?;
    Ok(Sessions { sql, keys: context.shared.server.key_reader(&context.database).await? })
}

/// Whether a statement waited for a lock for as long as it may.
pub(crate) fn is_lock_timeout(error: &Error) -> bool {
    ServerError::find(error).is_some_and(|refusal| refusal.sqlstate == LOCK_NOT_AVAILABLE)
}

async fn answer(context: &Context, mut sessions: Sessions, question: Question) -> Result<(Sessions, Answer)> {
    let answer = match question {
        Question::Settle => {
            let waits = sessions.sql.commits_wait_for_standbys().await?;
            Answer::Settled(sessions.sql.take_transaction_id().await?, waits)
        }
        Question::Look(oid, finds_end) => {
            let Sessions { sql, mut keys } = sessions;
            let (sql, looked) = ChunkTable::look(context, sql, oid).await?;
            let end = match &looked {
                Looked::Table(table) if finds_end => match keys.greatest_key(&table.table, &table.key).await {
                    Ok(end) => end,
                    Err(CopyError::Changed(_)) => return Ok((Sessions { sql, keys }, Answer::Changed)),
                    Err(CopyError::Locked(error)) => {
                        return Ok((Sessions { sql, keys }, Answer::Locked(error.message().to_owned())));
                    }
                    Err(CopyError::Failed(error)) => return Err(error),
                },
                _ => None,
            };
            sessions = Sessions { sql, keys };
            Answer::Looked(looked, end)
        }
        Question::Read(table, range) => read(&mut sessions, &table, &range).await?,
    };
    Ok((sessions, answer))
}

/// Reads, and makes sure that the table had one shape from before until after: what its rows become is decided by it.
async fn read(sessions: &mut Sessions, table: &ChunkTable, range: &KeyRange) -> Result<Answer> {
    let oid = table.table.oid;
    if sessions.sql.table_mark(oid).await?.as_ref() != Some(&table.mark) {
        return Ok(Answer::Changed);
    }
    let chunk = match sessions.keys.read(&table.table, range).await {
        Ok(chunk) => chunk,
        Err(CopyError::Changed(error)) => {
            tracing::debug!(error = error.report(), "a table changed while it was read in chunks");
            return Ok(Answer::Changed);
        }
        Err(CopyError::Locked(error)) => return Ok(Answer::Locked(error.message().to_owned())),
        Err(CopyError::Failed(error)) => return Err(error),
    };
    match sessions.sql.table_mark(oid).await?.as_ref() == Some(&table.mark) {
        true => Ok(Answer::Chunk(chunk)),
        false => Ok(Answer::Changed),
    }
}
