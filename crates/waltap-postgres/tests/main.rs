//! Tests against real PostgreSQL servers, which they start themselves.

mod fixture;

mod sessions;
