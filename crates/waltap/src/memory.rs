//! Keeps what is in memory to the process: passwords, and rows of the source.

#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// No core is written of the process, and only root may look into it, with a debugger or in `/proc`. Where that cannot be had, work goes on.
pub(crate) fn keep_private() {
    // Before there is a log, and before anything secret is read.
    #[cfg(target_os = "linux")]
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Allows both again, for who looks for a fault.
pub(crate) fn open() {
    #[cfg(target_os = "linux")]
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::Dumpable) {
        tracing::warn!(error = %error, "core dumps cannot be allowed");
    }
}
