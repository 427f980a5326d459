//! What a change is, and its JSON.
//!
//! Rows come in as PostgreSQL's text, one [`Value`](waltap_pgoutput::Value) a column, from the replication stream or from a COPY; Kafka
//! records go out to a [`RecordSink`]. In between there is no I/O and no clock.
//!
//! * [`TypeCatalog`] knows how the text of each type is read: its [`Kind`].
//! * [`TableShape`] is what is known of a table when its rows are written.
//! * [`Stamp`] is where and when an event stands.
//! * [`native`] is a format: an encoder that writes events of prepared tables.
//!
//! Writing a value is a total function. Whatever text a column holds, its record is valid JSON, and what cannot be read as what its type
//! promises is written as PostgreSQL's own text, in a string.

mod catalog;
mod error;
mod json;
mod kind;
pub mod native;
mod shape;
mod sink;
mod stamp;
mod text;

pub use catalog::{TypeCatalog, TypeDescription};
pub use error::{Error, Failure};
pub use kind::Kind;
pub use shape::{Column, TableShape};
pub use sink::RecordSink;
pub use stamp::Stamp;
