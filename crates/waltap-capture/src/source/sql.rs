//! A session for questions: the catalog, publications, the slot's state.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use waltap_error::Result;
use waltap_postgres::catalog::{self, ColumnDefaults, Fingerprint, Table, TypeRow};
use waltap_postgres::copy;
use waltap_postgres::publication::{self, Reconciled, UserPublication};
use waltap_postgres::slot::{self, PublicationNames, SlotState};

use super::SnapshotSession;

/// An SQL session in the database of a tap.
pub(crate) enum Sql {
    Postgres(waltap_postgres::Sql),
    #[cfg(test)]
    Simulated(crate::model::postgres::Sql),
}

impl Sql {
    /// `server_version_num`.
    pub(crate) fn version_number(&self) -> u32 {
        match self {
            Sql::Postgres(sql) => sql.version().number(),
            #[cfg(test)]
            Sql::Simulated(sql) => sql.version_number(),
        }
    }

    /// Tries to become the one process that works with a slot, for as long as the session lives.
    pub(crate) async fn claim(&self, slot: &str) -> Result<bool> {
        match self {
            Sql::Postgres(sql) => slot::claim(sql, slot).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.claim(slot).await,
        }
    }

    /// Whether the session still has the claim.
    pub(crate) async fn holds_claim(&self, slot: &str) -> Result<bool> {
        match self {
            Sql::Postgres(sql) => slot::holds_claim(sql, slot).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.claim(slot).await,
        }
    }

    /// Whether the session that had the claim has it still: a question that costs next to nothing.
    pub(crate) async fn keeps_claim(&self, slot: &str) -> Result<bool> {
        match self {
            Sql::Postgres(sql) => slot::is_same_process(sql, slot).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.claim(slot).await,
        }
    }

    /// Writes a heartbeat into the log.
    pub(crate) async fn write_mark(&self) -> Result<()> {
        match self {
            Sql::Postgres(sql) => copy::write_mark(sql).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.nothing("writing a heartbeat").await,
        }
    }

    /// Ends the connection that reads the slot, if its name begins so and it is one of our role.
    pub(crate) async fn terminate_reader(&self, slot: &str, name: &str) -> Result<bool> {
        match self {
            Sql::Postgres(sql) => slot::terminate_reader(sql, slot, name).await,
            #[cfg(test)]
            Sql::Simulated(sql) => std::unreachable!("no seed does so: {sql:p}"),
        }
    }

    /// The slot of that name, if there is one.
    pub(crate) async fn slot(&self, name: &str) -> Result<Option<SlotState>> {
        match self {
            Sql::Postgres(sql) => slot::inspect(sql, name).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.slot(name).await,
        }
    }

    /// Drops a slot, once nobody reads it any more.
    pub(crate) async fn drop_slot(&self, name: &str, patience: Duration) -> Result<()> {
        match self {
            Sql::Postgres(sql) => slot::drop_slot(sql, name, patience).await.map(drop),
            #[cfg(test)]
            Sql::Simulated(sql) => std::unreachable!("no seed does so: {sql:p}"),
        }
    }

    /// Whether the server is a standby.
    pub(crate) async fn is_standby(&self) -> Result<bool> {
        match self {
            Sql::Postgres(sql) => catalog::is_standby(sql).await,
            // There is no other.
            #[cfg(test)]
            Sql::Simulated(_) => Ok(false),
        }
    }

    /// When the server was started, where the role may ask.
    pub(crate) async fn server_start(&self) -> Result<Option<String>> {
        match self {
            Sql::Postgres(sql) => catalog::server_start(sql).await,
            #[cfg(test)]
            Sql::Simulated(_) => Ok(None),
        }
    }

    /// Digest of the catalog's tables.
    pub(crate) async fn fingerprint(&self) -> Result<Fingerprint> {
        match self {
            Sql::Postgres(sql) => catalog::fingerprint(sql).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.fingerprint().await,
        }
    }

