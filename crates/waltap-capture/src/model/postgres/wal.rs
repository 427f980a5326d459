//! The write-ahead log, and the tables that it is about.

use std::collections::{BTreeMap, BTreeSet};

use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::{Column, Generated, Identity, ReplicaIdentity, Table, VisibleTransactions};

use super::super::profile::Profile;
use super::super::random::Random;

/// Where the log begins.
const BEGINNING: u64 = 0x0150_0000;

/// A table's first number.
const FIRST_OID: u32 = 16_400;

/// `int8` and `text`.
const INT8: u32 = 20;
const TEXT: u32 = 25;

/// How many pages of a table lie between two rows, so that those of a large table fall into several chunks.
const PAGES_A_ROW: u32 = 7_000;

/// What is done to a row or a table, or said in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) enum What {
    Insert {
        row: i64,
        value: String,
    },
    Update {
        row: i64,
        value: String,
    },
    /// An update of the key.
    Move {
        from: i64,
        row: i64,
        value: String,
    },
    /// An update that leaves the value as it is, which the log does not tell then, as with TOAST.
    Touch {
        row: i64,
    },
    /// As [`What::Move`], and as [`What::Touch`].
    Carry {
        from: i64,
        row: i64,
    },
    Delete {
        row: i64,
    },
    Truncate,
    /// `pg_logical_emit_message(true, …)`.
    Message {
        content: String,
    },
}

#[derive(Clone, Debug)]
pub(in crate::model) struct Change {
    pub(in crate::model) lsn: Lsn,
    /// The subtransaction that made it, or the transaction.
    pub(in crate::model) subxid: u32,
    /// Zero for a message.
    pub(in crate::model) table: u32,
    pub(in crate::model) what: What,
}

#[derive(Clone, Debug)]
pub(in crate::model) struct Transaction {
    pub(in crate::model) xid: u32,
    pub(in crate::model) changes: Vec<Change>,
    pub(in crate::model) commit_lsn: Lsn,
    pub(in crate::model) end_lsn: Lsn,
}

/// What the log holds that a stream tells of, in its order.
#[derive(Clone, Debug)]
pub(in crate::model) enum Entry {
    Committed(Transaction),
    /// `pg_logical_emit_message(false, …)`: told whatever becomes of its transaction.
    Message {
        start: Lsn,
        end: Lsn,
        content: String,
    },
}

impl Entry {
    /// What decides whether a stream that begins somewhere tells of it.
    pub(in crate::model) fn start(&self) -> Lsn {
        match self {
            Entry::Committed(transaction) => transaction.commit_lsn,
            Entry::Message { start, .. } => *start,
        }
    }

    pub(in crate::model) fn end(&self) -> Lsn {
        match self {
            Entry::Committed(transaction) => transaction.end_lsn,
            Entry::Message { end, .. } => *end,
        }
    }
}

/// What the log holds, record by record.
#[derive(Clone, Debug)]
pub(in crate::model) enum Step {
    Change {
        xid: u32,
        change: Change,
    },
    /// An entry of [`Wal::entries`].
    Entry(usize),
    /// Subtransactions are rolled back, or the transaction with what is left of them.
    Abort {
        xid: u32,
        undone: Vec<u32>,
    },
}

/// A transaction that is open.
#[derive(Clone, Debug, Default)]
struct Open {
    changes: Vec<Change>,
    /// Savepoints, and how many changes there were before each.
    savepoints: Vec<(u32, usize)>,
}

#[derive(Clone, Debug)]
pub(in crate::model) struct SourceTable {
    pub(in crate::model) oid: u32,
    pub(in crate::model) name: String,
    pub(in crate::model) full_identity: bool,
    /// From where on its changes are streamed.
    pub(in crate::model) published: Option<Lsn>,
    /// Where it got a new file: a snapshot from before cannot see its rows.
    rewritten: Lsn,
    /// Rows that were there before the log begins.
    first_rows: BTreeMap<i64, String>,
    pages: u64,
}

