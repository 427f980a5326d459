//! What slot, log and cluster are, before anything is changed on either side: whoever was led to another server, or another cluster, must not
//! alter publications there, nor write into progress.

use waltap_error::{Code, Error, Result};
use waltap_postgres::slot::SlotState;

use super::Context;
use super::anew::mends;
use crate::progress::Progress;
use crate::slot_plan::{Expected, Kinship, ServerLog, SlotPlan, check_cluster, check_standby, plan};
use crate::source::{Replication, Sql};

/// What was found, and what follows for the slot.
pub(super) struct Examination {
    pub(super) replication: Replication,
    /// The log of the server that was reached.
    pub(super) log: ServerLog,
    /// The slot, where it is there.
    pub(super) found: Option<SlotState>,
    /// What to do; or a loss that the user wants to be mended by beginning anew.
    pub(super) plan: Result<SlotPlan, Error>,
}

/// Looks. `progress` was read for the last time; `cluster` is the id of the one that it was read from. Changes are expected to take `change_bytes`.
pub(super) async fn examine(
    context: &Context,
    sql: &Sql,
    progress: &Progress,
    cluster: Option<&str>,
    is_transactional: bool,
    change_bytes: Option<u64>,
) -> Result<Examination> {
    let mut replication = context.replication(change_bytes).await?;
    ensure_same_server(sql, &mut replication).await?;
    let found = sql.slot(&context.slot).await?;
    let record = progress.slot.as_ref();
    // The cluster first: what progress says of the slot in a mirror may be older than the slot.
    check_cluster(record, cluster, found.as_ref())?;
    let is_standby = context.recovery.is_standby();
    if is_standby {
        check_standby(&context.options().name, sql.version_number(), record, found.as_ref())?;
    }
    let log = ServerLog::ask(&mut replication, record, found.as_ref(), is_standby).await?;
    let sent = context.sent.get().filter(|_| !is_transactional);
    let expected = Expected { slot: &context.slot, record, sent, mode: context.options().snapshot };
    let planned = match context.is_temporary() {
        true => Ok(SlotPlan::Create),
        false => plan(expected, &log, found.as_ref()),
    };
    let plan = match planned {
        // A server on another way than the one that was read may be an old primary that came back: its rows must not come behind newer events.
        Err(error) if mends(context, &error) && log.kinship != Kinship::Foreign => Err(error),
        planned => Ok(planned?),
    };
    Ok(Examination { replication, log, found, plan })
}

/// What is seen by one session is done by the other: both must be of one server, which what stands between may not know. Copies of a server
/// have its number, and none the moment of its start.
async fn ensure_same_server(sql: &Sql, replication: &mut Replication) -> Result<()> {
    match (sql.server_start().await?, replication.server_start().await?) {
        (Some(of_sql), Some(of_replication)) if of_sql != of_replication => {}
        // The same, or not to be known.
        _ => return Ok(()),
    }
    // It may have failed over just now.
    let message = "the connections of one tap lead to two servers: what stands before them, or a host's name, leads to several";
    Err(Error::transient(Code::CONNECT, message)
        .remedy("name the server itself in --source, or all hosts of which one is meant, with target_session_attrs=primary"))
}
