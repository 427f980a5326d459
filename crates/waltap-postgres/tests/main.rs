//! Tests against real PostgreSQL servers, which they start themselves.

// A test fails by a panic, and the functions that tests share do too.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod fixture;

mod catalog;
mod copy;
mod preflight;
mod publication;
mod replication;
mod sessions;
mod slot;
