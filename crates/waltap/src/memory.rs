//! What is in memory: kept to the process, passwords and rows of the source among it, and no more than is needed.

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

/// How many heaps the C library may have. By default it is eight for each processor, and a thread keeps to the one it began with: rows pass
/// through several threads on their way to Kafka, so that each heap grows to the most that ever lay in it. Two are enough, since threads
/// have their own small stocks before them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// The user's own word on it, which counts more than ours.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS_VARIABLES: [&str; 2] = ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"];

/// Makes threads share their heaps. To be called before there are threads.
pub(crate) fn share_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if HEAPS_VARIABLES.iter().all(|name| std::env::var_os(name).is_none()) {
        // Where it is refused, more memory is taken, and nothing else.
        let _ = limit_heaps();
    }
}

/// Whether the C library has taken it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn limit_heaps() -> bool {
    // SAFETY: `mallopt` takes two numbers, and may be called at any time from any thread.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, HEAPS) == 1 }
}
