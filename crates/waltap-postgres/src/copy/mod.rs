//! Reading the rows of tables under an exported snapshot.
//!
//! [`measure`] and [`plan_chunks`] part a table into [`Chunk`]s; a [`SnapshotReader`] holds the snapshot and copies one chunk at a time;
//! [`lines`] and [`RowParser`] turn what it reads into values. Nothing here locks more than ACCESS SHARE.

mod chunk;
mod reader;
mod row;

pub use chunk::{Chunk, PageRange, TID_RANGE_VERSION, keep_plannable, measure, plan_chunks};
pub use reader::{CopyError, CopyRows, SnapshotReader};
pub use row::{CopyRow, CopyValues, RowError, RowParser, lines};

#[cfg(test)]
mod chunk_tests;
#[cfg(test)]
mod row_tests;
