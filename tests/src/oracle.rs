//! The judge of an end-to-end test: the database itself. Every table is rebuilt from its topic alone, as a consumer would who
//! knows nothing but the rules of delivery, and compared with the source, row for row; on the way the order of each key's events
//! is checked.
//!
//! The rules: an event stands at `(commit_lsn, seq)`; a repeat has the key and the position of one that came before, and the same
//! content, and is dropped; what is left of a key comes in rising positions; the rows of a snapshot stand at its LSN, before
//! every change of it.

mod canonical;
mod compare;
mod event;
mod order;
mod reading;
mod rebuild;
mod source;

#[cfg(test)]
pub(crate) use event::samples;

pub use compare::{ReadTopic, TableReport, compare, ensure_equal, read};
pub use event::{Columns, Event, Operation, Position, parse_lsn};
pub use order::{OrderChecker, Verdict};
pub use rebuild::{Row, Rows, rebuild};
pub use source::{Column, Kind, Table, tables};