    /// Every user table.
    pub(crate) async fn tables(&self) -> Result<Vec<Table>> {
        match self {
            Sql::Postgres(sql) => catalog::tables(sql).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.tables().await,
        }
    }

    /// The tables with these OIDs that are there.
    pub(crate) async fn tables_by_oid(&self, oids: &[u32]) -> Result<Vec<Table>> {
        match self {
            Sql::Postgres(sql) => catalog::tables_by_oid(sql, oids).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.tables_by_oid(oids).await,
        }
    }

    /// Of tables, those that a publication of the user's publishes, and what it publishes of them.
    pub(crate) async fn published(&self, publication: &str, tables: Vec<Table>) -> Result<Vec<Table>> {
        match self {
            Sql::Postgres(sql) => publication::published(sql, publication, tables).await,
            #[cfg(test)]
            Sql::Simulated(sql) => std::unreachable!("no seed does so: {sql:p}"),
        }
    }

    /// What a publication of the user's does with the wanted tables.
    pub(crate) async fn inspect_publication(&self, publication: &str, wanted: &[Table]) -> Result<UserPublication> {
        match self {
            Sql::Postgres(sql) => publication::inspect(sql, publication, wanted).await,
            #[cfg(test)]
            Sql::Simulated(sql) => std::unreachable!("no seed does so: {sql:p}"),
        }
    }

    /// Whether the publications of these names have changed, and where the log ended then.
    pub(crate) async fn publications_digest(&self, names: &[String]) -> Result<publication::Digest> {
        match self {
            Sql::Postgres(sql) => publication::digest(sql, names).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.publications_digest().await,
        }
    }

    /// What the publications of these names publish of these tables.
    pub(crate) async fn publications(&self, names: &[String], tables: &[u32]) -> Result<publication::Contents> {
        match self {
            Sql::Postgres(sql) => publication::contents(sql, names, tables).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.publications(names, tables).await,
        }
    }

    /// Makes waltap's own publications fit the wanted tables, which were read when the catalog had this fingerprint, or later.
    pub(crate) async fn reconcile(
        &mut self,
        names: &PublicationNames,
        wanted: &[Table],
        read: &Fingerprint,
    ) -> Result<Reconciled> {
        match self {
            Sql::Postgres(sql) => publication::reconcile(sql, names, wanted, Some(read)).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.reconcile(wanted).await,
        }
    }

    pub(crate) async fn drop_publication(&self, name: &str) -> Result<()> {
        match self {
            Sql::Postgres(sql) => slot::drop_publication(sql, name).await,
            #[cfg(test)]
            Sql::Simulated(sql) => std::unreachable!("no seed does so: {sql:p}"),
        }
    }

    /// How many bytes a change of these relations takes on average, if that is known, and if how they are read depends on it.
    pub(crate) async fn change_bytes(&self, relations: &[u32]) -> Option<u64> {
        match self {
            Sql::Postgres(sql) if sql.is_here_over_tcp() => catalog::change_bytes(sql, relations).await,
            Sql::Postgres(_) => None,
            #[cfg(test)]
            Sql::Simulated(_) => None,
        }
    }

    /// The columns of a table's identity in the order of its index; `None` when the table is gone.
    pub(crate) async fn identity_key(&self, table: u32) -> Result<Option<Vec<String>>> {
        match self {
            Sql::Postgres(sql) => catalog::identity_key(sql, table).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.nothing("reading a key").await,
        }
    }

    /// The defaults of the tables' columns, by OID.
    pub(crate) async fn column_defaults(&self, tables: &[u32]) -> Result<HashMap<u32, ColumnDefaults>> {
        match self {
            Sql::Postgres(sql) => catalog::column_defaults(sql, tables).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.nothing("reading defaults").await,
        }
    }

    /// Of these types, those that users defined.
    pub(crate) async fn types(&self, oids: &[u32]) -> Result<Vec<TypeRow>> {
        match self {
            Sql::Postgres(sql) => catalog::types(sql, Some(oids)).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.nothing("listing types").await,
        }
    }

