//! Chaos: real servers, real kills, wires that break, a workload that says what was committed, and a checker that reads what arrived.
//!
//! One file a scenario; each is run once for each delivery. What is done when is drawn from a seed, which is printed first and with every
//! failure. `CHAOS_SEED` brings a plan again, `CHAOS_SECONDS` says how long each scenario breaks things, and `KILLS`, `BROKER_KILLS` and
//! `SERVER_KILLS` give those that kill a number to meet. `make chaos MINUTES=30` does all that.

mod budget;
mod fault;
mod plan;
mod sampler;
mod scenario;
mod snapshot;
mod stage;
mod streamed;
mod summary;
mod verdict;
mod workload;

mod broken;
mod kafka_wire;
mod kills_in_the_snapshot;
mod kills_in_the_stream;
mod large_transactions;
mod mixed;
mod pair;
mod postgres_wire;

pub(crate) use waltap_tests::checker::Delivery;

/// Runs a scenario's course under both deliveries. `make test` runs some under one of them only: each starts a server and a broker, and three
/// minutes are not many.
macro_rules! both_deliveries {
    ($course:ident, $scenario:expr $(, $why_not_at_least_once:literal)?) => {
        #[test]
        $(#[ignore = $why_not_at_least_once])?
        fn at_least_once() -> waltap_tests::Result {
            $scenario($crate::Delivery::AtLeastOnce).$course()
        }

        #[test]
        fn exactly_once() -> waltap_tests::Result {
            $scenario($crate::Delivery::ExactlyOnce).$course()
        }
    };
}
pub(crate) use both_deliveries;
