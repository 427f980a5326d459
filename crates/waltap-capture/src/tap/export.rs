//! A snapshot for tables that join later: exported by a temporary slot, whose consistent point says where in the log it stands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use waltap_error::{Code, Error, Result};
use waltap_postgres::catalog::Table;
use waltap_postgres::replication::{CreatedSlot, SlotOptions};

use super::Context;
use crate::snapshot::ExportedSnapshot;
use crate::source::Replication;

/// How long a slot is waited for before it is said what holds it up, and how often it is said again.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same on a standby, where nothing goes on before the primary has written which transactions are open: every 15 s at the most where
/// somebody writes (`LOG_SNAPSHOT_INTERVAL_MS`), and else never.
const STANDBY_PATIENCE: Duration = Duration::from_secs(2);

/// What a slot of a standby waits for.
const FOR_THE_PRIMARY: &str = "a slot of a standby waits until the primary logs which transactions are open, and for these to end; to hurry it, \
                               on the primary: SELECT pg_log_standby_snapshot();";

/// How long to wait for a slot that another database's snapshot uses now.
const SLOT_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Tables to be read, and the snapshot to read them under. It is open as long as this is held.
pub(crate) struct HeldSnapshot {
    pub(crate) tables: Vec<Table>,
    /// Tables that were asked for and are gone, or not wanted any more.
    pub(crate) gone: Vec<u32>,
    pub(crate) snapshot: ExportedSnapshot,
    /// The session of the temporary slot. Its next command, or its end, would close the snapshot.
    _holder: Replication,
}

/// Makes one. The server waits for all transactions that are writing now, so this may take as long as the longest of them.
pub(crate) async fn export(context: Context, oids: Vec<u32>) -> Result<HeldSnapshot> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("waltap_snapshot_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut holder = context.replication(None).await?;
    let options = SlotOptions { temporary: true, export_snapshot: true, ..SlotOptions::default() };
    let created = loop {
        match patiently(&context, holder.create_slot(&name, options)).await {
            // Another database's tap may have the spare slot for the moment.
            Err(error) if error.code() == Code::REPLICATION_SLOTS => {
                tracing::warn!(
                    database = context.database,
                    remedy = error.remedy_text(),
                    "the snapshot of new tables waits for a free replication slot"
                );
                tokio::time::sleep(SLOT_RETRY_DELAY).await;
            }
            created => break created?,
        }
    };
    // Now, so that they are as the snapshot has them, or newer.
    let sql = context.sql().await?;
    let tables = context.tables(&sql, &oids).await?;
    let gone = oids.into_iter().filter(|oid| !tables.iter().any(|table| table.oid == *oid)).collect();
    Ok(HeldSnapshot { tables, gone, snapshot: exported(created)?, _holder: holder })
}

/// Waits for a slot to be made, and says meanwhile what the server waits for: every transaction that is open, in whatever database.
pub(crate) async fn patiently<T>(context: &Context, making: impl Future<Output = Result<T>>) -> Result<T> {
    let mut making = std::pin::pin!(making);
    let is_standby = context.recovery.is_standby();
    let mut patience = if is_standby { STANDBY_PATIENCE } else { PATIENCE };
    loop {
        tokio::select! {
            biased;
            made = &mut making => {
                context.board.facts().waiting_for_transactions = None;
                return made;
            }
            () = tokio::time::sleep(patience) => {
                patience = PATIENCE;
                let what = match is_standby {
                    true => FOR_THE_PRIMARY.to_owned(),
                    false => format!("a snapshot waits for transactions that are open on the server: {}", open(context).await),
                };
                tracing::warn!(database = context.database, "{what}");
                context.board.facts().waiting_for_transactions = Some(what);
            }
        }
    }
}

async fn open(context: &Context) -> String {
    let open = match context.sql().await {
        Ok(sql) => sql.open_transactions().await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    if open.is_empty() { "the role may not see which".to_owned() } else { open.join(", ") }
}

/// The snapshot of a slot that was just made with one.
pub(crate) fn exported(created: CreatedSlot) -> Result<ExportedSnapshot> {
    let lsn = created.consistent_point;
    match created.snapshot_name {
        Some(name) => Ok(ExportedSnapshot { name, lsn }),
        None => Err(Error::transient(
            Code::SNAPSHOT,
            format!("the server made the slot {} without the snapshot asked for", created.name),
        )),
    }
}