pub(in crate::model) struct Wal {
    end: Lsn,
    next_xid: u32,
    pub(in crate::model) tables: Vec<SourceTable>,
    /// In the order of the log.
    pub(in crate::model) entries: Vec<Entry>,
    /// Each with the place behind it.
    pub(in crate::model) steps: Vec<(Lsn, Step)>,
    open: BTreeMap<u32, Open>,
    /// Rows as they are committed.
    pub(in crate::model) rows: BTreeMap<(u32, i64), String>,
    next_value: u64,
}

impl Wal {
    pub(super) fn new(random: &mut Random, profile: &Profile) -> Self {
        let mut wal = Wal {
            end: Lsn(BEGINNING),
            next_xid: 700,
            tables: Vec::new(),
            entries: Vec::new(),
            steps: Vec::new(),
            open: BTreeMap::new(),
            rows: BTreeMap::new(),
            next_value: 0,
        };
        for _ in 0..profile.tables {
            let rows = random.below(profile.rows_max + 1);
            wal.create_table(random, rows);
        }
        wal
    }

    /// Makes a table with so many rows in it: in the past, or by a transaction of now that nobody streams.
    pub(in crate::model) fn create_table(&mut self, random: &mut Random, rows: u64) {
        let oid = FIRST_OID + self.tables.len() as u32;
        let first_rows: BTreeMap<i64, String> = (1..=rows as i64).map(|row| (row, self.value())).collect();
        self.rows.extend(first_rows.iter().map(|(row, value)| ((oid, *row), value.clone())));
        let made = self.advance(random.between(8, 400));
        self.tables.push(SourceTable {
            oid,
            name: format!("t{}", self.tables.len()),
            full_identity: random.percent(25),
            published: None,
            rewritten: made,
            first_rows,
            pages: if random.percent(40) { u64::from(page_of(rows as i64 + 1)) } else { random.below(10) },
        });
    }

    pub(in crate::model) fn end(&self) -> Lsn {
        self.end
    }

    /// Lets the log grow: by what other databases write, for one.
    pub(in crate::model) fn advance(&mut self, bytes: u64) -> Lsn {
        let start = self.end;
        self.end = Lsn((self.end.0 + bytes).next_multiple_of(8));
        start
    }

    /// A text that no row had before.
    pub(in crate::model) fn value(&mut self) -> String {
        self.next_value += 1;
        // Of several lengths, for the queue's bound.
        format!("v{}{}", self.next_value, "x".repeat((self.next_value * 7 % 90) as usize))
    }

    pub(in crate::model) fn begin(&mut self) -> u32 {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.open.insert(xid, Open::default());
        xid
    }

    pub(in crate::model) fn open_transactions(&self) -> Vec<u32> {
        self.open.keys().copied().collect()
    }

    /// Adds a change to an open transaction.
    pub(in crate::model) fn change(&mut self, xid: u32, table: u32, what: What, bytes: u64) {
        let lsn = self.advance(bytes);
        if let Some(open) = self.open.get_mut(&xid) {
            let subxid = open.savepoints.last().map_or(xid, |(subxid, _)| *subxid);
            let change = Change { lsn, subxid, table, what };
            self.steps.push((self.end, Step::Change { xid, change: change.clone() }));
            open.changes.push(change);
        }
    }

    pub(super) fn next_xid(&self) -> u32 {
        self.next_xid
    }

    /// The rows that a snapshot sees, in the order of their key.
    pub(super) fn rows_seen(&self, oid: u32, visible: &VisibleTransactions) -> Vec<(i64, String)> {
        self.rows_of(oid, |transaction| visible.sees(transaction.xid)).into_iter().collect()
    }

    pub(in crate::model) fn savepoint(&mut self, xid: u32) {
        let subxid = self.next_xid;
        self.next_xid += 1;
        if let Some(open) = self.open.get_mut(&xid) {
            open.savepoints.push((subxid, open.changes.len()));
        }
    }

    /// Ends the last savepoint and keeps what was done since: what comes next is of the one before it.
    pub(in crate::model) fn release(&mut self, xid: u32) {
        if let Some(open) = self.open.get_mut(&xid) {
            open.savepoints.pop();
        }
    }

