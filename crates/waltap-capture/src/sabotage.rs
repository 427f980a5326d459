//! Breaks waltap on purpose, so that the tests can show that they would notice.
//!
//! Each switch is a fault that a connector could have, and that others had. The variable [`SABOTAGE_VARIABLE`] turns one on, in builds with debug
//! assertions and in no other: a release has no switch, and what asks for one there is optimised away.

/// The variable that breaks this build on purpose, for tests that must show that they would notice; a release has none.
pub const SABOTAGE_VARIABLE: Option<&str> = if cfg!(debug_assertions) { Some("WALTAP_SABOTAGE") } else { None };

/// One way of doing it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// An event counts as confirmed once it is handed to the producer.
    ConfirmOnProduce,
    /// A keepalive's place is acknowledged while events are in flight.
    KeepaliveInFlight,
    /// At a stop, what is in flight is acknowledged and left behind.
    DropAtStop,
    /// The account of a transaction that the filters emptied is never closed.
    ForgetFiltered,
    /// A transaction that is parted over several of Kafka's goes on one change too late.
    SplitOffByOne,
    /// Progress is written before the Kafka transaction that it is about is committed, and not in it.
    ProgressOutside,
    /// PostgreSQL is told before progress has the place.
    StatusBeforeProgress,
    /// A table's rows count as confirmed once they are read.
    DoneBeforeConfirmed,
    /// Changes that a table's snapshot holds are sent again.
    RepeatSnapshot,
    /// What was rolled back to a savepoint, of a transaction that waits for its commit, is sent with the rest.
    KeepAborted,
    /// The stream goes on while a snapshot is made for a table whose changes are being sent.
    PassSnapshot,
    /// What the stream tells while a chunk is read leaves nothing out of it.
    IgnoreWindow,
    /// A chunk counts as newer than all that stands before it in the log.
    TrustSnapshot,
    /// Progress says that a chunk was read before its rows are confirmed.
    RecordBeforeRows,
    /// A row whose large values nobody was told is not read again.
    ForgetUnchanged,
    /// The slot passes what is withheld of a table that is paused.
    PassPaused,
    /// A table that goes on counts as caught up at once.
    ForgetWithheld,
    /// A table that goes on begins where it was paused, whatever was sent of it since.
    ForgetCaughtUp,
}

#[cfg(any(debug_assertions, test))]
mod switch {
    use std::sync::OnceLock;

    use waltap_error::{Code, Error, Result};

    use super::{SABOTAGE_VARIABLE, Sabotage};

    /// The switches, by the names that the variable has for them.
    const NAMES: [(&str, Sabotage); 18] = [
        ("confirm-on-produce", Sabotage::ConfirmOnProduce),
        ("keepalive-in-flight", Sabotage::KeepaliveInFlight),
        ("drop-at-stop", Sabotage::DropAtStop),
        ("forget-filtered", Sabotage::ForgetFiltered),
        ("split-off-by-one", Sabotage::SplitOffByOne),
        ("progress-outside", Sabotage::ProgressOutside),
        ("status-before-progress", Sabotage::StatusBeforeProgress),
        ("done-before-confirmed", Sabotage::DoneBeforeConfirmed),
        ("repeat-snapshot", Sabotage::RepeatSnapshot),
        ("keep-aborted", Sabotage::KeepAborted),
        ("pass-snapshot", Sabotage::PassSnapshot),
        ("ignore-window", Sabotage::IgnoreWindow),
        ("trust-snapshot", Sabotage::TrustSnapshot),
        ("record-before-rows", Sabotage::RecordBeforeRows),
        ("forget-unchanged", Sabotage::ForgetUnchanged),
        ("pass-paused", Sabotage::PassPaused),
        ("forget-withheld", Sabotage::ForgetWithheld),
        ("forget-caught-up", Sabotage::ForgetCaughtUp),
    ];

    static ON: OnceLock<Option<Sabotage>> = OnceLock::new();

    #[cfg(test)]
    thread_local! {
        /// What is on for this thread alone.
        static HERE: std::cell::Cell<Option<Sabotage>> = const { std::cell::Cell::new(None) };
    }

    /// Turns one on, or all off, for what this thread runs.
    #[cfg(test)]
    pub(crate) fn set_here(sabotage: Option<Sabotage>) {
        HERE.set(sabotage);
    }

    /// Turns on what the variable asks for. Without it nothing is ever on.
    pub(crate) fn start() -> Result<()> {
        let Some(variable) = SABOTAGE_VARIABLE else { return Ok(()) };
        let Some(name) = std::env::var_os(variable) else { return Ok(()) };
        let Some((_, sabotage)) = NAMES.iter().find(|(known, _)| *known == name) else {
            return Err(Error::configuration(Code::INVALID_VALUE, format!("{variable} names no sabotage: {}", name.display())));
        };
        tracing::warn!(?sabotage, "this waltap is broken on purpose, and loses or repeats events: {variable} is set");
        // A second capture of the same process finds it set already, to the same.
        ON.get_or_init(|| Some(*sabotage));
        Ok(())
    }

    /// Whether this one is on.
    pub(crate) fn is_on(sabotage: Sabotage) -> bool {
        #[cfg(test)]
        if HERE.get() == Some(sabotage) {
            return true;
        }
        ON.get().is_some_and(|on| *on == Some(sabotage))
    }
}

#[cfg(not(any(debug_assertions, test)))]
mod switch {
    use waltap_error::Result;

    use super::Sabotage;

    pub(crate) fn start() -> Result<()> {
        Ok(())
    }

    pub(crate) const fn is_on(_: Sabotage) -> bool {
        false
    }
}

#[cfg(test)]
pub(crate) use switch::set_here;
pub(crate) use switch::{is_on, start};
