//! The job: taps, snapshots, the supervisor of many databases.
