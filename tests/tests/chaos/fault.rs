//! What is done to whom.

use std::fmt;
use std::time::Duration;

use waltap_tests::{Direction, Side};

/// One of the two wires of waltap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Postgres,
    Kafka,
}

/// What a wire does, until it is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireFault {
    /// Every connection is closed.
    Cut,
    /// Every connection is closed, and new ones are refused.
    Down,
    /// Every piece comes late, by up to twice so much.
    Late(Duration),
    /// So many bytes pass in a second.
    Narrow(u64),
    /// Nothing passes, nothing closes.
    Frozen,
    /// Nothing passes in one direction.
    HalfFrozen(Direction),
    /// Connections are closed on one side, and the other is not told.
    HalfClosed(Side),
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// waltap is killed with -9, and started again at once.
    KillWaltap,
    /// waltap is asked to stop, and started again.
    StopWaltap,
    /// waltap stands still for so long.
    PauseWaltap(Duration),
    /// The broker is killed with -9, and started again after so long.
    KillBroker(Duration),
    /// The broker stands still for so long.
    PauseBroker(Duration),
    /// Every process of the server is killed with -9; it is started again after so long.
    KillServer(Duration),
    /// A wire is broken for so long.
    BreakWire(Wire, WireFault, Duration),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::KillWaltap => write!(f, "kill -9 waltap"),
            Fault::StopWaltap => write!(f, "stop waltap"),
            Fault::PauseWaltap(lasting) => write!(f, "pause waltap for {lasting:?}"),
            Fault::KillBroker(down) => write!(f, "kill -9 the broker, down for {down:?}"),
            Fault::PauseBroker(lasting) => write!(f, "pause the broker for {lasting:?}"),
            Fault::KillServer(down) => write!(f, "kill -9 the server, down for {down:?}"),
            Fault::BreakWire(wire, fault, lasting) => write!(f, "the wire to {wire:?}: {fault:?} for {lasting:?}"),
        }
    }
}
