//! The publications of a capture: planned, reconciled with the chosen tables, or, where the user brings one, inspected.
//!
//! A capture has two ([`crate::slot::publication_names`]): one with all operations for tables whose updates and deletes can be
//! published, one with INSERT and TRUNCATE for the others, so that no publication of waltap ever makes a user's statement fail.
//! Both list their tables; FOR ALL TABLES is never used.

mod execute;
mod inspect;
mod membership;
mod plan;
mod published;
mod remedy;
mod watch;

pub(crate) use execute::remedy;
pub use execute::{Reconciled, current, plan_now, reconcile};
pub use inspect::{PublishedTable, UserPublication, inspect};
pub use membership::{Listed, Operations, Publication, membership};
pub(crate) use plan::enumerated;
pub use plan::{Change, Current, Plan, Problem, Rights, Transaction, plan};
pub use published::published;
pub use remedy::{grant_statements, owner_statements};
pub use watch::{Contents, Digest, Entry, EntryOf, Header, contents, digest};

#[cfg(test)]
mod plan_tests;
