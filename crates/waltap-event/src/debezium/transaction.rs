//! Transaction metadata (`provide.transaction.metadata`): the block in each event, and the records of a transaction's beginning and end.
//!
//! A transaction's id is its number and the place of whatever is told with it, so that it is another in each event; readers part it at the
//! colon. Events that are left out, by `skipped.operations` or since a snapshot holds them, are not counted. A transaction without any has
//! its two records all the same; PostgreSQL 15 and later do not send those that touched no published table.

use std::collections::HashMap;

use waltap_pgoutput::Lsn;

use super::jackson::write_string;
use super::java_map;
use crate::Stamp;
use crate::json::number::{write_i64, write_u64};
use crate::native::envelope::unix_millis;

/// What messages are counted under. In Debezium each is a collection of its own, named after an object in Java's memory.
pub(super) const MESSAGES: &str = "message";

/// Counts the events of a transaction, where that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Transactions {
    wanted: bool,
    /// The number of the one that is open.
    open: Option<u32>,
    events: u64,
    /// Each table with its number of events, in the order of their first.
    tables: Vec<(Box<str>, u64)>,
    /// The place of each in there.
    places: HashMap<Box<str>, usize>,
    /// The place of the last event's: the next one is most often of the same.
    last: usize,
    /// In whose order Debezium names them.
    java_table: java_map::Table,
}

impl Transactions {
    pub(super) fn new(wanted: bool) -> Self {
        Transactions {
            wanted,
            open: None,
            events: 0,
            tables: Vec::new(),
            places: HashMap::new(),
            last: 0,
            java_table: java_map::Table::default(),
        }
    }

    /// Appends `,"transaction":…` of an event of this table, and counts it, if it is one that is sent.
    pub(super) fn write_block(&mut self, table: &str, is_sent: bool, lsn: Lsn, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"transaction\":");
        let Some(txid) = self.open.filter(|_| is_sent) else {
            out.extend_from_slice(b"null");
            return;
        };
        self.events += 1;
        let order = self.count(table);
        out.extend_from_slice(b"{\"id\":");
        write_id(txid, lsn, out);
        out.extend_from_slice(b",\"total_order\":");
        write_u64(self.events, out);
        out.extend_from_slice(b",\"data_collection_order\":");
        write_u64(order, out);
        out.push(b'}');
    }

    fn count(&mut self, table: &str) -> u64 {
        if self.tables.get(self.last).is_none_or(|(name, _)| **name != *table) {
            self.last = self.places.get(table).copied().unwrap_or(self.tables.len());
            if self.last == self.tables.len() {
                self.places.insert(table.into(), self.last);
                self.tables.push((table.into(), 0));
            }
        }
        let Some((_, count)) = self.tables.get_mut(self.last) else { return 0 };
        *count += 1;
        *count
    }

    /// Begins a transaction, and writes the payloads of its first record. False, and nothing: it is not wanted.
    pub(super) fn begin(&mut self, stamp: &Stamp, key: &mut Vec<u8>, value: &mut Vec<u8>) -> bool {
        let Some(txid) = stamp.txid.filter(|_| self.wanted) else { return false };
        self.open = Some(txid);
        self.events = 0;
        self.tables.clear();
        self.places.clear();
        self.last = 0;
        write_key(txid, stamp.lsn, key);
        write_status("BEGIN", txid, stamp.lsn, value);
        value.extend_from_slice(b",\"event_count\":null,\"data_collections\":null");
        write_time(stamp, value);
        true
    }

    /// Ends it, and writes the payloads of its last record. False, and nothing: none was begun.
    pub(super) fn end(&mut self, stamp: &Stamp, key: &mut Vec<u8>, value: &mut Vec<u8>) -> bool {
        let Some(txid) = self.open.take() else { return false };
        self.java_table.grow(self.tables.len());
        let java_table = self.java_table;
        self.tables.sort_by_key(|(name, _)| java_table.place(name));
        write_key(txid, stamp.lsn, key);
        write_status("END", txid, stamp.lsn, value);
        value.extend_from_slice(b",\"event_count\":");
        write_u64(self.events, value);
        value.extend_from_slice(b",\"data_collections\":[");
        for (index, (name, count)) in self.tables.iter().enumerate() {
            value.extend_from_slice(if index == 0 { b"{\"data_collection\":" } else { b",{\"data_collection\":" });
            write_string(name.as_bytes(), value);
            value.extend_from_slice(b",\"event_count\":");
            write_u64(*count, value);
            value.push(b'}');
        }
        value.push(b']');
        write_time(stamp, value);
        true
    }
}

fn write_key(txid: u32, lsn: Lsn, key: &mut Vec<u8>) {
    key.extend_from_slice(b"{\"id\":");
    write_id(txid, lsn, key);
    key.push(b'}');
}

fn write_status(status: &str, txid: u32, lsn: Lsn, value: &mut Vec<u8>) {
    value.extend_from_slice(b"{\"status\":\"");
    value.extend_from_slice(status.as_bytes());
    value.extend_from_slice(b"\",\"id\":");
    write_id(txid, lsn, value);
}

/// When it was committed, at the beginning too.
fn write_time(stamp: &Stamp, value: &mut Vec<u8>) {
    value.extend_from_slice(b",\"ts_ms\":");
    write_i64(unix_millis(stamp.happened_at), value);
    value.push(b'}');
}

fn write_id(txid: u32, lsn: Lsn, out: &mut Vec<u8>) {
    out.push(b'"');
    write_u64(txid.into(), out);
    out.push(b':');
    write_u64(lsn.0, out);
    out.push(b'"');
}