    /// Takes back what was done since the last savepoint, if there is one.
    pub(in crate::model) fn roll_back_to_savepoint(&mut self, xid: u32) -> bool {
        let Some(open) = self.open.get_mut(&xid) else { return false };
        let Some((subxid, kept)) = open.savepoints.pop() else { return false };
        let undone = undone(open.changes.drain(kept..).map(|change| change.subxid), subxid);
        self.advance(40);
        self.steps.push((self.end, Step::Abort { xid, undone }));
        true
    }

    pub(in crate::model) fn changes_of(&self, xid: u32) -> &[Change] {
        self.open.get(&xid).map_or(&[], |open| open.changes.as_slice())
    }

    /// Whether a transaction that was committed has changed a table.
    pub(in crate::model) fn has_changed(&self, xid: u32, oid: u32) -> bool {
        let changes = |entry: &Entry| match entry {
            Entry::Committed(transaction) if transaction.xid == xid => {
                transaction.changes.iter().any(|change| change.table == oid)
            }
            _ => false,
        };
        self.entries.iter().any(changes)
    }

    pub(in crate::model) fn commit(&mut self, xid: u32, bytes: u64) -> Option<Lsn> {
        let changes = self.open.remove(&xid)?.changes;
        let commit_lsn = self.advance(bytes);
        for change in &changes {
            apply(&mut self.rows, change);
            if change.what == What::Truncate
                && let Some(table) = self.tables.iter_mut().find(|table| table.oid == change.table)
            {
                table.rewritten = commit_lsn;
            }
        }
        self.add(Entry::Committed(Transaction { xid, changes, commit_lsn, end_lsn: self.end }));
        Some(commit_lsn)
    }

    pub(in crate::model) fn abort(&mut self, xid: u32) {
        let open = self.open.remove(&xid).unwrap_or_default();
        let undone = undone(open.changes.iter().map(|change| change.subxid), xid);
        self.advance(40);
        self.steps.push((self.end, Step::Abort { xid, undone }));
    }

    pub(super) fn abort_all(&mut self) {
        self.open_transactions().into_iter().for_each(|xid| self.abort(xid));
        self.advance(100);
    }

    /// A message outside of transactions.
    pub(in crate::model) fn say(&mut self, bytes: u64) {
        let content = self.value();
        let start = self.advance(bytes);
        self.add(Entry::Message { start, end: self.end, content });
    }

    /// Whether a transaction or a subtransaction that made changes was rolled back.
    pub(super) fn is_aborted(&self, xid: u32) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::Abort { undone, .. } if undone.contains(&xid)))
    }

    fn add(&mut self, entry: Entry) {
        self.steps.push((self.end, Step::Entry(self.entries.len())));
        self.entries.push(entry);
    }

    /// Gives a table a new file with the same rows, of which the stream tells nothing.
    pub(in crate::model) fn rewrite(&mut self, oid: u32) {
        let at = self.advance(64);
        if let Some(table) = self.tables.iter_mut().find(|table| table.oid == oid) {
            table.rewritten = at;
        }
    }

    /// Whether it was not published before.
    pub(super) fn publish(&mut self, oid: u32) -> bool {
        let end = self.advance(120);
        let table = self.tables.iter_mut().find(|table| table.oid == oid && table.published.is_none());
        table.map(|table| table.published = Some(end)).is_some()
    }

    /// Whether the stream tells of a change.
    pub(in crate::model) fn is_told(&self, change: &Change) -> bool {
        match &change.what {
            What::Message { .. } => true,
            _ => self.table(change.table).and_then(|table| table.published).is_some_and(|published| change.lsn >= published),
        }
    }

    pub(in crate::model) fn table(&self, oid: u32) -> Option<&SourceTable> {
        self.tables.iter().find(|table| table.oid == oid)
    }

    pub(super) fn has_changed_since(&self, oid: u32, lsn: Lsn) -> bool {
        self.table(oid).is_none_or(|table| table.rewritten >= lsn)
    }

    pub(super) fn pages(&self, oid: u32) -> u64 {
        self.table(oid).map_or(0, |table| table.pages)
    }

    /// The rows that a snapshot of that place holds.
    pub(in crate::model) fn rows_as_of(&self, oid: u32, lsn: Lsn) -> BTreeMap<i64, String> {
        self.rows_of(oid, |transaction| transaction.commit_lsn < lsn)
    }

    fn rows_of(&self, oid: u32, is_in: impl Fn(&Transaction) -> bool) -> BTreeMap<i64, String> {
        let first = self.table(oid).map(|table| table.first_rows.clone()).unwrap_or_default();
        let mut rows: BTreeMap<(u32, i64), String> = first.into_iter().map(|(row, value)| ((oid, row), value)).collect();
        for entry in &self.entries {
            if let Entry::Committed(transaction) = entry
                && is_in(transaction)
            {
                transaction.changes.iter().filter(|change| change.table == oid).for_each(|change| apply(&mut rows, change));
            }
        }
        rows.into_iter().map(|((_, row), value)| (row, value)).collect()
    }

    /// Rows that open transactions have touched, and those that are late, which nobody else may touch before they end.
    pub(in crate::model) fn touched(&self, late: &[u32]) -> BTreeSet<(u32, i64)> {
        let rows = |change: &Change| match &change.what {
            What::Insert { row, .. } | What::Update { row, .. } | What::Touch { row } | What::Delete { row } => {
                vec![(change.table, *row)]
            }
            What::Move { from, row, .. } | What::Carry { from, row } => vec![(change.table, *from), (change.table, *row)],
            What::Truncate | What::Message { .. } => Vec::new(),
        };
        let logged = self.entries.iter().filter_map(|entry| match entry {
            Entry::Committed(transaction) if late.contains(&transaction.xid) => Some(&transaction.changes),
            _ => None,
        });
        self.open.values().map(|open| &open.changes).chain(logged).flatten().flat_map(rows).collect()
    }

    /// The catalog's tables.
    pub(super) fn catalog(&self) -> Vec<Table> {
        self.tables.iter().map(SourceTable::in_catalog).collect()
    }
}

