//! What a proxy does to what passes through it.

use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who connected to the proxy.
    Client,
    /// Whom the proxy leads to.
    Server,
}

/// How one direction is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lane {
    /// Nothing passes, and nothing closes: what a lost cable looks like.
    pub(super) frozen: bool,
    /// Every piece waits so long,
    pub(super) delay: Duration,
    /// and up to so long more.
    pub(super) jitter: Duration,
    /// No more passes in a second. None: no bound.
    pub(super) bytes_per_second: Option<u64>,
}

/// How the proxy treats its connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Treatment {
    /// Counts the cuts: a connection ends when it changes.
    pub(super) cuts: u64,
    /// Counts the ends that only one side is told: a connection that is there when it changes is closed on that side, and silent on the
    /// other until the next cut.
    pub(super) abandoned: u64,
    /// The side that is told.
    pub(super) told: Option<Side>,
    /// New connections are closed at once.
    pub(super) refusing: bool,
    pub(super) up: Lane,
    pub(super) down: Lane,
}

/// How often connections were ended. One that is there when it changes has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) cuts: u64,
    abandoned: u64,
}

impl Treatment {
    pub(super) fn ends(&self) -> Ends {
        Ends { cuts: self.cuts, abandoned: self.abandoned }
    }

    pub(super) fn lane(&self, direction: Direction) -> Lane {
        match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        }
    }

    pub(super) fn lane_mut(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}
