//! What is missing on the side of PostgreSQL, with the exact SQL or setting that mends it. Changes nothing.
//!
//! [`check_server`] looks at what all databases share, [`check_database`] at one of them, over a session in it.

mod database;
mod finding;
mod server;
mod standby;

pub use database::{DatabaseNeeds, PublicationNeeds, check_database, identity_statements, judge_tables};
pub use finding::{Finding, Level, worst};
pub use server::{OLDEST_VERSION, ServerNeeds, check_server, judge_databases, judge_server, judge_slots};
pub use standby::judge_standby;
