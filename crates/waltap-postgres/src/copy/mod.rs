//! Reading the rows of tables, in two ways.
//!
//! Under an exported snapshot: [`measure`] and [`plan_chunks`] part a table into [`Chunk`]s, and a [`SnapshotReader`] holds the snapshot
//! and copies one chunk at a time. By the key, beside those who write: [`chunk_key`] tells the key, and a [`KeyReader`] reads one
//! [`KeyRange`] after the other, each under a snapshot of its own between two places of the log. [`lines`] and [`RowParser`] turn what
//! either reads into values. Nothing here locks more than ACCESS SHARE.

mod chunk;
mod key_chunk;
mod key_column;
mod key_reader;
mod reader;
mod row;
mod watermark;

pub use chunk::{Chunk, PageRange, TID_RANGE_VERSION, keep_plannable, measure, plan_chunks};
pub use key_chunk::{ChunkRow, KeyChunk, KeyPart, KeyRange};
pub use key_column::{KeyColumn, KeyOperators, chunk_key};
pub use key_reader::{KeyReader, bound_lock_waits, check_condition};
pub use reader::{CopyError, CopyRows, SnapshotReader};
pub use row::{CopyRow, CopyValues, RowError, RowParser, lines};
pub use watermark::{MESSAGE_PREFIX, write_mark};

#[cfg(test)]
mod chunk_tests;
#[cfg(test)]
mod row_tests;
