//! Places in the log that are written on purpose.

use tokio_postgres::error::SqlState;
use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;

use crate::connect::Sql;
use crate::refusal::{is_state, refused};

/// From this version on a message outside of a transaction can be flushed by whoever writes it.
const FLUSHES_MESSAGES: u32 = 170_000;

/// The prefix of waltap's own messages, which no capture takes for a user's.
pub const MESSAGE_PREFIX: &str = "waltap.mark";

/// Prepares a session for [`watermark`]: it must not wait for standbys.
pub(super) async fn prepare(sql: &Sql) -> Result<()> {
    sql.batch_execute("SET synchronous_commit = local").await.map_err(|error| refused("preparing a session", error))
}

/// Writes a message to the log that means nothing but that somebody is there: a heartbeat. For a session that does nothing else.
pub async fn write_mark(sql: &Sql) -> Result<()> {
    prepare(sql).await?;
    watermark(sql).await.map(drop)
}

/// Writes a message to the log and gives the place behind it. The log is flushed to there at least, so that the stream gets there soon,
/// however idle the server is. pgoutput throws the message away unless logical messages are asked for.
///
/// Before version 17 the message has a transaction of its own, whose commit flushes it.
pub(super) async fn watermark(sql: &Sql) -> Result<Lsn> {
    let statement = match sql.version().number() >= FLUSHES_MESSAGES {
        true => "SELECT pg_logical_emit_message(false, $1, '', true)::text",
        false => "SELECT pg_logical_emit_message(true, $1, '')::text",
    };
    let doing = "writing a mark into the log";
    let row = match sql.query_one(statement, &[&MESSAGE_PREFIX]).await {
        Ok(row) => row,
        Err(error) if is_state(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => {
            let remedy = "GRANT EXECUTE ON FUNCTION pg_logical_emit_message, the one of text, to the role of the capture";
            return Err(refused(doing, error).remedy(remedy));
        }
        Err(error) => return Err(refused(doing, error)),
    };
    let text: &str = row.try_get(0).map_err(|error| refused(doing, error))?;
    text.parse().map_err(|_| Error::configuration(Code::INTERNAL, format!("the server calls a place in the log {text:?}")))
}
