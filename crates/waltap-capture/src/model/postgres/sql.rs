//! The simulated side of [`crate::source::Sql`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use waltap_error::{Code, Error, Result};
use waltap_postgres::catalog::{Fingerprint, Table};
use waltap_postgres::publication::{Contents, Digest, Entry, EntryOf, Header, Operations, Reconciled};
use waltap_postgres::slot::SlotState;

use super::super::world::State;
use super::connection::Connection;
use super::copy::SnapshotSession;

/// A server of today.
const VERSION: u32 = 170_000;

pub(crate) struct Sql {
    pub(super) connection: Arc<Connection>,
}

impl Sql {
    pub(super) fn new(connection: Connection) -> Self {
        Sql { connection: Arc::new(connection) }
    }

    pub(crate) fn version_number(&self) -> u32 {
        VERSION
    }

    pub(crate) async fn claim(&self, slot: &str) -> Result<bool> {
        let taken = |state: &mut State, id: u64| {
            let holder = *state.postgres.claims.entry(slot.to_owned()).or_insert(id);
            state.note(|| format!("connection {id} claims the slot: held by {holder}"));
            holder == id
        };
        self.connection.ask("claiming the slot", taken).await
    }

    pub(crate) async fn slot(&self, name: &str) -> Result<Option<SlotState>> {
        let found = |state: &mut State, _| {
            let server_lsn = state.postgres.wal.end();
            state.postgres.slots.get(name).map(|slot| slot.state(name, server_lsn))
        };
        self.connection.ask("inspecting the slot", found).await
    }

    pub(crate) async fn fingerprint(&self) -> Result<Fingerprint> {
        let fingerprint = |state: &mut State, _| state.postgres.wal.tables.len().to_string();
        Ok(Fingerprint::of(self.connection.ask("taking the fingerprint", fingerprint).await?))
    }

    pub(crate) async fn tables(&self) -> Result<Vec<Table>> {
        self.connection.ask("listing tables", |state, _| state.postgres.wal.catalog()).await
    }

    pub(crate) async fn tables_by_oid(&self, oids: &[u32]) -> Result<Vec<Table>> {
        let mut tables = self.tables().await?;
        tables.retain(|table| oids.contains(&table.oid));
        Ok(tables)
    }

    pub(crate) async fn publications_digest(&self) -> Result<Digest> {
        let digest = |state: &mut State, _| {
            let published = state.postgres.wal.tables.iter().filter(|table| table.published.is_some()).count();
            Digest { lsn: state.postgres.wal.end(), text: published.to_string() }
        };
        self.connection.ask("taking the digest of the publications", digest).await
    }

    /// The first publication has every table that was published once.
    pub(crate) async fn publications(&self, names: &[String], tables: &[u32]) -> Result<Contents> {
        let contents = |state: &mut State, _| {
            let header = |(oid, name): (u32, &String)| Header {
                name: name.clone(),
                oid,
                owner: "waltap".to_owned(),
                altered_by: "1".to_owned(),
                all_tables: false,
                operations: Operations::ALL,
                via_root: true,
                generated: false,
            };
            let entry = |oid: u32| {
                let publication = names.first().cloned().unwrap_or_default();
                Entry { publication, table: oid, of: EntryOf::Table, oid, columns: None, row_filter: None }
            };
            let listed =
                state.postgres.wal.tables.iter().filter(|table| table.published.is_some() && tables.contains(&table.oid));
            Contents { headers: (1..).zip(names).map(header).collect(), entries: listed.map(|table| entry(table.oid)).collect() }
        };
        self.connection.ask("listing what is published", contents).await
    }

    pub(crate) async fn reconcile(&mut self, wanted: &[Table]) -> Result<Reconciled> {
        let publish = |state: &mut State, _| {
            for table in wanted {
                if state.postgres.wal.publish(table.oid) {
                    let end = state.postgres.wal.end();
                    state.note(|| format!("table {} is published from {end} on", table.name));
                }
            }
            Reconciled { tables: wanted.to_vec(), ..Reconciled::default() }
        };
        self.connection.ask("publishing", publish).await
    }

    /// Pages are made up, so that a table has several chunks at times.
    pub(crate) async fn measure(&self, table: &Table) -> Result<HashMap<u32, u64>> {
        let measure = |state: &mut State, _| state.postgres.wal.pages(table.oid);
        let pages = self.connection.ask("measuring", measure).await?;
        Ok(HashMap::from([(table.oid, pages)]))
    }

    pub(crate) async fn aborted_transactions(&self, xids: &[u32]) -> Result<HashSet<u32>> {
        let aborted = |state: &mut State, _| xids.iter().copied().filter(|xid| state.postgres.wal.is_aborted(*xid)).collect();
        self.connection.ask("asking what was rolled back", aborted).await
    }

    pub(crate) async fn nothing<T: Default>(&self, doing: &str) -> Result<T> {
        self.connection.ask(doing, |_, _| T::default()).await
    }

    pub(crate) async fn begin_snapshot(self, snapshot: &str) -> Result<SnapshotSession> {
        let begin = |state: &mut State, id: u64| {
            let (_, lsn) = *state.postgres.snapshots.get(snapshot)?;
            state.postgres.sessions.get_mut(&id)?.reads = Some(lsn);
            Some(lsn)
        };
        match self.connection.ask("taking over the snapshot", begin).await? {
            Some(lsn) => Ok(SnapshotSession::new(self, lsn)),
            None => Err(Error::transient(Code::SNAPSHOT, "the simulated snapshot is not held any more")),
        }
    }
}
