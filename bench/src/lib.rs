//! What waltap costs, measured beside its peers in one run.
//!
//! Each benchmark is a program of its own in this crate. Numbers are ratios first: a subject and its peer are measured in turns, round by
//! round, so that whatever else the machine does disturbs both.

pub mod foreign;
pub mod formats;
pub mod lines;
pub mod log_times;
pub mod measure;
pub mod parameters;
pub mod reader;
pub mod refusals;
pub mod sampler;
pub mod servers;
pub mod statistics;
pub mod table;
pub mod wire;