    /// The names of types with their modifiers.
    pub(crate) async fn type_names(&self, types: &[(u32, i32)]) -> Result<Vec<String>> {
        match self {
            Sql::Postgres(sql) => catalog::type_names(sql, types).await,
            #[cfg(test)]
            Sql::Simulated(sql) => std::unreachable!("no seed does so: {sql:p}"),
        }
    }

    /// The true number of pages of a table, or of each leaf, by OID.
    pub(crate) async fn measure(&self, table: &Table) -> Result<HashMap<u32, u64>> {
        match self {
            Sql::Postgres(sql) => copy::measure(sql, table).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.measure(table).await,
        }
    }

    /// Takes the relations out of the counts that the planner fails on.
    pub(crate) async fn keep_plannable(&self, table: &Table, pages: &mut HashMap<u32, u64>, pages_max: u32) {
        match self {
            Sql::Postgres(sql) => copy::keep_plannable(sql, table, pages, pages_max).await,
            #[cfg(test)]
            Sql::Simulated(_) => {}
        }
    }

    /// The key by which a table can be read in pieces while it is written to.
    pub(crate) async fn chunk_key(&self, table: &Table) -> Result<Option<Arc<[copy::KeyColumn]>>> {
        match self {
            Sql::Postgres(sql) => copy::chunk_key(sql, table, sql.version().number()).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.chunk_key().await,
        }
    }

    /// Has this session wait for locks no longer than rows are waited for that are read by key.
    pub(crate) async fn bound_lock_waits(&self) -> Result<()> {
        match self {
            Sql::Postgres(sql) => copy::bound_lock_waits(sql).await,
            // Nobody there waits for one.
            #[cfg(test)]
            Sql::Simulated(_) => Ok(()),
        }
    }

    /// What changes with every change of a table; `None` when it is gone.
    pub(crate) async fn table_mark(&self, table: u32) -> Result<Option<String>> {
        match self {
            Sql::Postgres(sql) => catalog::table_mark(sql, table).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.table_mark(table).await,
        }
    }

    /// Whether an SQL condition can be put to the rows of a table.
    pub(crate) async fn check_condition(&self, table: &Table, condition: &str) -> Result<()> {
        match self {
            Sql::Postgres(sql) => copy::check_condition(sql, table, condition).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.check_condition().await,
        }
    }

    /// Takes an id of a transaction of its own.
    pub(crate) async fn take_transaction_id(&self) -> Result<u64> {
        match self {
            Sql::Postgres(sql) => catalog::take_transaction_id(sql).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.take_transaction_id().await,
        }
    }

    /// Whether commits may wait for a standby after they were logged.
    pub(crate) async fn commits_wait_for_standbys(&self) -> Result<bool> {
        match self {
            Sql::Postgres(sql) => catalog::commits_wait_for_standbys(sql).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.commits_wait_for_standbys().await,
        }
    }

    /// The transactions that the making of a slot waits for, in words.
    pub(crate) async fn open_transactions(&self) -> Result<Vec<String>> {
        match self {
            Sql::Postgres(sql) => catalog::open_transactions(sql).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.nothing("listing transactions").await,
        }
    }

    /// Of these transactions and subtransactions, those that were rolled back.
    pub(crate) async fn aborted_transactions(&self, xids: &[u32]) -> Result<HashSet<u32>> {
        match self {
            Sql::Postgres(sql) => catalog::aborted_transactions(sql, xids).await,
            #[cfg(test)]
            Sql::Simulated(sql) => sql.aborted_transactions(xids).await,
        }
    }

    /// Begins to read under a snapshot that another session exported and still holds.
    pub(crate) async fn begin_snapshot(self, snapshot: &str) -> Result<SnapshotSession> {
        match self {
            #[cfg(test)]
            Sql::Simulated(sql) => sql.begin_snapshot(snapshot).await.map(SnapshotSession::Simulated),
            Sql::Postgres(sql) => {
                copy::SnapshotReader::begin(sql, snapshot).await.map(|reader| SnapshotSession::Postgres(Box::new(reader)))
            }
        }
    }
}
