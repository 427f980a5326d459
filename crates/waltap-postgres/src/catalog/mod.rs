//! What the server is and what it holds: facts of the server and the role, databases, tables, types.
//!
//! Everything here only reads, takes no lock on a user's table (but for [`change_bytes()`], for a moment), and asks once for a whole database.

mod aborted_transactions;
mod change_bytes;
mod column_defaults;
mod database;
mod fingerprint;
mod open_transactions;
mod quoted;
mod server;
mod standby;
mod stored_text;
mod table;
mod table_mark;
mod table_query;
mod type_names;
mod type_row;
mod visible_transactions;

pub use aborted_transactions::aborted_transactions;
pub use change_bytes::change_bytes;
pub use column_defaults::{ColumnDefaults, column_defaults};
pub use database::{Database, databases};
pub use fingerprint::{Fingerprint, fingerprint};
pub use open_transactions::open_transactions;
pub use quoted::{quoted_identifier, quoted_literal, quoted_name};
pub(crate) use server::SERVER_START;
pub use server::{REPLICATION_ROLES, Role, Server, server, server_start};
pub use standby::{DECODING_STANDBYS, Standby, is_standby, standby};
pub use table::{Column, Generated, Identity, IdentityProblem, Leaf, ReplicaIdentity, Table};
pub use table_mark::table_mark;
pub use table_query::{identity_key, tables, tables_by_oid};
pub use type_names::type_names;
pub use type_row::{TypeRow, types};
pub use visible_transactions::{VisibleTransactions, commits_wait_for_standbys, take_transaction_id, visible_transactions};

#[cfg(test)]
pub(crate) mod tests;
