//! Replication slots: their names, their state, and those that waltap made.

mod claim;
mod name;
mod own;
mod state;

pub use claim::{claim, claimed_slots, holds_claim, is_same_process, terminate_reader};
pub use name::{NAME_BYTES_MAX, NAME_PREFIX, PublicationNames, capture_of, publication_names, slot_name};
pub use own::{OwnPublication, drop_publication, drop_slot, own_publications, own_slots};
pub use state::{Invalidation, SlotState, WalStatus, inspect};
