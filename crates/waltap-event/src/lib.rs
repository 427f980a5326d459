//! What a change is, and its JSON.
//!
//! Rows come in as PostgreSQL's text, one [`Value`](waltap_pgoutput::Value) a column, from the replication stream or from a COPY; Kafka
//! records go out to a [`RecordSink`]. In between there is no I/O and no clock.
//!
//! * [`TypeCatalog`] knows how the text of each type is read: its [`Kind`].
//! * [`TableShape`] is what is known of a table when its rows are written.
//! * [`Stamp`] is where and when an event stands.
//! * [`Format`] says how events look: [`native`], [`flat`], [`debezium`]. [`Table`] is a table made ready for it, [`Encoder`] writes the events.
//!
//! Writing a value is a total function. Whatever text a column holds, its record is valid JSON, and what cannot be read as what its type
//! promises is written as PostgreSQL's own text, in a string.

mod append;
mod catalog;
mod composer;
mod data_type;
pub mod debezium;
mod digits;
mod error;
pub mod flat;
mod format;
mod headers;
mod json;
mod kind;
mod layout;
pub mod native;
mod operation;
mod outbox;
mod own_names;
mod record;
mod row;
mod scan;
mod shape;
mod sink;
mod stamp;
mod table;
mod text;
mod treatment;

pub use catalog::{TypeCatalog, TypeDescription};
pub use data_type::{BaseType, DataType, ExtensionType};
pub use error::{Error, Failure};
pub use format::{Encoder, Format, Heartbeats, Table};
pub use headers::HeaderSet;
pub use kind::Kind;
pub use operation::Operation;
pub use outbox::{NoOutboxColumn, Outbox, OutboxColumns, TopicPart};
pub use shape::{Column, Declared, TableShape};
pub use sink::{Header, RecordSink};
pub use stamp::Stamp;
pub use treatment::{Mask, Salt, Treatment};
