//! The wire to PostgreSQL is cut, delayed, throttled, frozen and half-opened.

use crate::budget::Budget;
use crate::plan::Kind;
use crate::scenario::Scenario;
use crate::{Delivery, both_deliveries};

fn scenario(delivery: Delivery) -> Scenario {
    Scenario::new("postgres_wire", delivery, Budget::of_time(), &[(Kind::PostgresWire, 1)])
}

both_deliveries!(in_the_stream, scenario, "a part of make chaos");
