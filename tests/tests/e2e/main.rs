//! End-to-end tests: each starts its own PostgreSQL and a real Kafka, and judges by what arrived.

mod kit;
