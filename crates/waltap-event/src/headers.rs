//! Headers that every event's record has, for readers that choose without looking into values.

use std::ops::Range;

use waltap_pgoutput::Lsn;

use crate::json::number::write_u64;
use crate::native::envelope::unix_millis;
use crate::record::{Record, shrink};
use crate::table::TableName;
use crate::text::date_time;
use crate::{Header, Operation, Stamp};

/// Which headers records have, beside those that a format gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderSet {
    /// None.
    #[default]
    None,
    /// Where the event stands: `waltap.op`, `waltap.db`, `waltap.schema`, `waltap.table`, `waltap.txid`, `waltap.lsn`,
    /// `waltap.commit_lsn`, `waltap.seq`, `waltap.ts_ms`, as text. What an event does not have is left out.
    Position,
    /// Those of a CloudEvent in binary mode (CloudEvents 1.0.2, Kafka protocol binding, chapter 3.2). `ce_source` is
    /// `/database/schema/table`, `ce_type` is `waltap.` and the operation. `ce_id` is the position and the operation, so that a repeat has
    /// the same one; in a snapshot the key, or for a row without one something that is new each time.
    CloudEvents,
}

/// The most headers that a record has: those of [`HeaderSet::Position`] and one of the format's.
const HEADERS_MAX: usize = 10;

/// The headers of one record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderList<'a> {
    headers: [Header<'a>; HEADERS_MAX],
    count: usize,
}

impl<'a> HeaderList<'a> {
    pub(crate) fn push(&mut self, header: Header<'a>) {
        if let Some(place) = self.headers.get_mut(self.count) {
            *place = header;
            self.count += 1;
        }
    }

    pub(crate) fn as_slice(&self) -> &[Header<'a>] {
        self.headers.get(..self.count).unwrap_or_default()
    }
}

impl Default for HeaderList<'_> {
    fn default() -> Self {
        HeaderList { headers: [Header { name: "", value: b"", is_json: false }; HEADERS_MAX], count: 0 }
    }
}

/// Writes headers. Its buffers are used again from record to record.
#[derive(Clone, Debug)]
pub(crate) struct HeaderWriter {
    set: HeaderSet,
    database: Box<str>,
    bytes: Vec<u8>,
    fields: Vec<(&'static str, Range<usize>)>,
    /// Counts rows of snapshots that have no key.
    nameless: u64,
}

impl HeaderWriter {
    pub(crate) fn new(set: HeaderSet, database: &str) -> Self {
        HeaderWriter { set, database: database.into(), bytes: Vec::new(), fields: Vec::new(), nameless: 0 }
    }

    /// Writes the headers of a record, for [`HeaderWriter::list`].
    pub(crate) fn write(&mut self, operation: Operation, table: Option<&TableName>, stamp: &Stamp, record: &Record) {
        self.bytes.clear();
        self.fields.clear();
        match self.set {
            HeaderSet::None => {}
            HeaderSet::Position => self.write_position(operation, table, stamp),
            HeaderSet::CloudEvents => self.write_cloud_event(operation, table, stamp, record),
        }
    }

    /// The headers that were written last.
    pub(crate) fn list(&self) -> HeaderList<'_> {
        let mut list = HeaderList::default();
        for (name, range) in &self.fields {
            list.push(Header { name, value: self.bytes.get(range.clone()).unwrap_or_default(), is_json: false });
        }
        list
    }

    pub(crate) fn give_back_memory(&mut self) {
        shrink(&mut self.bytes);
    }

    fn field(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.fields.push((name, start..self.bytes.len()));
    }

    fn write_position(&mut self, operation: Operation, table: Option<&TableName>, stamp: &Stamp) {
        let database = self.database.clone();
        self.field("waltap.op", |out| out.push(operation.letter()));
        self.field("waltap.db", |out| out.extend_from_slice(database.as_bytes()));
        if let Some(table) = table {
            self.field("waltap.schema", |out| out.extend_from_slice(table.schema.as_bytes()));
            self.field("waltap.table", |out| out.extend_from_slice(table.table.as_bytes()));
        }
        if let Some(txid) = stamp.txid {
            self.field("waltap.txid", |out| write_u64(txid.into(), out));
        }
        self.field("waltap.lsn", |out| write_lsn(stamp.lsn, out));
        self.field("waltap.commit_lsn", |out| write_lsn(stamp.commit_lsn, out));
        if let Some(ordinal) = stamp.ordinal {
            self.field("waltap.seq", |out| write_u64(ordinal, out));
        }
        self.field("waltap.ts_ms", |out| out.extend_from_slice(unix_millis(stamp.happened_at).to_string().as_bytes()));
    }

    fn write_cloud_event(&mut self, operation: Operation, table: Option<&TableName>, stamp: &Stamp, record: &Record) {
        let database = self.database.clone();
        self.field("ce_specversion", |out| out.extend_from_slice(b"1.0"));
        if stamp.ordinal.is_none() {
            self.nameless += 1;
        }
        let nameless = self.nameless;
        self.field("ce_id", |out| {
            write_lsn(stamp.commit_lsn, out);
            out.push(b'/');
            match (stamp.ordinal, record.key()) {
                (Some(ordinal), _) => write_u64(ordinal, out),
                (None, Some(key)) => out.extend_from_slice(key),
                (None, None) => {
                    // Workers count side by side, so the row itself has to tell them apart as well.
                    let digest = ring::digest::digest(&ring::digest::SHA256, &record.value);
                    let digest = digest.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
                    write_u64(digest, out);
                    out.push(b'-');
                    write_u64(nameless, out);
                }
            }
            out.push(b'/');
            out.push(operation.letter());
        });
        self.field("ce_source", |out| {
            write_segment(&database, out);
            if let Some(table) = table {
                write_segment(&table.schema, out);
                write_segment(&table.table, out);
            }
        });
        self.field("ce_type", |out| {
            out.extend_from_slice(b"waltap.");
            out.extend_from_slice(operation.name().as_bytes());
        });
        self.field("ce_time", |out| {
            date_time::write_unix_micros(stamp.happened_at.unix_micros(), out);
            out.push(b'Z');
        });
        self.field("content-type", |out| out.extend_from_slice(b"application/json"));
    }
}

fn write_lsn(lsn: Lsn, out: &mut Vec<u8>) {
    out.extend_from_slice(lsn.to_string().as_bytes());
}

/// Appends a segment of a path, with all but the unreserved characters of RFC 3986 escaped.
fn write_segment(name: &str, out: &mut Vec<u8>) {
    out.push(b'/');
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
}
