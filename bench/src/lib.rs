//! What waltap costs, measured beside its peers in one run.
//!
//! Each benchmark is a program of its own in this crate. Numbers are ratios first: a subject and its peer are measured in turns, round by
//! round, so that whatever else the machine does disturbs both.

pub mod measure;
pub mod table;
