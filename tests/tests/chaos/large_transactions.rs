//! Large transactions, more than the server holds in memory, with parts taken back and rolled back as wholes, while everything is killed.

use waltap_tests::PostgresOptions;

use crate::budget::Budget;
use crate::plan::Kind;
use crate::scenario::Scenario;
use crate::workload::Mix;
use crate::{Delivery, both_deliveries};

fn scenario(delivery: Delivery) -> Scenario {
    let weights =
        [(Kind::KillWaltap, 4), (Kind::StopWaltap, 1), (Kind::KillBroker, 1), (Kind::KillServer, 1), (Kind::PostgresWire, 2)];
    let usual = Scenario::new("large_transactions", delivery, Budget::of_time(), &weights);
    // The least that the server takes: it then sends, or spills, whatever is larger before it is committed.
    // And waltap keeps of them in memory next to nothing.
    Scenario {
        mix: Mix::LARGE,
        spill_memory: Some("64KiB"),
        postgres: PostgresOptions::default().set("logical_decoding_work_mem", "64kB"),
        ..usual
    }
}

both_deliveries!(in_the_stream, scenario, "a part of make chaos");