impl SourceTable {
    fn in_catalog(&self) -> Table {
        let column = |number, name: &str, type_oid, not_null| Column {
            number,
            name: name.to_owned(),
            type_oid,
            type_modifier: -1,
            not_null,
            generated: Generated::No,
            published: true,
        };
        Table {
            oid: self.oid,
            schema: super::super::SCHEMA.to_owned(),
            name: self.name.clone(),
            owner: "owner".to_owned(),
            partitioned: false,
            columns: vec![column(1, "id", INT8, true), column(2, "value", TEXT, false)],
            replica_identity: if self.full_identity { ReplicaIdentity::Full } else { ReplicaIdentity::Default },
            identity: Identity::Usable,
            index_key: vec!["id".to_owned()],
            key: vec!["id".to_owned()],
            row_filter: None,
            rows_estimated: None,
            pages_estimated: 0,
            leaves: Vec::new(),
            extension: None,
            may_use_schema: true,
            may_select: true,
            row_security: false,
            may_publish: true,
        }
    }
}

/// The subtransactions that made changes and are taken back, each once; last the one whose savepoint it was.
fn undone(subxids: impl Iterator<Item = u32>, last: u32) -> Vec<u32> {
    let inner: BTreeSet<u32> = subxids.filter(|subxid| *subxid != last).collect();
    inner.into_iter().chain([last]).collect()
}

/// Where in a table a row lies.
pub(super) fn page_of(row: i64) -> u32 {
    row as u32 * PAGES_A_ROW
}

fn apply(rows: &mut BTreeMap<(u32, i64), String>, change: &Change) {
    match &change.what {
        What::Insert { row, value } | What::Update { row, value } => {
            rows.insert((change.table, *row), value.clone());
        }
        What::Move { from, row, value } => {
            rows.remove(&(change.table, *from));
            rows.insert((change.table, *row), value.clone());
        }
        What::Carry { from, row } => {
            if let Some(value) = rows.remove(&(change.table, *from)) {
                rows.insert((change.table, *row), value);
            }
        }
        What::Touch { .. } => {}
        What::Delete { row } => {
            rows.remove(&(change.table, *row));
        }
        What::Truncate => rows.retain(|(table, _), _| *table != change.table),
        What::Message { .. } => {}
    }
}
