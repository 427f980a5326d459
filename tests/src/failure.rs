//! Why a test failed: a message, the causes below it, and the line it came from.

use std::fmt;
use std::panic::Location;

/// What a test, or a step of the kit, returns.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// A failed step. Any error becomes one by `?`, which notes the line.
pub struct Failure {
    message: String,
    at: &'static Location<'static>,
}

impl Failure {
    /// A failure of the caller's own finding.
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), at: Location::caller() }
    }

    /// Says what was being done when it failed.
    pub fn while_doing(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl<E: std::error::Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(below) = cause {
            message.push_str(": ");
            message.push_str(&below.to_string());
            cause = below.source();
        }
        Failure { message, at: Location::caller() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// What cargo's test runner prints of a test that returned a failure.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n   at {}", self.message, self.at)
    }
}

/// Returns a failure with a formatted message.
#[macro_export]
macro_rules! fail {
    ($($message:tt)+) => { return Err($crate::Failure::new(format!($($message)+))) };
}

/// Returns a failure with a formatted message unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::fail!($($message)+)
        }
    };
}
