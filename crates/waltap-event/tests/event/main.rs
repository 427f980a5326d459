//! Events as their readers see them.

// A test that cannot go on says so by stopping.
#![allow(clippy::panic, clippy::unwrap_used)]

mod changes;
mod debezium;
mod flat;
mod headers;
mod kept;
mod records;
mod totality;
mod values;
