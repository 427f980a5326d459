//! Which databases, tables and columns a capture wants: globs, with quoted names as in SQL.

mod columns;
mod databases;
mod keys;
mod outbox;
mod pattern;
mod tables;

pub use columns::ColumnSelection;
pub(crate) use columns::TableColumns;
pub use databases::DatabaseSelection;
pub use keys::KeyChoice;
pub use outbox::OutboxChoice;
pub use tables::{TablePattern, TableSelection};
