//! The time of the world, for what is written down. Nothing waits by it, since it may step.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Since 1970; nothing on a machine whose clock stands before that.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The same in milliseconds.
pub(crate) fn unix_millis() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}
