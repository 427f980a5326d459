//! Beginning anew where the slot, or the log behind it, is lost: only where the user asked for it, with a loud word, and not again and again.

use std::time::Duration;

use waltap_error::{Code, Error, Result};
use waltap_postgres::slot::SlotState;

use super::Context;
use crate::clock::since_1970;
use crate::options::OnSlotLost;
use crate::progress::{Progress, SlotRecord};
use crate::slot_plan::is_loss;
use crate::source::Sql;

/// A second loss within this time of the first is not taken for chance: whatever takes the slot away would make the capture read every table
/// again and again.
const NOT_AGAIN_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);

/// How long whoever still reads the slot that is given up may take to let go of it.
const DROP_PATIENCE: Duration = Duration::from_secs(10);

/// Whether a loss is to be mended by beginning anew.
pub(crate) fn mends(context: &Context, error: &Error) -> bool {
    context.options().on_slot_lost == OnSlotLost::Resnapshot && !context.is_temporary() && is_loss(error.code())
}

/// Prepares for a new slot: afterwards nothing is there that is of the lost one, and every table is to be read again.
///
/// The order: first progress says that the tables are to be read, which Kafka must confirm, so that nothing is given up, or made, that Kafka
/// could not take the rows of. Then the slot goes. Whatever is cut off in between leaves a loss, which is found again, and tables that
/// are known to be marked only; the slot record says that it was begun anew from the intention to make the new slot on.
pub(super) async fn begin_anew(
    context: &Context,
    sql: &Sql,
    progress: &mut Progress,
    found: Option<&SlotState>,
    loss: Error,
) -> Result<()> {
    let now = since_1970();
    if let Some(before) = progress.slot.as_ref().and_then(|record| record.begun_anew).map(Duration::from_secs) {
        // A clock that was set back says nothing.
        let ago = now.saturating_sub(before);
        let is_unread = progress.is_begun_anew_unread();
        if ago < NOT_AGAIN_WITHIN || is_unread {
            return Err(limit(context, loss, ago, is_unread));
        }
    }
    tracing::error!(
        database = context.database,
        code = %loss.code(),
        error = loss.report(),
        "changes are lost; beginning anew with a new slot, and reading every table again, as --on-slot-lost resnapshot asks: rows that were \
         deleted meanwhile stay in the topics"
    );
    for (_, record, _) in progress.behind() {
        let (database, table) = (&context.database, record.display_name());
        tracing::warn!(
            database,
            table,
            "the table was paused: what was withheld of it is lost with the slot, and its pause ends"
        );
    }
    progress.read_everything_again(now.as_secs()).await?;
    if let Some(found) = found {
        sql.drop_slot(&found.name, DROP_PATIENCE).await?;
    }
    context.sent.forget();
    if let Some(record) = &mut progress.slot {
        let (begun_anew, generation) = (Some(now.as_secs()), record.generation);
        *record = SlotRecord { begun_anew, generation, ..SlotRecord::intended(&record.system_id, &record.slot) };
    }
    Ok(())
}

/// `is_unread`: what was begun then is not done yet, however long ago that is.
fn limit(context: &Context, loss: Error, ago: Duration, is_unread: bool) -> Error {
    let remedy = loss.remedy_text().unwrap_or_default().to_owned();
    let ago = Duration::from_secs(ago.as_secs());
    let done = if is_unread { "everything was begun to be read again, which is not done," } else { "everything was read again" };
    Error::configuration(
        Code::RESNAPSHOT_LIMIT,
        format!(
            "the slot {} is lost again; {ago:?} ago {done} for the same reason, and waltap does that once a day unless it streams for an hour \
             in between",
            context.slot
        ),
    )
    .source(loss)
    .remedy(format!("find out who or what takes the slot away; then {remedy}"))
}
