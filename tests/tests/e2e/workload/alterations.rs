//! When writers may alter and truncate tables: not while slots are being made.
//!
//! PostgreSQL passes over a change of the catalog that commits while a slot is being made, and other transactions are open. What is written to
//! the table then can never be decoded by that slot: "could not map filenumber", at each attempt. So nobody alters tables at that moment. The
//! temporary slots of snapshots are no matter, since nothing is decoded by them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use waltap_tests::{Result, Sql};

use super::shape::Member;

/// How often slots are asked for.
const INTERVAL: Duration = Duration::from_millis(50);

/// Whether tables may be altered now.
#[derive(Clone, Debug)]
pub(super) struct Alterations(Arc<AtomicBool>);

impl Alterations {
    pub(super) fn at_once() -> Self {
        Alterations(Arc::new(AtomicBool::new(true)))
    }

    /// As soon as every database of the tables has a slot on the server at this port.
    pub(super) fn once_slots_are_made(port: u16, members: &[Member]) -> Self {
        let are_let = Arc::new(AtomicBool::new(false));
        let databases: BTreeSet<String> = members.iter().map(|member| member.database.clone()).collect();
        let are_awaited = Arc::downgrade(&are_let);
        tokio::spawn(async move {
            // A server that is down is asked again, for as long as there are writers.
            while let Some(are_let) = are_awaited.upgrade() {
                if slots_are_made(port, &databases).await.unwrap_or(false) {
                    are_let.store(true, Ordering::Relaxed);
                    return;
                }
                drop(are_let);
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Alterations(are_let)
    }

    pub(super) fn are_let(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A slot that is being made has no confirmed position yet.
async fn slots_are_made(port: u16, databases: &BTreeSet<String>) -> Result<bool> {
    let made = "SELECT DISTINCT database FROM pg_replication_slots
                WHERE slot_type = 'logical' AND NOT temporary AND confirmed_flush_lsn IS NOT NULL";
    let made: BTreeSet<String> = Sql::connect(port, "postgres", "postgres", "").await?.column(made).await?.into_iter().collect();
    Ok(databases.is_subset(&made))
}
