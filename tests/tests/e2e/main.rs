//! End-to-end tests: each starts its own PostgreSQL and a real Kafka, and judges by what arrived.
//!
//! They are short by default. `E2E_SECONDS=60` gives the workload of the long ones a minute, `E2E_PAUSE_SECONDS=300` makes the
//! pause of Kafka five minutes, `E2E_SEED` repeats the random choices of a run that failed.

mod application_writes;
mod arrival;
mod chunks;
mod composite_keys;
mod dead_letters;
mod documents;
mod encodings;
mod exactly_once;
mod failover;
mod faults;
mod guards;
mod idle_database;
mod joining;
mod kafka_paused;
mod kit;
mod large_rows;
mod least_privilege;
mod many_tables;
mod memory;
mod messages;
mod records;
mod regression;
mod requests;
mod schema_changes;
mod secrets;
mod side_topics;
mod slot_identity;
mod standby;
mod stdout;
mod streaming;
mod table_pauses;
mod values;
mod watched;
mod workload;

/// A number of seconds from the environment.
fn seconds(variable: &str, default: u64) -> std::time::Duration {
    let seconds = std::env::var(variable).ok().and_then(|seconds| seconds.parse().ok());
    std::time::Duration::from_secs(seconds.unwrap_or(default))
}
