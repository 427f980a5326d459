//! Everything at once: kills, stops, pauses, broken wires, and kills behind broken wires.

use crate::budget::Budget;
use crate::plan::Kind;
use crate::scenario::Scenario;
use crate::{Delivery, both_deliveries};

fn scenario(delivery: Delivery) -> Scenario {
    let weights = [
        (Kind::KillWaltap, 3),
        (Kind::StopWaltap, 2),
        (Kind::PauseWaltap, 1),
        (Kind::KillBroker, 1),
        (Kind::PauseBroker, 1),
        (Kind::KillServer, 1),
        (Kind::PostgresWire, 2),
        (Kind::KafkaWire, 2),
        (Kind::KillBehindWire, 4),
    ];
    Scenario::new("mixed", delivery, Budget::of_time(), &weights)
}

both_deliveries!(in_the_stream, scenario);
